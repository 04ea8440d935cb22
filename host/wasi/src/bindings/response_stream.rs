//! The stream of a response's body. It gives small pieces that are there together: a server that sends
//! events makes many, and each read of a guest costs more than a piece.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::poll_noop;
use wasmtime_wasi_http::{Error, WasiBody};

/// Pieces of this size are given as they are, and no more is joined.
const LARGE: usize = 16 * 1024;

/// What comes next of a body.
enum Next {
    Piece(Bytes),
    End,
    Failure(Error),
}

/// The body, and what was taken of it and is not given yet.
pub(super) struct ResponseStream {
    /// `None` once it is over.
    body: Option<WasiBody>,
    next: Option<Next>,
    gives: Gives,
    /// Whether a piece was given, and the next one is not to be joined to it.
    is_between: bool,
}

/// How pieces of a body are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    /// Small ones that are there are joined.
    Joined,
    /// One after the other, and between two that are there nothing once, so that whoever fills a buffer stops
    /// there.
    Apart,
    /// One after the other; nothing is looked for before it is asked for.
    One,
}

impl ResponseStream {
    pub(super) fn new(body: WasiBody, gives: Gives) -> Self {
        Self {
            body: Some(body),
            next: None,
            gives,
            is_between: false,
        }
    }

    /// Keeps what a body gave. Trailers are its end: the exchange tells them.
    fn keep(&mut self, frame: Option<Result<http_body::Frame<Bytes>, Error>>) {
        let next = match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
            Some(Ok(Ok(piece))) if piece.is_empty() => return,
            Some(Ok(Ok(piece))) => Next::Piece(piece),
            Some(Ok(Err(_))) | None => Next::End,
            Some(Err(error)) => Next::Failure(error),
        };
        if !matches!(next, Next::Piece(_)) {
            self.body = None;
        }
        self.next = Some(next);
    }

    /// Looks for what comes next, without waiting; whether there is something.
    fn look(&mut self) -> bool {
        while self.next.is_none() {
            let Some(body) = &mut self.body else {
                self.next = Some(Next::End);
                break;
            };
            match poll_noop(pin!(body.frame())) {
                Some(frame) => self.keep(frame),
                None => return false,
            }
        }
        true
    }

    fn has_piece(&self) -> bool {
        matches!(self.next, Some(Next::Piece(_)))
    }

    /// The next piece, of at most `size` bytes; `None` where there is none now, or something else.
    fn piece(&mut self, size: usize) -> Option<Bytes> {
        if !self.look() {
            return None;
        }
        let Some(Next::Piece(piece)) = &mut self.next else {
            return None;
        };
        if piece.len() > size {
            return Some(piece.split_to(size));
        }
        match self.next.take() {
            Some(Next::Piece(piece)) => Some(piece),
            _ => None,
        }
    }
}

#[async_trait]
impl InputStream for ResponseStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if std::mem::take(&mut self.is_between) && self.look() && self.has_piece() {
            return Ok(Bytes::new());
        }
        let Some(first) = self.piece(size) else {
            return match self.next.take() {
                None | Some(Next::Piece(_)) => Ok(Bytes::new()),
                Some(Next::End) => Err(StreamError::Closed),
                Some(Next::Failure(error)) => Err(StreamError::LastOperationFailed(error.into())),
            };
        };
        // What is left of a piece that was larger belongs to it.
        self.is_between = self.gives == Gives::Apart && !self.has_piece();
        let most = size.min(LARGE);
        if self.gives != Gives::Joined || first.len() >= most {
            return Ok(first);
        }
        let Some(second) = self.piece(most - first.len()) else {
            return Ok(first);
        };
        let mut joined = BytesMut::with_capacity(most);
        joined.extend_from_slice(&first);
        joined.extend_from_slice(&second);
        while joined.len() < most
            && let Some(more) = self.piece(most - joined.len())
        {
            joined.extend_from_slice(&more);
        }
        Ok(joined.freeze())
    }
}

