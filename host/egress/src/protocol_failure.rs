//! The ways in which a peer violates HTTP.

use bytes::Bytes;

/// A violation of HTTP by a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ProtocolFailure {
    /// What was wrong.
    pub fault: ProtocolFault,
    /// The bytes that the peer sent in place of a response head, as far as they were kept, or the
    /// first of those in place of a chunk. Empty for faults elsewhere, and for
    /// [`ProtocolFault::NoAnswer`].
    pub received: Bytes,
}

/// The ways in which a peer can violate HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolFault {
    /// The connection ended cleanly before the first byte of a response.
    #[error("the peer closed the connection without an answer")]
    NoAnswer,
    /// The first line is not a status line of HTTP/1.x (RFC 9112 section 4).
    #[error("the peer's answer does not begin with an HTTP/1 status line")]
    NotHttp,
    /// The connection ended within the head.
    #[error("the peer closed the connection in the middle of the response head")]
    HeadCut,
    /// An HTTP/1 head exceeds the limit. What was received of it is kept, so that the guest's own
    /// HTTP client can raise its own error.
    #[error("the response head is larger than the limit")]
    HeadTooLarge,
    /// A field line is invalid (RFC 9112 section 5), or a field contradicts itself.
    #[error("the response head is malformed: {0}")]
    Head(&'static str),
    /// HTTP clients read the head in different ways; its status is known nevertheless.
    #[error("the response head is ambiguous: clients differ over {what}")]
    Ambiguous {
        /// The status.
        status: u16,
        /// What they disagree about.
        what: &'static str,
    },
    /// The peer switched protocols without being asked (status 101).
    #[error("the peer switched to another protocol")]
    Switched,
    /// Informational responses without end.
    #[error("the peer sent too many informational responses")]
    Informational,
    /// The chunked coding of the body is invalid (RFC 9112 section 7.1).
    #[error("the chunked coding of the response body is malformed: {0}")]
    Chunk(&'static str),
    /// The trailers of a chunked body are invalid (RFC 9112 section 7.1.2).
    #[error("the trailer fields of the response are malformed: {0}")]
    Trailers(&'static str),
    /// The connection ended before the body did.
    #[error("the peer closed the connection before the end of the response body")]
    BodyCut,
    /// A violation of HTTP/2 (RFC 9113).
    #[error("HTTP/2 failed: {0}")]
    Http2(String),
}
