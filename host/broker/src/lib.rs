//! The broker of sandbox-net: native programs reach the network through it, under a policy.
//!
//! A [`Broker`] is an HTTP proxy and an API on a loopback port or a Unix socket. Every connection,
//! request and lookup of its clients goes through the same gateway as those of programs in a sandbox:
//! rules, budgets, secrets and audit bind in the same way. On `CONNECT` the broker ends the client's
//! TLS with a certificate of an authority that is made for this run, and verifies the server itself.
//!
//! ```no_run
//! use sandbox_net_broker::Broker;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let running = Broker::builder()
//!     .policy_file("policy.toml")
//!     .audit_file("audit.jsonl")
//!     .listen("127.0.0.1:6969".parse()?)
//!     .build()?
//!     .start()
//!     .await?;
//! std::fs::write("ca.pem", running.ca_pem())?;
//! println!("the token is {}", running.token().as_str());
//! tokio::time::sleep(std::time::Duration::from_secs(60)).await;
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The contract with clients is in `docs/broker.md`.

mod accept;
mod api;
mod authority;
mod blind;
mod broker;
mod builder;
mod callers;
mod client_hello;
mod connect;
mod connected;
mod constraints;
mod error;
mod error_json;
mod forward;
mod http;
mod kept_errors;
mod limits;
mod listener;
mod log;
mod metrics;
mod namespace;
mod policy_files;
mod policy_source;
mod reload;
mod reply;
mod running;
mod serve;
mod shared;
mod socket;
mod target;
mod token;

pub use broker::Broker;
pub use builder::BrokerBuilder;
pub use error::{BrokerError, PolicyError};
pub use limits::BrokerLimits;
pub use log::LogSink;
pub use running::RunningBroker;
pub use token::{Token, TokenError};
