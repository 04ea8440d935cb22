//! Counts the frames of a session: those without content cost a peer little, but the host work.
//!
//! The library itself bounds: CONTINUATION frames of one list, small and empty DATA frames, and
//! streams that were reset. It answers or drops without a bound: PING, SETTINGS, WINDOW_UPDATE,
//! PRIORITY and unknown frames, and lists of fields of informational responses. [`Blocks`] counts what
//! it keeps until somebody takes it.

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::h2::blocks::Blocks;
use crate::h2::buffers::Landing;
use crate::h2::header::{Frame, Header};
use crate::h2::kept::Streams;
use crate::limit::limit_of;
use crate::stream::Stream;
use crate::wire::Ended;

/// How many frames without data a peer may send beyond what other events allow.
const MOST: u64 = 10_000;

/// How many of them a request allows: informational responses, the response's own fields, and some
/// of the peer's own.
const FOR_REQUEST: u64 = 64;

/// How many of them a frame with data allows, besides one for each so many bytes: window updates,
/// which some peers send with every small read, and measurements of the path.
const FOR_DATA: u64 = 4;
const BYTES_FOR_ONE: u64 = 256;

/// How many of them a second allows: a peer may ping from time to time.
const FOR_SECOND: u64 = 1;

/// What a client sends before its first frame (RFC 9113 section 3.4).
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// The connection of a session.
pub(super) struct Frames {
    stream: Stream,
    received: Scanner,
    sent: Scanner,
    allowance: Allowance,
    blocks: Blocks,
    ended: Ended,
}

impl Frames {
    /// Counts in `streams` what is kept of what arrives on `stream`.
    pub(super) fn new(stream: Stream, streams: Streams) -> Self {
        Self {
            ended: stream.ended(),
            blocks: Blocks::new(streams),
            stream,
            received: Scanner::default(),
            sent: Scanner {
                left: PREFACE,
                ..Scanner::default()
            },
            allowance: Allowance {
                left: MOST,
                since: Instant::now(),
            },
        }
    }

    /// Inspects bytes that were written.
    fn note_sent(&mut self, bytes: &[u8]) {
        let Self {
            sent, allowance, ..
        } = self;
        sent.scan(bytes, |frame| match frame {
            Frame::Data(length) => allowance.add(for_data(length)),
            Frame::Headers => allowance.add(FOR_REQUEST),
            Frame::Other => {}
        });
    }

    /// Inspects bytes that were read into this room, before the library does.
    fn note_received(&mut self, bytes: &[u8], room: usize) -> io::Result<()> {
        let Self {
            received,
            allowance,
            blocks,
            ended,
            ..
        } = self;
        let landed = blocks.land(Landing {
            address: bytes.as_ptr().addr(),
            room,
            length: bytes.len(),
            carried: received.unfinished(),
        });
        let note = |piece: Piece<'_>| match piece {
            Piece::Payload(bytes) => blocks.read(bytes),
            Piece::Begins(header) => {
                let is_allowed = match header.frame() {
                    Frame::Data(length) => {
                        allowance.add(for_data(length));
                        true
                    }
                    Frame::Headers | Frame::Other => allowance.take(),
                };
                match is_allowed {
                    true => blocks.begin(header),
                    false => Err(too_many()),
                }
            }
        };
        let seen = landed.and_then(|()| received.walk(bytes, note));
        seen.inspect_err(|error| {
            if let Some(limit) = limit_of(error) {
                ended.get_or_init(|| limit);
            }
        })
    }
}

fn too_many() -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        "the peer sent too many frames without data",
    )
}

/// How many frames a frame with this many bytes of data allows.
fn for_data(length: usize) -> u64 {
    FOR_DATA + length as u64 / BYTES_FOR_ONE
}

/// How many frames without data may still come.
struct Allowance {
    left: u64,
    since: Instant,
}

impl Allowance {
    fn add(&mut self, frames: u64) {
        self.left = (self.left + frames).min(MOST);
    }

    fn take(&mut self) -> bool {
        if self.left == 0 {
            let seconds = self.since.elapsed().as_secs();
            self.since = Instant::now();
            self.add(seconds.saturating_mul(FOR_SECOND));
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

/// What is found next.
enum Piece<'a> {
    Begins(Header),
    /// Bytes of the payload of the last frame.
    Payload(&'a [u8]),
}

/// Splits bytes that arrive in pieces into frames.
#[derive(Debug, Default)]
struct Scanner {
    /// The part of a frame's header that has arrived.
    header: [u8; 9],
    length: usize,
    /// Bytes until the end of the frame's payload.
    left: usize,
}

impl Scanner {
    /// The bytes of the incomplete frame.
    fn unfinished(&self) -> usize {
        match self.left {
            0 => self.length,
            left => {
                let length = self.header.len() + Header::read(self.header).length;
                length.saturating_sub(left)
            }
        }
    }

    fn scan(&mut self, bytes: &[u8], mut found: impl FnMut(Frame)) {
        let Ok(()) = self.walk(bytes, |piece| {
            if let Piece::Begins(header) = piece {
                found(header.frame());
            }
            Ok::<_, Infallible>(())
        });
    }

    fn walk<E>(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
            if !payload.is_empty() {
                self.left -= payload.len();
                found(Piece::Payload(payload))?;
            }
            bytes = rest;
            if bytes.is_empty() {
                return Ok(());
            }
            let taken = (self.header.len() - self.length).min(bytes.len());
            self.header[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
            if self.length == self.header.len() {
                self.length = 0;
                let header = Header::read(self.header);
                self.left = header.length;
                found(Piece::Begins(header))?;
            }
        }
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        Poll::Ready(self.note_received(bytes, room))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.note_sent(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let part = left.min(buf.len());
            self.note_sent(&buf[..part]);
            left -= part;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let [.., a, b, c] = length.to_be_bytes();
        let mut bytes = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        bytes.resize(9 + length, 0xff);
        bytes
    }

    #[test]
    fn frames_are_found_however_their_bytes_arrive() {
        let bytes = [
            vec![b'P'; PREFACE],
            frame(4, 18),
            frame(1, 300),
            frame(0, 0),
            frame(0, 70_000),
            frame(6, 8),
            frame(9, 0),
        ]
        .concat();
        use Frame::{Data, Headers, Other};
        let expected = [Other, Headers, Other, Data(70_000), Other, Other];
        for size in [1, 2, 7, 8, 9, 10, 23, 24, 25, 1000, bytes.len()] {
            let mut scanner = Scanner {
                left: PREFACE,
                ..Scanner::default()
            };
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                scanner.scan(piece, |frame| found.push(frame));
                assert!(scanner.unfinished() < 9 + 70_000);
            }
            assert_eq!(scanner.unfinished(), 0);
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_without_data_end_unless_something_calls_for_them() {
        let mut allowance = Allowance {
            left: MOST,
            since: Instant::now(),
        };
        assert!((0..MOST).all(|_| allowance.take()));
        assert!(!allowance.take());
        for (length, frames) in [(1, FOR_DATA), (16_384, FOR_DATA + 64)] {
            allowance.add(for_data(length));
            assert!((0..frames).all(|_| allowance.take()));
            assert!(!allowance.take());
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!((0..10 * FOR_SECOND).all(|_| allowance.take()));
        assert!(!allowance.take());
        allowance.add(u64::from(u32::MAX));
        assert_eq!(allowance.left, MOST);
    }
}
