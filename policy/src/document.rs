//! The policy file: a TOML document that says which requests a sandbox may make.

mod fault;
mod item;
mod read;
mod schema;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fault::{DocumentError, DocumentFault};
pub use schema::{policy_schema, schema_text};

use crate::budgets::Budgets;
use crate::overrides::FieldGrants;
use crate::rule::Rule;
use crate::secret::Secret;
use crate::tls::TlsGrants;
use crate::tunnel_grant::TunnelGrant;

/// The longest policy file, in bytes: 4 MiB.
pub const MAX_LENGTH: usize = 4 << 20;

/// The most rules that a policy file may have, in all its lists, secrets and grants.
pub const MAX_RULES: usize = 100_000;

/// A policy file: which requests may be made, how many, and with which secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(title = "sandbox-net policy", default, deny_unknown_fields)]
pub struct Document {
    /// What happens to requests that no rule allows.
    pub mode: Mode,
    /// The rules for what is allowed, such as `https://api.example.com` or `*.example.org:8443`.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Rule>,
    /// The rules for what is denied even if a rule of 'allow' or 'ask' matches too.
    #[schemars(with = "Vec<String>")]
    pub deny: Vec<Rule>,
    /// The rules for what the hook is asked about.
    #[schemars(with = "Vec<String>")]
    pub ask: Vec<Rule>,
    /// How much may be used in all.
    pub budgets: Budgets,
    /// The credentials that the host inserts into requests.
    #[schemars(rename = "secret")]
    pub secrets: Vec<Secret>,
    /// The TLS settings that programs may choose themselves, in addition to the host's own.
    pub tls: Vec<TlsGrants>,
    /// The fields that override method, path or host, such as 'x-http-method-override', and that
    /// programs may send. Others are refused where a rule for the host names a method or a path.
    #[schemars(rename = "field")]
    pub fields: Vec<FieldGrants>,
    /// The hosts and ports, such as 'db.example.com:5432', to which native programs may send bytes that
    /// the policy does not see. Nothing else is tunnelled, and components have no tunnels.
    #[schemars(with = "Vec<String>")]
    pub tunnel: Vec<TunnelGrant>,
}

/// What happens to a request that no rule allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is denied.
    #[default]
    Enforce,
    /// It is recorded as denied but allowed, except what no rule could ever allow.
    Report,
    /// The hook is asked about it.
    Ask,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Report, Self::Ask];

    /// The mode as it stands in a policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
            Self::Ask => "ask",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Document {
    /// Parses a policy file.
    ///
    /// Its last line is `[end]`, so that a file that was cut off is not taken for a whole one: it
    /// might lack rules that deny, and budgets.
    ///
    /// # Errors
    ///
    /// The line and what is wrong there. A syntax error counts first, then the version, then
    /// unknown keys.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        read::document(text).map_err(|located| {
            let breaks = |at: usize| text.bytes().take(at).filter(|b| *b == b'\n').count();
            DocumentError {
                line: located.at.map(|at| 1 + breaks(at)),
                fault: located.fault,
            }
        })
    }
}

impl FromStr for Document {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        Self::parse(text)
    }
}
