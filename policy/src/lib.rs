//! Decides which network requests a sandbox may make: one pure decision about every request.
//!
//! [`decide`] takes an [`Operation`] and a [`Policy`] and returns a [`Decision`]; it does no I/O and
//! cannot fail. What it allowed reaches the transport as a [`Checked`] value, which only this crate
//! constructs, so that the types answer the question "was it checked?":
//!
//! 1. [`Policy::answer_connect`], before any DNS, returns a `Checked<Endpoint>`, and
//!    [`Checked::permits`] then filters every address that resolution returns;
//! 2. [`Policy::answer_tls`] returns a `Checked<Origin>`, the name for SNI and certificate, if the
//!    program may have the TLS settings that it requests ([`TlsOverrides`]);
//! 3. [`syntax::check_head`] separates nonsense from denials, and [`Policy::answer_request`]
//!    returns the `Checked<RequestLine>` that goes onto the wire, with the addresses that it may go
//!    to.
//!
//! If a rule, or the policy's mode, asks, an [`Answer`] says so, and only what was granted is
//! `Checked`.
//!
//! ```
//! use sandbox_net_policy::{DenyReason, Document, Endpoint, Policy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let document = Document::parse(
//!     "version = 1\n\
//!      allow = ['GET,HEAD https://api.example.com', '*.example.org:8443']\n\
//!      [end]",
//! )?;
//! let policy = Policy::from(document);
//! assert!(policy.check_connect(Endpoint::new("api.example.com", 443)?).is_ok());
//! let denial = policy.check_connect(Endpoint::new("elsewhere.test", 443)?).unwrap_err();
//! assert_eq!(denial.reason, DenyReason::NoRule);
//!
//! // Both authors have to allow a request.
//! let narrow = policy.intersect(&Policy::allow(["https://api.example.com".parse()?]));
//! assert!(narrow.check_connect(Endpoint::new("a.example.org", 8443)?).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! Everything is denied by default. A target has one spelling only: a [`Host`] that could be read
//! in two ways does not parse, so rules, dialling, SNI and `Host` cannot disagree about it. A
//! [`Document`] is the content of a policy file.

mod address;
mod address_set;
pub mod baked;
mod budgets;
mod check;
mod checked;
mod covers;
mod decide;
mod denial;
mod denial_target;
mod document;
mod explain;
mod fields;
mod filter;
mod host;
mod host_error;
mod host_pattern;
mod inside;
mod layer;
mod lookup;
mod name;
mod operation;
mod overrides;
mod path;
mod policy;
#[cfg(test)]
mod properties;
mod query;
mod relations;
mod rule;
mod rule_error;
mod rule_parser;
mod rules;
mod secret;
mod secret_source;
mod shared;
mod suggestion;
pub mod syntax;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod tunnel;
mod tunnel_grant;

pub use address::{AddressClass, classify};
pub use budgets::Budgets;
pub use check::{PolicyFault, check_secrets};
pub use checked::{Addresses, Answer, Asked, Checked, RequestLine};
pub use decide::{Decision, decide};
pub use denial::{DEFAULT_DENY, Denial, DenyReason};
pub use document::{
    Document, DocumentError, DocumentFault, MAX_LENGTH, MAX_RULES, Mode, policy_schema, schema_text,
};
pub use explain::{Effect, Step};
pub use host::Host;
pub use host_error::HostError;
pub use inside::Unenforced;
pub use lookup::{CheckedName, Lookup};
pub use name::DnsName;
pub use operation::{Operation, Stage};
pub use overrides::{FieldGrants, FieldGrantsError, overriding};
#[cfg(fuzzing)]
pub use path::steps as path_steps;
pub use path::{PathPattern, PathPatternError};
pub use policy::Policy;
pub use query::Mismatch;
pub use rule::Rule;
pub use rule_error::RuleError;
pub use rules::Rules;
pub use secret::{Secret, SecretError};
pub use secret_source::{
    SecretAnswer, SecretCallback, SecretCallbackError, SecretSource, SecretText,
};
pub use suggestion::is_pastable;
pub use target::{Endpoint, Origin, Scheme};
pub use tls::{TlsGrants, TlsGrantsError, TlsOverride, TlsOverrides, Verification};
pub use tunnel_grant::{TunnelEndpoint, TunnelGrant, TunnelGrantError};
