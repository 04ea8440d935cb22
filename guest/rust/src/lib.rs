//! HTTP for a WebAssembly component whose host has `sandbox:net`.
//!
//! The host decides each request by its policy; the component has no socket. One call is enough:
//!
//! ```no_run
//! # fn main() -> Result<(), sandbox_net_guest::Error> {
//! let text = sandbox_net_guest::get("https://api.example.com/v1/status")?.text()?;
//! # let _ = text;
//! # Ok(())
//! # }
//! ```
//!
//! | level | what it has |
//! |---|---|
//! | [`get`], [`Client`] | a URL in, a [`Response`] out; redirects are responses as any other |
//! | [`Connection`] | one host and port, TLS, one exchange after the other |
//! | [`Exchange`] | a request's body in pieces, the response's head, body and trailers |
//! | [`bindings`] | the interface itself, function by function |
//!
//! Every call that waits has a twin whose name ends in `_async`, and a [`Response`] gives its body as a
//! [`Stream`](futures_core::Stream), too. [`block_on`] runs such futures; any number of them wait at once:
//!
//! ```no_run
//! # async fn example() -> Result<(), sandbox_net_guest::Error> {
//! use std::pin::pin;
//! use sandbox_net_guest::{Client, futures_core::Stream};
//!
//! let client = Client::new();
//! let response = client.get("https://api.example.com/large").send_async().await?;
//! let mut pieces = pin!(response.into_stream());
//! let mut size = 0;
//! while let Some(piece) = std::future::poll_fn(|context| pieces.as_mut().poll_next(context)).await {
//!     size += piece?.len();
//! }
//! # Ok(())
//! # }
//! # sandbox_net_guest::block_on(example()).unwrap();
//! ```
//!
//! Everything fails with an [`Error`], whose cases are those of the interface. A host may tell late what
//! was wrong with a connection: take every error in every place.
#![deny(missing_docs)]

pub mod bindings;
mod client;
mod connection;
mod error;
mod exchange;
mod executor;
mod response;
mod url;

pub use client::{Client, Request, get};
pub use connection::Connection;
pub use error::Error;
pub use exchange::Exchange;
pub use executor::block_on;
pub use futures_core;
pub use response::{BodyStream, Response};

/// The values that the interface takes and gives.
pub mod types {
    pub use crate::bindings::sandbox::net::types::{
        BodyKind, CertificateFault, ChainChecks, ClientCertificate, Denial, DenyReason, DnsFailure,
        Field, HttpVersion, IpAddress, Limit, LimitFailure, Phase, ProtocolFailure, RequestHead,
        ResponseHead, TlsFailure, TlsInfo, TlsOptions, TlsVersions, Verification,
    };
}
