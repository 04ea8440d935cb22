//! Reads a response body as it arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::WriteHalf;

use crate::error::{EgressError, Phase};
use crate::fields::Fields;
use crate::h1::chunked::{ChunkedDecoder, Decoded};
use crate::h1::reader::{Reader, is_end};
use crate::h1::response::Framing;
use crate::h1::transport::{IdleConnection, ReturnSlot, Writing};
use crate::h1::unframed::Unframed;
use crate::protocol_failure::ProtocolFault;
use crate::pump::{Pump, Sent};
use crate::stream::Stream;

/// How many bytes of an unread rest are read to keep a connection; more costs more than a new one.
const MAX_DRAIN: u64 = 64 * 1024;

/// The body of one response, and with it the connection until the body's end.
#[derive(Debug)]
pub(crate) struct H1Body {
    decoder: Decoder,
    /// `None` once the body is over, in any way.
    receiving: Option<Receiving>,
    /// What is still being sent after a response that no other one will follow.
    lingering: Option<Pump<WriteHalf<Stream>>>,
}

/// The connection while the body arrives.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) reader: Reader,
    pub(super) writing: Writing,
    /// Whether the connection may carry another request after this one.
    pub(super) persistent: bool,
    pub(super) accept_tls_truncation: bool,
    /// The most bytes of a head, or of the trailers.
    pub(super) max_head: usize,
    pub(super) return_slot: Arc<ReturnSlot>,
}

#[derive(Debug)]
enum Decoder {
    Length(u64),
    Chunked(ChunkedDecoder),
    Close,
    Unframed(Unframed),
}

impl Decoder {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, EgressError> {
        match self {
            Self::Length(0) => Ok(Decoded::End),
            Self::Chunked(chunked) => chunked.decode(buffer),
            _ if buffer.is_empty() => Ok(Decoded::More),
            Self::Length(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                *left -= take as u64;
                Ok(Decoded::Data(taken(buffer, take)))
            }
            Self::Close => Ok(Decoded::Data(taken(buffer, buffer.len()))),
            Self::Unframed(bound) => {
                bound.count(buffer)?;
                Ok(Decoded::Data(buffer.split().freeze()))
            }
        }
    }

    /// Bytes of the decoded data that it keeps.
    fn kept(&self) -> usize {
        match self {
            Self::Chunked(chunked) => chunked.kept(),
            Self::Length(_) | Self::Close | Self::Unframed(_) => 0,
        }
    }

    /// Whether the body is complete, as far as is known without another byte of it.
    fn is_at_end(&mut self, buffer: &mut BytesMut) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_at_end(buffer),
            Self::Close | Self::Unframed(_) => false,
        }
    }
}

impl H1Body {
    pub(super) fn new(framing: Framing, receiving: Receiving) -> Self {
        let decoder = match framing {
            Framing::Length(length) => Decoder::Length(length),
            Framing::Chunked => Decoder::Chunked(ChunkedDecoder::new(receiving.max_head)),
            Framing::Close => Decoder::Close,
        };
        let mut body = Self::decoding(decoder, receiving);
        body.finish_if_complete();
        body
    }

    /// Returns everything that comes, beginning with what is in the buffer.
    pub(super) fn unframed(receiving: Receiving) -> Self {
        Self::decoding(
            Decoder::Unframed(Unframed::new(receiving.max_head)),
            receiving,
        )
    }

    fn decoding(decoder: Decoder, receiving: Receiving) -> Self {
        Self {
            decoder,
            receiving: Some(receiving),
            lingering: None,
        }
    }

    /// Whether the end was reached; then the connection is free.
    pub(crate) fn is_over(&self) -> bool {
        self.receiving.is_none()
    }

    /// The trailer fields, once, at the end.
    pub(crate) fn take_trailers(&mut self) -> Fields {
        match &mut self.decoder {
            Decoder::Chunked(chunked) => chunked.take_trailers(),
            Decoder::Length(_) | Decoder::Close | Decoder::Unframed(_) => Fields::new(),
        }
    }

    /// The number of bytes still to come, if known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        match self.decoder {
            _ if self.is_over() => Some(0),
            Decoder::Length(left) => Some(left),
            _ => None,
        }
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, EgressError>>> {
        let next = ready!(self.poll_receive(cx));
        match &next {
            Some(Ok(_)) => self.finish_if_complete(),
            Some(Err(_)) => self.receiving = None,
            None => self.finish(),
        }
        Poll::Ready(next)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        let Some(receiving) = &mut self.receiving else {
            return Poll::Ready(None);
        };
        loop {
            if let Err(error) = receiving.poll_request(cx) {
                return Poll::Ready(Some(Err(error)));
            }
            match self.decoder.decode(&mut receiving.reader.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => receiving.reader.kept = self.decoder.kept(),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            let clean = match ready!(receiving.reader.poll_fill(cx)) {
                Ok(0) => true,
                Ok(_) => continue,
                Err(error) if is_end(&error) => receiving.accept_tls_truncation,
                Err(error) => return Poll::Ready(Some(Err(broken(&error)))),
            };
            return Poll::Ready(match self.decoder {
                Decoder::Close | Decoder::Unframed(_) if clean => None,
                _ => Some(Err(EgressError::protocol(ProtocolFault::BodyCut))),
            });
        }
    }

    /// Frees the connection as soon as the last byte was returned: many readers know the length,
    /// and never read the end.
    fn finish_if_complete(&mut self) {
        let Some(receiving) = &mut self.receiving else {
            return;
        };
        if self.decoder.is_at_end(&mut receiving.reader.buffer) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(receiving) = self.receiving.take() else {
            return;
        };
        let Receiving {
            reader,
            writing,
            persistent,
            return_slot,
            ..
        } = receiving;
        match (reader.into_half(), writing) {
            (Some(half), writing) if persistent => {
                return_slot.give_back(IdleConnection::new(half, writing))
            }
            (_, Writing::Body(pump)) => self.lingering = Some(pump),
            _ => {}
        }
    }

    /// Reads a small rest that is already there, so that the connection can be reused. Chunk
    /// extensions count like data: a peer may send any number of them.
    fn drain(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let Some(start) = self.taken() else { return };
        while self.taken().is_some_and(|taken| taken - start <= MAX_DRAIN) {
            if !matches!(self.poll_data(&mut cx), Poll::Ready(Some(Ok(_)))) {
                return;
            }
        }
    }

    /// Bytes read so far, if the connection may be reused.
    fn taken(&self) -> Option<u64> {
        let receiving = self.receiving.as_ref().filter(|it| it.persistent)?;
        Some(receiving.reader.taken())
    }
}

impl Drop for H1Body {
    fn drop(&mut self) {
        self.drain();
    }
}

impl Receiving {
    /// Notices the end of the request's body.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<(), EgressError> {
        let Writing::Body(pump) = &mut self.writing else {
            return Ok(());
        };
        match Pin::new(&mut pump.end).poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(Sent::Whole(half))) => self.writing = Writing::Done(half),
            Poll::Ready(Ok(Sent::Failed(error))) => return Err(error),
            Poll::Ready(Ok(Sent::Broken) | Err(_)) => self.writing = Writing::Broken,
        }
        Ok(())
    }
}

/// The first bytes of the buffer. All of them take their memory with them: whoever gets them alone need
/// not copy them.
fn taken(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count == buffer.len() {
        return std::mem::take(buffer).freeze();
    }
    buffer.split_to(count).freeze()
}

fn broken(error: &io::Error) -> EgressError {
    EgressError::from_io(error, Phase::Body)
}
