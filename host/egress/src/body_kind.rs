//! Whether a request has a body, and of which length.

/// Whether a request has a body, and how its end is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// No body, and no `Content-Length`.
    None,
    /// A body of exactly so many bytes, announced by `Content-Length`.
    Sized(u64),
    /// A body of unknown length: `Transfer-Encoding: chunked` in HTTP/1.1, frames in HTTP/2.
    Chunked,
}

impl BodyKind {
    /// Whether no byte of a body is to be sent.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Sized(0))
    }
}
