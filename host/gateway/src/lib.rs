//! The only way to the network: decides, asks, fills in, meters, records, and only then sends.
//!
//! A [`Gateway`] has the policy of one sandbox. Every connection ([`Gateway::connect`],
//! [`Gateway::start_tls`]), every request ([`Gateway::send`], [`Gateway::fetch`]) and every lookup
//! ([`Gateway::lookup`]) of its program goes through it, whatever the program runs in: this crate
//! does not depend on WebAssembly. The order is always the same:
//!
//! 1. the policy's rules (`sandbox-net-policy`);
//! 2. the budgets;
//! 3. the embedder's hook ([`DecisionHook`]);
//! 4. the secrets' values ([`Vault`]);
//! 5. the audit log ([`AuditLog`]): what is not recorded is not done;
//! 6. the sockets (`sandbox-net-egress`).

mod admission;
mod asked_before;
pub mod audit;
mod bounds;
mod completion;
mod connect;
mod consult;
#[cfg(test)]
mod debug_tests;
mod fetch;
mod gateway;
mod hook;
mod judgement;
mod link;
mod lookup;
mod malformed;
mod meter;
mod observe;
mod other_port;
#[cfg(test)]
mod other_port_tests;
mod outgoing;
mod questions;
mod replacement;
mod request;
mod response;
mod run_budget;
pub mod secrets;
mod send;
mod shared;
mod shared_hook;
mod spans;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tls_tests;
mod unframed;
mod upload;
mod usage;

pub use audit::{
    AuditFile, AuditLine, AuditLog, AuditSettings, AuditSink, AuditStderr, BudgetReason,
    DecisionRecord, Dropped, DroppedRecord, ExchangeRecord, Follow, HookReason, LookupRecord,
    Reason, Time, Verdict,
};
pub use bounds::{Bounds, ReachedBudget};
pub use completion::Completion;
pub use gateway::{Gateway, GatewayBuilder};
pub use hook::{Amendments, DecisionHook, HookAnswer, HookError, HookRequest};
pub use link::{Connecting, Handshake, Link};
pub use lookup::{Found, Looking};
pub use outgoing::Outgoing;
pub use replacement::ReplacePolicyError;
pub use request::{Body, Request, RequestHead, Response, Timeouts};
pub use sandbox_net_policy::Stage;
pub use secrets::{CommandError, PlaceholderError, SourceError, ValueError, Vault, VaultError};
pub use shared_hook::SharedHook;
pub use task::Task;
pub use usage::{Amount, NetworkUsage};
