//! Reads the body of a request piece by piece.

use bytes::Bytes;
use sandbox_net_egress::{BodyKind, Fields};
use tokio::time::timeout;

use super::chunked::{ChunkedDecoder, Decoded};
use super::reader::Reader;
use crate::limits::BrokerLimits;

/// Where in a body its reader is.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: State,
    pause: std::time::Duration,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Box<ChunkedDecoder>),
    Done,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes; never none.
    Data(Bytes),
    /// Fields after a chunked body, if there are any.
    Trailers(Fields),
}

/// Why a body is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    /// The client went away.
    #[error("the request's body was cut off")]
    Cut,
    /// It breaks the chunked coding.
    #[error("the request's body is not HTTP/1.1: {0}")]
    Malformed(&'static str),
    /// The client paused for too long.
    #[error("the rest of the request's body did not arrive in time")]
    Slow,
    /// It is larger than a call may have.
    #[error("the request's body is too large")]
    TooLarge,
    /// The host has no memory for it.
    #[error("there is no memory for the request's body")]
    NoMemory,
}

impl BodyReader {
    pub(crate) fn new(kind: BodyKind, limits: &BrokerLimits) -> Self {
        let state = match kind {
            BodyKind::None | BodyKind::Sized(0) => State::Done,
            BodyKind::Sized(length) => State::Length(length),
            BodyKind::Chunked => {
                State::Chunked(Box::new(ChunkedDecoder::new(limits.head, limits.fields)))
            }
        };
        Self {
            state,
            pause: limits.pause,
        }
    }

    /// Whether the whole body was read.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next piece; `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self, reader: &mut Reader) -> Result<Option<Piece>, BodyFault> {
        loop {
            if let Some(piece) = self.take(reader)? {
                return Ok(Some(piece));
            }
            if self.is_done() {
                return Ok(None);
            }
            match timeout(self.pause, reader.fill()).await {
                Err(_) => return Err(BodyFault::Slow),
                Ok(Ok(0) | Err(_)) => return Err(BodyFault::Cut),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// A piece of what was read already.
    fn take(&mut self, reader: &mut Reader) -> Result<Option<Piece>, BodyFault> {
        match &mut self.state {
            State::Done => Ok(None),
            State::Length(_) if reader.buffer.is_empty() => Ok(None),
            State::Length(left) => {
                let whole = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = reader.buffer.split_to(whole.min(reader.buffer.len()));
                *left -= data.len() as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(Some(Piece::Data(data.freeze())))
            }
            State::Chunked(decoder) => match decoder.decode(&mut reader.buffer) {
                Ok(Decoded::Data(data)) => Ok(Some(Piece::Data(data))),
                Ok(Decoded::More) => Ok(None),
                Ok(Decoded::End) => {
                    let trailers = decoder.take_trailers();
                    self.state = State::Done;
                    Ok((!trailers.is_empty()).then_some(Piece::Trailers(trailers)))
                }
                Err(what) => Err(BodyFault::Malformed(what)),
            },
        }
    }
}
