//! Runs programs and sessions of many tenants over HTTP, each under a policy that can only be narrowed.
//!
//! [`Config`] is the file that an operator writes, and [`Server`] is what it makes: a router, pools of
//! sandboxes, and the bounds of everything that a client can make it hold. The command `sandbox-net serve`
//! is a thin layer above both; `docs/serve.md` explains keys and calls.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sandbox_net::Engine;
//! use sandbox_net_serve::{Config, Server};
//!
//! let config = Config::read("serve.toml")?;
//! let engine = config.bound(Engine::builder()).build().await?;
//! let server = Server::start(config, engine).await?;
//! println!("listening on {}", server.address());
//! // Later: no more programs; those that run get the grace period.
//! server.drain().await;
//! # Ok(())
//! # }
//! ```

mod answers;
mod audit;
mod body;
mod calls;
mod collector;
mod config;
mod connection;
mod failure;
mod few;
mod gate;
mod lines;
mod listener;
mod metrics;
mod narrow;
mod probes;
mod rate;
mod request;
mod router;
mod run;
mod server;
mod sessions;
mod start_error;
mod stream;
mod strict;
mod telemetry;
mod tenant;
mod token;
mod turn;

pub use config::{Config, ConfigError};
pub use server::Server;
pub use start_error::StartError;
pub use telemetry::{Telemetry, TelemetryError};
