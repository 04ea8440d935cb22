//! HTTP/1.1 (RFC 9112) as a client.
//!
//! The codec is our own because three things must hold that general-purpose clients do not
//! promise: fields pass byte for byte, with their order, case and duplicates; what a peer sends
//! instead of HTTP is handed on as it came; and a request is never sent a second time unless it is
//! certain that this does no harm.

mod ambiguous;
mod body;
mod chunked;
mod client;
mod pump;
mod reader;
mod request;
mod response;
mod transport;
mod unframed;

pub(crate) use body::H1Body;
pub(crate) use client::{Arrived, ReadyRequest};
pub(crate) use request::encode_head;
pub use request::head_size;
pub(crate) use transport::ReturnSlot;
pub use transport::Reuse;
