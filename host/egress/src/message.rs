//! Requests' bodies and options, and responses with their heads.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::watch;

use crate::account::{Reservation, fields};
use crate::body::ResponseBody;
use crate::error::EgressError;
use crate::fields::Fields;
use crate::layout::Layout;
use crate::protocol_failure::ProtocolFailure;

/// How many informational responses may precede the final one. Their bytes count toward its head.
pub(crate) const MAX_INFORMATIONAL: usize = 32;

/// Reports that the peer asks for a request's body: a sender of `Expect: 100-continue` (RFC 9110
/// section 10.1.1) waits here for `true`, for a while, before it writes the body.
pub type Continued = Arc<watch::Sender<bool>>;

/// How a request is sent, beyond what the policy decided on.
#[derive(Debug, Clone, Default)]
pub struct SendOptions {
    /// The layout of its head in HTTP/1.1.
    pub layout: Layout,
    /// If set, the request has `Expect: 100-continue`, and the answer is reported here. Over
    /// HTTP/2, where a peer ends an upload that it does not want, the report comes at once.
    pub continued: Option<Continued>,
    /// Whether an ambiguous response is returned as it comes, too, if malformed ones are.
    pub ambiguous_as_it_comes: bool,
}

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

/// The answer of a peer.
#[derive(Debug)]
pub enum Received {
    /// A valid response.
    Framed(Response),
    /// A malformed response, as it comes, if that was requested.
    Unframed(Unframed),
}

/// A malformed HTTP/1 response, whose head is not relied on. Its connection is not reused.
#[derive(Debug)]
pub struct Unframed {
    /// What is wrong with the head, and its beginning.
    pub failure: ProtocolFailure,
    /// All bytes, from the first one of the head to the end of the connection.
    pub body: ResponseBody,
    /// The address that answered.
    pub peer: SocketAddr,
    /// The version of TLS as its two wire bytes; `None` over plain HTTP.
    pub tls: Option<u16>,
}

impl Received {
    /// The response.
    ///
    /// # Errors
    ///
    /// What is wrong with a malformed one.
    pub(crate) fn framed(self) -> Result<Response, EgressError> {
        match self {
            Self::Framed(response) => Ok(response),
            Self::Unframed(unframed) => Err(EgressError::Protocol(unframed.failure)),
        }
    }

    /// The address that answered.
    pub fn peer(&self) -> SocketAddr {
        match self {
            Self::Framed(response) => response.peer,
            Self::Unframed(unframed) => unframed.peer,
        }
    }
}

impl ResponseHead {
    /// What it costs in memory, in each of the forms in which it is held.
    pub(crate) fn cost(&self) -> usize {
        self.reason.len() + fields(&self.fields)
    }
}

/// A request body to send, from any source.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, EgressError>;

/// Boxes a request body and translates its errors.
pub fn erase<B>(body: B) -> RequestBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    body.map_err(|error| {
        let error = error.into();
        match error.downcast_ref::<EgressError>() {
            Some(own) => own.clone(),
            None => EgressError::Invalid(format!("the request body failed: {error}")),
        }
    })
    .boxed_unsync()
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
