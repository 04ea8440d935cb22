//! Makes bodies of the HTTP server piece by piece, and reads them to their end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use sha2::{Digest, Sha256};

use crate::content::hex;
use crate::journal::BodyRecord;

/// The body of a response.
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// A body of `bytes`, sized.
pub(crate) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> ResponseBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of `pieces`, each its own frame, of `length` bytes or of unknown length (chunked).
pub(crate) fn pieces<I>(pieces: I, length: Option<u64>) -> ResponseBody
where
    I: Iterator<Item = Bytes> + Send + Unpin + 'static,
{
    Pieces {
        pieces,
        left: length,
        then_hang: false,
    }
    .boxed_unsync()
}

/// A chunked body that sends `first` and then neither more nor its end.
pub(crate) fn hanging(first: &'static str) -> ResponseBody {
    let first = std::iter::once(Bytes::from_static(first.as_bytes()));
    Pieces {
        pieces: first,
        left: None,
        then_hang: true,
    }
    .boxed_unsync()
}

/// Reads a body to its end without keeping it; `None` if it broke off.
pub(crate) async fn drain(mut body: Incoming) -> Option<BodyRecord> {
    let mut digest = Sha256::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.ok()?.data_ref() {
            digest.update(data);
            length += data.len() as u64;
        }
    }
    Some(BodyRecord {
        length,
        sha256: hex(&digest.finalize()),
    })
}

struct Pieces<I> {
    pieces: I,
    left: Option<u64>,
    then_hang: bool,
}

impl<I: Iterator<Item = Bytes> + Unpin> Body for Pieces<I> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.pieces.next() {
            Some(piece) => {
                if let Some(left) = &mut self.left {
                    *left -= piece.len() as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            // Nothing will ever wake it: the peer has to disconnect.
            None if self.then_hang => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
