//! The faults of a policy file, each with a message of one line.

use crate::overrides::FieldGrantsError;
use crate::rule_error::RuleError;
use crate::secret::SecretError;
use crate::tls::TlsGrantsError;
use crate::tunnel_grant::TunnelGrantError;

/// Why a text is not a policy, and where. It displays as one line: `line 4: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{fault}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct DocumentError {
    /// The line, counted from 1; `None` if the fault is not on a line.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: DocumentFault,
}

/// What is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentFault {
    /// The file has more than [`MAX_LENGTH`](super::MAX_LENGTH) bytes.
    #[error("the policy is longer than {} MiB", super::MAX_LENGTH >> 20)]
    TooLong,
    /// The file has only white space and comments.
    #[error("the policy is empty and would deny everything: begin it with 'version = 1'")]
    Empty,
    /// The text is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key or a table appears twice.
    #[error("the key '{0}' appears twice: remove one")]
    DuplicateKey(String),
    /// The version is missing.
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
    /// Something follows `[end]`.
    #[error("'[end]' is not the last line: nothing may follow it")]
    EndNotLast,
    /// This crate does not know the version.
    #[error("the policy has version {0}, but this sandbox-net reads version 1")]
    Version(u64),
    /// The key is unknown here.
    #[error(
        "unknown key '{}'{}; {}",
        clip(key),
        within(table),
        nearest(key, known)
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// The table that contains it; empty at the top level.
        table: &'static str,
        /// The keys that this table may have.
        known: &'static [&'static str],
    },
    /// A required key is missing.
    #[error("'{key}' is missing{}", within(table))]
    MissingKey {
        /// The key.
        key: &'static str,
        /// The table that lacks it.
        table: &'static str,
    },
    /// A value has the wrong type, or is out of range.
    #[error("{key}: expected {expected}, found {found}")]
    Unexpected {
        /// The key of the value.
        key: String,
        /// The expected value.
        expected: String,
        /// The value that was found, or its beginning.
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
    /// A tunnel that is not to one host and one port.
    #[error("tunnel: {0}")]
    Tunnel(#[from] TunnelGrantError),
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

/// Does not repeat a text with user information: that may be a password.
fn rule_text(text: &str) -> String {
    if text.contains('@') {
        return String::new();
    }
    format!(" '{}'", clip(text))
}

/// The closest known key, or else all of them.
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
