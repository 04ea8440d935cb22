//! The gateway's own requests, responses and bodies.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use sandbox_net_egress::{BodyKind, EgressError, Fields, ProtocolFailure, ResponseHead};
use sandbox_net_policy::Origin;

/// A body, of a request or of a response: its bytes and its trailers.
pub type Body = UnsyncBoxBody<Bytes, EgressError>;

/// The head of a request as the program wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Vec<u8>,
    /// The path and the query.
    pub path: Vec<u8>,
    /// The fields, in their spelling and order. The body's kind determines the framing.
    pub fields: Fields,
}

/// A request that names its own origin, on a connection that the gateway chooses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Where it goes.
    pub origin: Origin,
    /// The head.
    pub head: RequestHead,
    /// How the body is framed.
    pub kind: BodyKind,
    /// The longest waits.
    pub timeouts: Timeouts,
}

impl Request {
    /// A request without limits of its own.
    #[must_use]
    pub fn new(origin: Origin, head: RequestHead, kind: BodyKind) -> Self {
        Self {
            origin,
            head,
            kind,
            timeouts: Timeouts::default(),
        }
    }
}

/// The longest waits of a [`Request`]; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the connection.
    pub connect: Option<Duration>,
    /// For the response's head, from when the connection is made.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the response's body.
    pub between_bytes: Option<Duration>,
}

/// The answer to a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The head, as it was on the wire except for secrets; or what is wrong with it. In the latter
    /// case the body has all of its bytes.
    pub head: Result<ResponseHead, ProtocolFailure>,
    /// The body. Dropping it before its end ends the request.
    pub body: Body,
}
