//! Makes replies, and returns them in the pieces that the guest reads.

use alloc::vec::Vec;
use core::ptr;

use crate::arena::Arena;
use crate::bindings::types::ErrorCode;
use crate::errors::{Failure, Fault, Report};
use crate::frame::{HEADER, VERSION};
use crate::guest::Buffers;
use crate::numbers::status;

/// The size of a limit's value, and of whether it can be raised.
const BOUND: usize = 9;

/// The result of a command that did not fail.
pub(crate) enum Answer {
    /// Nothing happened yet; it may later. The number says what did happen meanwhile.
    Pending { value: u32 },
    /// The command was carried out.
    Done { value: u32, payload: Vec<u8> },
}

impl Answer {
    /// The command is pending.
    pub(crate) fn pending() -> Answer {
        Answer::Pending { value: 0 }
    }

    /// Carried out, without a result.
    pub(crate) fn done() -> Answer {
        Answer::value(0)
    }

    /// Carried out, with a number.
    pub(crate) fn value(value: u32) -> Answer {
        let payload = Vec::new();
        Answer::Done { value, payload }
    }

    /// Carried out, with bytes.
    pub(crate) fn payload(payload: Vec<u8>) -> Answer {
        Answer::Done { value: 0, payload }
    }
}

/// A reply, and how much of it was read.
pub(crate) struct Reply {
    header: [u8; HEADER],
    /// In the arena, so the reply must be gone before the arena is reset.
    payload: Vec<u8>,
    read: usize,
}

impl Reply {
    /// The reply to a frame.
    pub(crate) fn new(outcome: Result<Answer, Failure>, arena: &Arena) -> Reply {
        match outcome {
            Ok(Answer::Done { value, payload }) => Reply::of([status::OK, 0, 0], value, payload),
            Ok(Answer::Pending { value }) => Reply::of([status::PENDING, 0, 0], value, Vec::new()),
            Err(Failure::Error(error)) => Reply::error(&error, arena).unwrap_or_else(Reply::fault),
            Err(Failure::Fault(fault)) => Reply::fault(fault),
        }
    }

    fn fault(fault: Fault) -> Reply {
        Reply::of([status::ERROR, fault as u8, 0], 0, Vec::new())
    }

    fn error(error: &ErrorCode, arena: &Arena) -> Result<Reply, Fault> {
        arena.intact()?;
        let report = Report::new(error);
        let size = 4 + report.text.len() + report.rest.len() + BOUND;
        let mut payload = Payload::new(size, arena)?;
        payload.long(report.text.len())?;
        payload.put(report.text.as_bytes());
        payload.put(report.rest);
        if let Some((value, can_be_raised)) = report.bound {
            payload.put(&value.to_le_bytes());
            payload.put(&[can_be_raised as u8]);
        }
        Ok(Reply::of(
            [status::ERROR, report.code, report.detail],
            0,
            payload.0,
        ))
    }

    fn of([status, code, detail]: [u8; 3], value: u32, payload: Vec<u8>) -> Reply {
        let [v0, v1, v2, v3] = value.to_le_bytes();
        let [l0, l1, l2, l3] = (payload.len() as u32).to_le_bytes();
        let header = [
            VERSION, status, code, detail, v0, v1, v2, v3, 0, 0, 0, 0, l0, l1, l2, l3,
        ];
        Reply {
            header,
            payload,
            read: 0,
        }
    }

    /// Moves what fits of the rest into `buffers`, and returns the number of bytes.
    pub(crate) fn read(&mut self, buffers: Buffers) -> u32 {
        let before = self.read;
        for mut buffer in buffers.iter() {
            while buffer.size > 0 {
                let rest = self.rest();
                if rest.is_empty() {
                    break;
                }
                let size = rest.len().min(buffer.size);
                // SAFETY: the buffer is inside the memory and as large. The guest may have placed
                // it over the adapter's own memory; that damages only the guest's own channel.
                unsafe { ptr::copy(rest.as_ptr(), buffer.start, size) };
                self.read += size;
                buffer = buffer.skip(size);
            }
        }
        (self.read - before) as u32
    }

    /// The rest of the header, or after it of the payload.
    fn rest(&self) -> &[u8] {
        let rest = match self.read.checked_sub(HEADER) {
            None => self.header.get(self.read..),
            Some(read) => self.payload.get(read..),
        };
        rest.unwrap_or_default()
    }
}

/// The payload of a reply under construction.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// An empty one, with room for `size` bytes.
    pub(crate) fn new(size: usize, arena: &Arena) -> Result<Payload, Fault> {
        arena.reserve(size)?;
        Ok(Payload(Vec::with_capacity(size)))
    }

    /// Appends bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends a length or a count of 8 bits.
    pub(crate) fn tiny(&mut self, number: usize) -> Result<(), Fault> {
        let number = u8::try_from(number).map_err(|_| Fault::Size)?;
        self.put(&[number]);
        Ok(())
    }

    /// Appends a length or a count of 16 bits.
    pub(crate) fn short(&mut self, number: usize) -> Result<(), Fault> {
        let number = u16::try_from(number).map_err(|_| Fault::Size)?;
        self.put(&number.to_le_bytes());
        Ok(())
    }

    /// Appends a length of 32 bits.
    pub(crate) fn long(&mut self, number: usize) -> Result<(), Fault> {
        let number = u32::try_from(number).map_err(|_| Fault::Size)?;
        self.put(&number.to_le_bytes());
        Ok(())
    }

    /// The whole as an answer.
    pub(crate) fn answer(self) -> Answer {
        Answer::payload(self.0)
    }

    /// The whole as an answer with a number.
    pub(crate) fn with(self, value: u32) -> Answer {
        let payload = self.0;
        Answer::Done { value, payload }
    }
}