#[async_trait]
impl Pollable for ResponseStream {
    async fn ready(&mut self) {
        while self.next.is_none()
            && let Some(body) = &mut self.body
        {
            let frame = body.frame().await;
            self.keep(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A stream of these pieces; `None` fails.
    fn of(pieces: Vec<Option<Vec<u8>>>) -> ResponseStream {
        let frames = pieces.into_iter().map(|piece| match piece {
            Some(bytes) => Ok(Frame::data(Bytes::from(bytes))),
            None => Err(Error::ConnectionTerminated),
        });
        ResponseStream::new(
            StreamBody::new(stream::iter(frames)).boxed_unsync(),
            Gives::Joined,
        )
    }

    fn read(stream: &mut ResponseStream, size: usize) -> Vec<u8> {
        stream.read(size).unwrap().to_vec()
    }

    #[tokio::test]
    async fn small_pieces_that_are_there_come_together_up_to_what_was_asked_for() {
        let mut stream = of((0..100).map(|n| Some(vec![n; 10])).collect());
        assert_eq!(read(&mut stream, 5), [0; 5]);
        assert_eq!(
            read(&mut stream, 20),
            [[0; 5].as_slice(), &[1; 10], &[2; 5]].concat()
        );
        assert_eq!(read(&mut stream, 1 << 20).len(), 975);
        assert!(matches!(stream.read(1), Err(StreamError::Closed)));
        assert!(matches!(stream.read(1), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn large_pieces_are_given_as_they_are() {
        let mut stream = of(vec![
            Some(vec![1; LARGE]),
            Some(vec![2; 3]),
            Some(vec![3; LARGE]),
        ]);
        assert_eq!(read(&mut stream, 1 << 20), vec![1; LARGE]);
        // No more is copied than that.
        assert_eq!(read(&mut stream, 1 << 20).len(), LARGE);
        assert_eq!(read(&mut stream, 1 << 20), vec![3; 3]);
    }

    #[tokio::test]
    async fn a_failure_comes_behind_the_bytes_before_it() {
        let mut stream = of(vec![
            Some(vec![1; 3]),
            Some(vec![2; 3]),
            None,
            Some(vec![3]),
        ]);
        assert_eq!(read(&mut stream, 100), [1, 1, 1, 2, 2, 2]);
        let failed = stream.read(100);
        assert!(matches!(failed, Err(StreamError::LastOperationFailed(_))));
        assert!(matches!(stream.read(100), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn nothing_is_joined_that_has_to_be_waited_for() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
        let frames = stream::unfold(receiver, async |mut receiver| {
            let piece = receiver.recv().await?;
            Some((Ok(Frame::data(piece)), receiver))
        });
        let mut stream = ResponseStream::new(StreamBody::new(frames).boxed_unsync(), Gives::Joined);
        assert!(read(&mut stream, 100).is_empty());
        sender.send(Bytes::from_static(b"one")).await.unwrap();
        stream.ready().await;
        assert_eq!(read(&mut stream, 100), b"one");
        sender.send(Bytes::from_static(b"two")).await.unwrap();
        sender.send(Bytes::from_static(b"three")).await.unwrap();
        assert_eq!(read(&mut stream, 100), b"twothree");
        drop(sender);
        stream.ready().await;
        assert!(matches!(stream.read(100), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn pieces_that_are_to_stay_apart_are_given_with_nothing_between_them() {
        let pieces = vec![Some(vec![1; 3]), Some(vec![2; 5]), Some(vec![3; 2])];
        let mut stream = of(pieces);
        stream.gives = Gives::Apart;
        let mut given = Vec::new();
        while let Ok(piece) = stream.read(4) {
            given.push(piece.len());
        }
        // The second one is larger than what was asked for.
        assert_eq!(given, [3, 0, 4, 1, 0, 2]);
    }
}
