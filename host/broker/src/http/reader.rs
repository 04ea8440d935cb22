//! Reads a client's requests from its connection.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::time::{Instant, timeout_at};

use super::head::{Head, HeadFault, find_end, parse};
use crate::limits::BrokerLimits;
use crate::socket::ClientStream;

/// Bytes that one read takes at most.
const READ: usize = 16 << 10;

/// The reading half of a connection, and what was read and not used.
#[derive(Debug)]
pub(crate) struct Reader {
    half: ReadHalf<ClientStream>,
    pub(super) buffer: BytesMut,
}

impl Reader {
    pub(super) fn new(half: ReadHalf<ClientStream>) -> Self {
        Self {
            half,
            buffer: BytesMut::new(),
        }
    }

    pub(super) fn into_parts(self) -> (ReadHalf<ClientStream>, BytesMut) {
        (self.half, self.buffer)
    }

    /// Reads what has come; returns 0 at the end. Cancel safe.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ);
        let mut piece = (&mut self.half).take(READ as u64);
        piece.read_buf(&mut self.buffer).await
    }

    /// Reads the next head: its first byte within `wait`, and the rest by the limit for heads.
    /// `None` if the client has closed the connection, or sent nothing.
    pub(super) async fn head(
        &mut self,
        wait: Duration,
        limits: &BrokerLimits,
    ) -> Result<Option<Head>, HeadFault> {
        let mut until = Instant::now() + wait;
        let (mut scanned, mut has_begun) = (0, false);
        let mut skipped = 0;
        loop {
            // A blank line before a request is skipped (RFC 9112 section 2.2).
            while scanned == 0 && self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
                skipped += 2;
            }
            if skipped > limits.head {
                return Err(HeadFault::TooLarge(limits.head));
            }
            if let Some(end) = find_end(&self.buffer, &mut scanned)? {
                if end > limits.head {
                    return Err(HeadFault::TooLarge(limits.head));
                }
                let head = self.buffer.split_to(end);
                return parse(&head, limits.fields).map(Some);
            }
            if self.buffer.len() >= limits.head {
                return Err(HeadFault::TooLarge(limits.head));
            }
            if !self.buffer.is_empty() && !has_begun {
                has_begun = true;
                until = until.min(Instant::now() + limits.head_time);
            }
            match timeout_at(until, self.fill()).await {
                Err(_) if has_begun => return Err(HeadFault::Slow),
                Err(_) => return Ok(None),
                Ok(Ok(0) | Err(_)) if has_begun => return Err(HeadFault::Cut),
                Ok(Ok(0) | Err(_)) => return Ok(None),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Waits for the first byte of what follows; `None` if nothing does.
    pub(super) async fn first_byte(&mut self, wait: Duration) -> Option<u8> {
        let until = Instant::now() + wait;
        while self.buffer.is_empty() {
            match timeout_at(until, self.fill()).await {
                Ok(Ok(1..)) => {}
                _ => return None,
            }
        }
        self.buffer.first().copied()
    }
}
