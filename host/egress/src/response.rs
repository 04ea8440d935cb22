//! A valid response: its head, and its body as it arrives.

use std::fmt;
use std::net::SocketAddr;

use crate::account::{Reservation, fields};
use crate::body::ResponseBody;
use crate::fields::Fields;

/// How many informational responses may precede the final one. Their bytes count toward its head.
pub(crate) const MAX_INFORMATIONAL: usize = 32;

/// The version of HTTP that the peer answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// The head of a final response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHead {
    /// The status code, 200 to 999.
    pub status: u16,
    /// The version that the peer spoke.
    pub version: HttpVersion,
    /// The reason phrase as sent; empty in HTTP/2.
    pub reason: Vec<u8>,
    /// Every field, including framing fields. In HTTP/1 order and spelling are the peer's; in
    /// HTTP/2 names are in lower case, and the lines of one name are together.
    pub fields: Fields,
}

/// A response: its head, and its body as it arrives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    /// The body, without transfer coding. Dropping it before its end ends the request: an HTTP/1
    /// connection is closed, an HTTP/2 stream is reset.
    pub body: ResponseBody,
    /// The address that answered.
    pub peer: SocketAddr,
    /// The version of TLS as its two wire bytes; `None` over plain HTTP.
    pub tls: Option<u16>,
    /// Whether an earlier request used the same transport connection.
    pub reused: bool,
    /// The memory of the head.
    pub held: Reservation,
}

impl ResponseHead {
    /// What it costs in memory, in each of the forms in which it is held.
    pub(crate) fn cost(&self) -> usize {
        self.reason.len() + fields(&self.fields)
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}
