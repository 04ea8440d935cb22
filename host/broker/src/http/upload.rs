//! Hands a request's body from the client's connection to the gateway.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use sandbox_net_egress::{EgressError, Fields};
use sandbox_net_gateway::Body as GatewayBody;
use tokio::sync::mpsc;

use super::body::{BodyFault, BodyReader, Piece};
use super::reader::Reader;

/// Pieces that wait for the gateway. One more is in the reader.
const PIECES: usize = 1;

/// Bytes of the next request that are read while this one is answered.
const AHEAD: usize = 16 << 10;

pub(super) enum Sent {
    Piece(Piece),
    Failed(EgressError),
    End,
}

/// A request's body as the gateway takes it.
#[derive(Debug)]
pub(crate) struct Upload {
    pieces: mpsc::Receiver<Sent>,
    is_over: bool,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent")
    }
}

/// How the reading of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadEnd {
    /// The client broke HTTP, or paused for too long.
    Faulty(BodyFault),
    /// The client went away.
    Gone,
    /// Nobody wants the rest.
    Unwanted,
}

impl Upload {
    /// The body, and the end that [`upload`] fills.
    pub(super) fn new() -> (mpsc::Sender<Sent>, Self) {
        let (tx, pieces) = mpsc::channel(PIECES);
        let upload = Self {
            pieces,
            is_over: false,
        };
        (tx, upload)
    }

    pub(crate) fn boxed(self) -> GatewayBody {
        self.boxed_unsync()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.pieces.poll_recv(cx));
        Poll::Ready(match next {
            Some(Sent::Piece(Piece::Data(data))) => Some(Ok(Frame::data(data))),
            Some(Sent::Piece(Piece::Trailers(fields))) => Some(Ok(Frame::trailers(map(&fields)))),
            Some(Sent::End) => {
                self.is_over = true;
                None
            }
            Some(Sent::Failed(error)) => {
                self.is_over = true;
                Some(Err(error))
            }
            // A body that was not finished must not look complete to the server.
            None => {
                self.is_over = true;
                Some(Err(EgressError::Closed))
            }
        })
    }
}

fn map(fields: &Fields) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name);
        let value = http::HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            // If there are too many, the rest is dropped.
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// Moves the body from the connection to the gateway, until all of it is there. Cancel safe: it can be
/// called again for the rest.
pub(super) async fn upload(
    reader: &mut Reader,
    body: &mut BodyReader,
    sender: &mut Option<mpsc::Sender<Sent>>,
) -> Result<(), UploadEnd> {
    while let Some(pieces) = sender.as_ref() {
        if !piece(reader, body, pieces).await? {
            *sender = None;
        }
    }
    match body.is_done() {
        true => Ok(()),
        false => Err(UploadEnd::Unwanted),
    }
}

/// Moves one piece; returns whether others may follow.
async fn piece(
    reader: &mut Reader,
    body: &mut BodyReader,
    pieces: &mpsc::Sender<Sent>,
) -> Result<bool, UploadEnd> {
    let place = tokio::select! {
        biased;
        () = pieces.closed() => return Ok(false),
        place = pieces.reserve() => place,
    };
    let Ok(place) = place else { return Ok(false) };
    let next = tokio::select! {
        biased;
        next = body.next(reader) => next,
        () = pieces.closed() => return Ok(false),
    };
    match next {
        Ok(Some(piece)) => {
            place.send(Sent::Piece(piece));
            Ok(true)
        }
        Ok(None) => {
            place.send(Sent::End);
            Ok(false)
        }
        Err(fault) => {
            place.send(Sent::Failed(failure(fault)));
            Err(match fault {
                BodyFault::Cut => UploadEnd::Gone,
                fault => UploadEnd::Faulty(fault),
            })
        }
    }
}

/// What the gateway is told of a body that is not whole.
fn failure(fault: BodyFault) -> EgressError {
    match fault {
        BodyFault::Cut => EgressError::Closed,
        fault => EgressError::Invalid(fault.to_string()),
    }
}

/// Waits until the client is gone. With `may_half_close`, one that has only ended its sending is not.
/// Cancel safe.
pub(super) async fn watch(reader: &mut Reader, may_half_close: bool) -> UploadEnd {
    while reader.buffer.len() < AHEAD {
        match reader.fill().await {
            Ok(0) if may_half_close => break,
            Ok(0) | Err(_) => return UploadEnd::Gone,
            Ok(_) => {}
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_whose_reading_stops_does_not_look_complete() {
        let (sender, upload) = Upload::new();
        let data = Bytes::from_static(b"half");
        sender.send(Sent::Piece(Piece::Data(data))).await.unwrap();
        drop(sender);
        assert!(upload.collect().await.is_err());
        let (sender, upload) = Upload::new();
        sender.send(Sent::End).await.unwrap();
        drop(sender);
        assert!(upload.collect().await.is_ok());
    }
}
