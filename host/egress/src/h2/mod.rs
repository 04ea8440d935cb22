//! HTTP/2 (RFC 9113) as a client, over the `h2` crate: sessions that requests share, and one
//! request on a session.

mod blocks;
mod body;
mod buffers;
mod client;
mod failure;
mod field_lists;
mod fields;
mod frames;
mod header;
mod kept;
mod pump;
mod request;
mod session;

pub(crate) use body::H2Body;
pub(crate) use client::send;
pub(crate) use session::{Session, StreamPlace};
