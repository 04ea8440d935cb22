//! The network transport of sandbox-net: resolve, dial, TLS, HTTP/1.1, HTTP/2 and pools.
//!
//! It takes [`Checked`](sandbox_net_policy::Checked) values only, so nothing is dialled, named in TLS
//! or sent that the policy has not checked. [`Client::connect`] resolves, filters every address
//! through the policy and dials; [`Connection::start_tls`] verifies the peer; [`Connection::send`]
//! sends one request, in HTTP/1.1 or HTTP/2 as negotiated in TLS. Environment variables for proxies
//! are not read.
//!
//! ```no_run
//! use sandbox_net_egress::{BodyKind, Client, EgressConfig, Reuse, Roots, TlsConfig};
//! use sandbox_net_policy::{Endpoint, Origin, Policy, Scheme, TlsOverrides};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::allow(["https://api.example.com".parse()?]);
//! let client = Client::new(EgressConfig::new(TlsConfig::new(Roots::Platform, [])?));
//! let endpoint = Endpoint::new("api.example.com", 443)?;
//!
//! let route = policy.check_connect(endpoint.clone())?;
//! let mut connection = client.connect(route, None, None, Reuse::Pool).await?;
//! let origin = policy.check_tls(&endpoint, None, TlsOverrides::default())?;
//! connection.start_tls(origin).await?;
//!
//! let origin = Origin { scheme: Scheme::Https, endpoint };
//! let request = policy.check_request(&origin, b"GET", b"/status", &[])?;
//! let body = http_body_util::Empty::new();
//! let response = connection.send(request, BodyKind::None, body).await?;
//! println!("{}", response.head.status);
//! # Ok(())
//! # }
//! ```
//!
//! Futures can be dropped at any time: this closes what they were using. They panic outside of a tokio
//! runtime with timers and sockets.

pub mod account;
mod answers;
mod body;
mod body_kind;
mod certificates;
mod chain_checks;
mod client;
mod config;
mod connect;
mod connection;
mod dial;
mod dial_scope;
mod error;
mod failure;
mod fields;
mod generation;
mod h1;
mod h2;
mod hosts;
mod layout;
mod limit;
mod machine;
mod nameservers;
mod pool;
mod protocol_failure;
mod pump;
mod received;
mod refusal;
mod request_body;
mod resolve;
mod response;
mod send_options;
mod spans;
mod stream;
mod tickets;
mod tls;
mod tls_profile;
mod trailers;
mod tunnel;
mod verifier;
mod wire;

#[cfg(any(test, feature = "test-support"))]
#[doc(hidden)]
#[allow(
    missing_docs,
    clippy::new_without_default,
    reason = "for this project's own tests"
)]
pub mod test_support;
#[cfg(test)]
mod tests;

pub use body::ResponseBody;
pub use body_kind::BodyKind;
pub use certificates::fault::CertificateFault;
pub use chain_checks::Checks;
pub use client::Client;
pub use config::{EgressConfig, EgressConfigError};
pub use connection::Connection;
pub use dial_scope::Pinned;
pub use error::{DnsFailure, EgressError, Phase, TlsFailure};
pub use fields::{Fields, MAX_FIELDS};
pub use h1::Reuse;
pub use h1::head_size;
pub use layout::Layout;
pub use layout::take_only;
pub use limit::Limit;
pub use machine::Machine;
pub use nameservers::{NameServers, NameServersError};
pub use protocol_failure::{ProtocolFailure, ProtocolFault};
pub use received::{Received, Unframed};
pub use request_body::erase;
pub use resolve::{Resolve, SystemResolver};
pub use response::{HttpVersion, Response, ResponseHead};
pub use send_options::{Continued, SendOptions};
pub use tls::{Roots, TlsConfig, TlsConfigError, TlsInfo, read_certificates};
pub use tls_profile::{
    ClientCertificate, GuestTlsOptions, GuestTlsOptionsError, TlsProfile, TlsVersions,
};
pub use tunnel::RawStream;
pub use wire::Wire;
