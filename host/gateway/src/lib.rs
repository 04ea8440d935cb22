//! The only way to the network: decides, asks, fills in, meters, records, and only then sends.
//!
//! A [`Gateway`] has the policy of one sandbox. Every connection ([`Gateway::connect`],
//! [`Gateway::start_tls`]), every blind tunnel ([`Gateway::tunnel`]), every request ([`Gateway::send`], [`Gateway::fetch`]) and every lookup
//! ([`Gateway::lookup`]) of its program goes through it, whatever the program runs in: this crate
//! does not depend on WebAssembly. The order is always the same:
//!
//! 1. the policy's rules (`sandbox-net-policy`);
//! 2. the budgets;
//! 3. the embedder's hook ([`DecisionHook`]);
//! 4. the secrets' values ([`Vault`]);
//! 5. the audit log ([`AuditLog`]): what is not recorded is not done;
//! 6. the sockets (`sandbox-net-egress`).
//!
//! ```no_run
//! use http_body_util::{BodyExt as _, Empty};
//! use sandbox_net_egress::{BodyKind, EgressConfig, Roots, TlsConfig};
//! use sandbox_net_gateway::{AuditLog, Gateway, Request, RequestHead};
//! use sandbox_net_policy::{Document, Endpoint, Origin, Scheme};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let document = Document::parse("version = 1\nallow = ['GET https://api.example.com']\n[end]")?;
//! let config = EgressConfig::new(TlsConfig::new(Roots::Platform, [])?);
//! let audit = AuditLog::new();
//! let gateway = Gateway::builder()
//!     .audit(audit.clone())
//!     .build(document.into(), config);
//!
//! let origin = Origin {
//!     scheme: Scheme::Https,
//!     endpoint: Endpoint::new("api.example.com", 443)?,
//! };
//! let head = RequestHead {
//!     method: b"GET".to_vec(),
//!     path: b"/status".to_vec(),
//!     fields: Vec::new(),
//! };
//! let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
//! let request = Request::new(origin, head, BodyKind::None);
//! let response = gateway.fetch(request, body).await?;
//! println!("{:?}", response.head.map(|head| head.status));
//! for decision in audit.decisions() {
//!     println!("{:?} {} by {}", decision.verdict, decision.target, decision.rule);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Runtime
//!
//! A gateway sends from within a tokio runtime with timers and sockets, and panics elsewhere. Every
//! future and every [`Task`] can be dropped at any time, which ends what it does and closes what it
//! used. If the runtime is shut down, tasks of the gateway never end.

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
mod open_tunnel;
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
mod tunnel;
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
pub use tunnel::{Tunnel, Tunnelling};
pub use usage::{Amount, NetworkUsage};
