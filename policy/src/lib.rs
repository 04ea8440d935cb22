//! Who may be talked to: one pure decision about every request for the network.
//!
//! [`decide`] takes a [`Request`] and a [`Policy`] and answers with a [`Decision`]; it does no I/O
//! and cannot fail. What it allowed reaches the transport as a [`Checked`] value, which only this
//! module constructs, so that "was it checked?" is a question of types:
//!
//! 1. [`Policy::check_connect`] before any DNS gives a `Checked<Route>`, and [`Route::permits`]
//!    then filters every address that resolution gives;
//! 2. [`Policy::check_tls`] gives a `Checked<Origin>`, the name that SNI and certificate get;
//! 3. [`syntax::check_head`] tells nonsense from refusals, and [`Policy::check_exchange`] gives
//!    the `Checked<RequestLine>` that goes onto the wire;
//! 4. [`Policy::check_address`] asks again about an address once the scheme is known.
//!
//! Everything is denied by default. A target has one spelling only: a [`Host`] that could be read
//! in two ways does not parse, so rules, dialling, SNI and `Host` cannot disagree about it.

mod address;
mod checked;
mod decide;
mod denial;
mod fields;
mod host;
mod name;
#[cfg(test)]
mod properties;
mod rule;
mod rule_parser;
pub mod syntax;
mod target;

pub use address::{AddressClass, classify};
pub use checked::{Checked, RequestLine, Route};
pub use decide::{Decision, Policy, Request, decide};
pub use denial::{DEFAULT_DENY, Denial, DenyReason};
pub use host::{Host, HostError};
pub use name::DnsName;
pub use rule::Rule;
pub use rule_parser::RuleError;
pub use target::{Endpoint, Origin, Scheme};
