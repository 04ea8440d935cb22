//! What can be wrong with a policy file, in one line each.

use crate::overrides::FieldGrantsError;
use crate::rule_error::RuleError;
use crate::secret::SecretError;
use crate::tls::TlsGrantsError;

/// Why a text is not a policy, and where. It displays as one line: `line 4: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct DocumentError {
    /// The line, counted from 1; none if the fault is in no line.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: DocumentFault,
}

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentFault {
    /// There are more than [`MAX_LENGTH`](super::MAX_LENGTH) bytes.
    #[error("the policy is longer than {} MiB", super::MAX_LENGTH >> 20)]
    TooLong,
    /// There is nothing but white space and comments.
    #[error("the policy is empty and would deny everything: begin it with 'version = 1'")]
    Empty,
    /// The text is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key or a table that was there before.
    #[error("the key '{0}' appears twice: remove one")]
    DuplicateKey(String),
    /// There is no version.
    #[error(
        "'version = 1' is missing: begin the policy with it (the file may be cut off, or is not a \
         policy)"
    )]
    NoVersion,
    /// The last line is missing.
    #[error(
        "the last line '[end]' is missing: the file may be cut off; if it is complete, add the line"
    )]
    NoEnd,
    /// Something follows the end.
    #[error("'[end]' is not the last line: nothing may follow it")]
    EndNotLast,
    /// A version that this crate does not know.
    #[error("the policy has version {0}, but this sandbox-net reads version 1")]
    Version(u64),
    /// A key that means nothing here.
    #[error(
        "unknown key '{}'{}; {}",
        clip(key),
        within(table),
        nearest(key, known)
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// The table that it is in; empty at the top.
        table: &'static str,
        /// The keys that this table can have.
        known: &'static [&'static str],
    },
    /// A key that has to be there.
    #[error("'{key}' is missing{}", within(table))]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The table that it is missing in.
        table: &'static str,
    },
    /// A value of another type, or out of range.
    #[error("{key}: expected {expected}, found {found}")]
    Unexpected {
        /// The key of the value.
        key: String,
        /// What would be right.
        expected: String,
        /// What is there, or its beginning.
        found: String,
    },
    /// There are more than [`MAX_RULES`](super::MAX_RULES) rules.
    #[error("the policy has more than {} rules", super::MAX_RULES)]
    TooManyRules,
    /// A text that is not a rule.
    #[error("the rule{} is refused: {error}", rule_text(text))]
    Rule {
        /// The text.
        text: String,
        /// What is wrong with it.
        error: RuleError,
    },
    /// A secret that could not work, or would leak.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A grant of TLS settings that grants nothing, or says more than which hosts it is for.
    #[error(transparent)]
    Tls(#[from] TlsGrantsError),
    /// A grant of fields that grants nothing, or says more than which hosts it is for.
    #[error(transparent)]
    Field(#[from] FieldGrantsError),
}

/// The beginning of a text, on one line and short enough for a message.
pub(super) fn clip(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(LONGEST).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{}{rest}", start.escape_debug())
}

fn within(table: &str) -> String {
    if table.is_empty() {
        return String::new();
    }
    format!(" in {table}")
}

/// A text with user information is not repeated: that may be a password.
fn rule_text(text: &str) -> String {
    if text.contains('@') {
        return String::new();
    }
    format!(" '{}'", clip(text))
}

/// The known key that was probably meant, or else all of them.
fn nearest(key: &str, known: &[&str]) -> String {
    let plain = clip(key).to_ascii_lowercase().replace('-', "_");
    let distances = known
        .iter()
        .map(|known| (strsim::osa_distance(&plain, known), known));
    match distances.min() {
        Some((distance, known)) if distance <= 2 && distance * 2 < known.len() => {
            format!("did you mean '{known}'?")
        }
        _ if known.is_empty() => "this table has no keys".to_owned(),
        _ => format!("known keys: '{}'", known.join("', '")),
    }
}
