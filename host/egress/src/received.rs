//! What a peer answered: a valid response, or a malformed one with its bytes as they came.

use std::net::SocketAddr;

use crate::body::ResponseBody;
use crate::error::EgressError;
use crate::protocol_failure::ProtocolFailure;
use crate::response::Response;

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
