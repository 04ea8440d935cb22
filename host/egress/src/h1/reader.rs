//! The receiving half of a connection, with the bytes that were read ahead.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::ReadHalf;
use tokio_util::io::poll_read_buf;

use crate::account::{HostMemory, Reservation};
use crate::error::{EgressError, Phase};
use crate::h1::ambiguous::ambiguity;
use crate::h1::response::{Framing, HeadError, HeadParser, framing};
use crate::limit::Limit;
use crate::protocol_failure::{ProtocolFailure, ProtocolFault};
use crate::response::{MAX_INFORMATIONAL, ResponseHead};
use crate::send_options::Continued;
use crate::stream::Stream;

/// The most and the least bytes that are read ahead: as the sandbox's memory is used up,
/// connections get smaller buffers.
const LARGEST_READ: usize = 64 * 1024;
const SMALLEST_READ: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Reader {
    half: ReadHalf<Stream>,
    pub(super) buffer: BytesMut,
    read_size: usize,
    /// Bytes that were taken out and are kept: the lines of a trailer section.
    pub(super) kept: usize,
    /// All bytes received.
    received: u64,
    /// Whether TLS ended without `close_notify` while a head was read.
    pub(super) was_truncated: bool,
    /// The bytes that the current head may have.
    pub(super) head_room: usize,
    /// The memory of the buffer, and of a piece that was taken out of it and is being read.
    held: Reservation,
}

impl Reader {
    pub(super) fn new(half: ReadHalf<Stream>, memory: &HostMemory) -> Result<Self, Limit> {
        let held = memory.reserve_share(2 * SMALLEST_READ, 2 * LARGEST_READ)?;
        Ok(Self {
            half,
            buffer: BytesMut::new(),
            read_size: held.bytes() / 2,
            kept: 0,
            received: 0,
            was_truncated: false,
            head_room: 0,
            held,
        })
    }

    /// The half itself, if nothing that was read ahead would be lost.
    pub(super) fn into_half(self) -> Option<ReadHalf<Stream>> {
        self.buffer.is_empty().then_some(self.half)
    }

    /// Reads available bytes into the buffer; 0 is the end. The sandbox's memory pays for what
    /// already waits in the buffer, such as a long head. If it is used up, the error contains the
    /// [`Limit`].
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A buffer grows to twice its size.
        let needed = 2 * (self.buffer.len() + self.kept + self.read_size);
        self.held.grow_to(needed).map_err(io::Error::other)?;
        self.buffer.reserve(self.read_size);
        let read = ready!(poll_read_buf(
            Pin::new(&mut self.half),
            cx,
            &mut self.buffer
        ))?;
        self.received += read as u64;
        Poll::Ready(Ok(read))
    }

    /// Bytes that were taken out of the buffer, of any kind.
    pub(super) fn taken(&self) -> u64 {
        self.received - self.buffer.len() as u64
    }

    /// Reads the head of the final response, skipping informational ones; 100 is reported. All of
    /// them together have at most `max` bytes. What follows the final head stays in the buffer. So
    /// does a malformed head, and an ambiguous one if that is wanted as it comes. `answered` is set
    /// with the first byte.
    pub(super) async fn read_head(
        &mut self,
        (max, answers_head, takes_ambiguous): (usize, bool, bool),
        answered: &mut bool,
        continued: Option<&Continued>,
    ) -> Result<(ResponseHead, Framing), EgressError> {
        self.head_room = max;
        for _ in 0..=MAX_INFORMATIONAL {
            let (head, length) = self.read_one_head(self.head_room, answered).await?;
            match head.status {
                101 => return Err(self.fault(ProtocolFault::Switched)),
                100..=199 => {
                    drop(self.buffer.split_to(length));
                    self.head_room -= length;
                    if let (100, Some(continued)) = (head.status, continued) {
                        continued.send_replace(true);
                    }
                }
                _ => {
                    let framing = framing(&head, answers_head)
                        .map_err(|fault| self.fault_in(fault, length))?;
                    let found = ambiguity(&self.buffer[..length], &head);
                    if let Some(what) = found.filter(|_| takes_ambiguous) {
                        let status = head.status;
                        let fault = ProtocolFault::Ambiguous { status, what };
                        return Err(self.fault_in(fault, length));
                    }
                    drop(self.buffer.split_to(length));
                    return Ok((head, framing));
                }
            }
        }
        Err(self.fault(ProtocolFault::Informational))
    }

    async fn read_one_head(
        &mut self,
        max: usize,
        answered: &mut bool,
    ) -> Result<(ResponseHead, usize), EgressError> {
        let mut parser = HeadParser::new(max);
        loop {
            if !self.buffer.is_empty() {
                match parser.parse(&self.buffer) {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(HeadError::Limit) => {
                        return Err(self.fault(ProtocolFault::HeadTooLarge));
                    }
                    Err(HeadError::Fault(fault)) => return Err(self.fault(fault)),
                }
            }
            match poll_fn(|cx| self.poll_fill(cx)).await {
                Ok(0) => return Err(self.cut()),
                Ok(_) => *answered = true,
                Err(error) if is_end(&error) => {
                    self.was_truncated = true;
                    return Err(self.cut());
                }
                Err(error) => return Err(EgressError::from_io(&error, Phase::Head)),
            }
        }
    }

    /// The failure of a connection that ended before the end of the head.
    fn cut(&self) -> EgressError {
        self.fault(match self.buffer.as_ref() {
            [] => ProtocolFault::NoAnswer,
            bytes if b"HTTP/".starts_with(&bytes[..bytes.len().min(5)]) => ProtocolFault::HeadCut,
            _ => ProtocolFault::NotHttp,
        })
    }

    /// A failure with the bytes that show it.
    fn fault(&self, fault: ProtocolFault) -> EgressError {
        self.fault_in(fault, self.buffer.len())
    }

    /// A failure with a head of this many bytes.
    fn fault_in(&self, fault: ProtocolFault, length: usize) -> EgressError {
        let received = Bytes::copy_from_slice(&self.buffer[..length]);
        EgressError::Protocol(ProtocolFailure { fault, received })
    }
}

/// Whether an error only means that a TLS connection ended without `close_notify`.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}
