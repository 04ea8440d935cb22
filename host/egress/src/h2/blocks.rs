//! Counts the header blocks (RFC 9113 section 4.3) and the data that a peer sends, before the library
//! decodes them.

use std::io;

use crate::account::Reservation;
use crate::h2::buffers::Landing;
use crate::h2::fields::FieldCounter;
use crate::h2::header::Header;
use crate::h2::kept::{Part, Streams};
use crate::limit::Limit;

/// What a block costs besides its fields: an entry of the library, and the smallest table.
const BLOCK: usize = 1 << 10;

/// What a field costs besides its bytes: an entry in a table that grows to twice its size, and
/// blocks of memory for its name and its value.
const FIELD: usize = 352;

/// What a byte on the wire costs: the Huffman code has at least 5 bits for a character, and blocks of
/// memory are rounded up.
const BYTE: usize = 2;

/// What a byte of a block costs while the block is assembled and decoded. Buffers grow to twice
/// their size, and stay with the session.
const BUFFERED: usize = 4;

/// The size up to which decoding a block is covered by the memory of every session.
const SMALL_BLOCK: usize = 4 << 10;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The blocks of one session.
pub(super) struct Blocks {
    streams: Streams,
    /// For the largest block.
    buffers: Option<Reservation>,
    block: Option<Block>,
    payload: Payload,
    data: Option<Data>,
}

/// The current frame with data.
struct Data {
    stream: u32,
    left: usize,
}

/// The current block.
struct Block {
    stream: u32,
    /// What it is kept for; `None` if the library drops it when it is complete.
    part: Option<Part>,
    dropped: Option<Reservation>,
    fields: FieldCounter,
    length: usize,
}

/// The part of a frame's payload that belongs to the block.
#[derive(Default)]
struct Payload {
    is_padded: bool,
    skipped: usize,
    left: usize,
    is_last: bool,
}

impl Blocks {
    pub(super) fn new(streams: Streams) -> Self {
        Self {
            streams,
            buffers: None,
            block: None,
            payload: Payload::default(),
            data: None,
        }
    }

    /// Notes where the bytes are that are read next.
    pub(super) fn land(&mut self, landing: Landing) -> io::Result<()> {
        self.streams.read(landing).map_err(out_of_memory)
    }

    /// Notes the beginning of a frame.
    pub(super) fn begin(&mut self, header: Header) -> io::Result<()> {
        self.payload = Payload::default();
        match header.kind {
            Header::DATA if header.length > 0 || header.has(END_STREAM) => {
                let kept = self.streams.keep_data_frame(header.stream);
                kept.map_err(out_of_memory)?;
                self.data = Some(Data {
                    stream: header.stream,
                    left: header.length,
                });
                return self.read_data(&[]);
            }
            Header::HEADERS => {
                self.block = Some(Block {
                    stream: header.stream,
                    part: self
                        .streams
                        .begin_block(header.stream, header.has(END_STREAM)),
                    dropped: None,
                    fields: FieldCounter::default(),
                    length: 0,
                });
                self.keep(BLOCK).map_err(out_of_memory)?;
            }
            Header::CONTINUATION => {}
            // Section 8.4: the client has forbidden this frame.
            Header::PUSH_PROMISE => return Err(refused("a response that nobody asked for")),
            _ => return Ok(()),
        }
        let is_first = header.kind == Header::HEADERS;
        self.payload = Payload {
            is_padded: is_first && header.has(PADDED),
            skipped: if is_first && header.has(PRIORITY) {
                5
            } else {
                0
            },
            left: header.length,
            is_last: header.has(END_HEADERS),
        };
        self.read(&[])
    }

    /// Notes a piece of the payload of the last frame.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.read_data(bytes)?;
        let payload = &mut self.payload;
        if let (true, [padding, rest @ ..]) = (payload.is_padded, bytes) {
            payload.is_padded = false;
            // The last bytes are padding.
            payload.left = payload.left.saturating_sub(1 + usize::from(*padding));
            bytes = rest;
        }
        if payload.is_padded && payload.left > 0 {
            return Ok(());
        }
        let skipped = payload.skipped.min(bytes.len());
        payload.skipped -= skipped;
        payload.left = payload.left.saturating_sub(skipped);
        bytes = &bytes[skipped..];
        let taken = payload.left.min(bytes.len());
        payload.left -= taken;
        let ends = payload.left == 0 && payload.is_last;
        self.read_block(&bytes[..taken])?;
        if ends {
            self.block = None;
        }
        Ok(())
    }

    fn read_data(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(data) = &mut self.data else {
            return Ok(());
        };
        data.left = data.left.saturating_sub(bytes.len());
        if data.left > 0 {
            return Ok(());
        }
        let ended = self.streams.end_data_frame(data.stream);
        self.data = None;
        ended.map_err(out_of_memory)
    }

    fn read_block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(block) = &mut self.block else {
            return Ok(());
        };
        let before = block.fields.fields();
        let read = block.fields.read(bytes);
        read.map_err(|fault| refused(fault.message()))?;
        block.length += bytes.len();
        let length = block.length;
        let cost = (block.fields.fields() - before) * FIELD + bytes.len() * BYTE;
        self.keep(cost)
            .and_then(|()| self.buffer(length))
            .map_err(out_of_memory)
    }

    /// Reserves memory for this much more of the current block.
    fn keep(&mut self, bytes: usize) -> Result<(), Limit> {
        let Some(block) = &mut self.block else {
            return Ok(());
        };
        match (block.part, &mut block.dropped) {
            (Some(part), _) => self.streams.keep(block.stream, part, bytes),
            (None, Some(held)) => held.grow(bytes),
            (None, held) => {
                *held = Some(self.streams.memory().reserve(bytes)?);
                Ok(())
            }
        }
    }

    /// Reserves memory for a block that has this length by now.
    fn buffer(&mut self, length: usize) -> Result<(), Limit> {
        let needed = length.saturating_sub(SMALL_BLOCK) * BUFFERED;
        match &mut self.buffers {
            Some(held) => held.grow_to(needed),
            None if needed == 0 => Ok(()),
            held => {
                *held = Some(self.streams.memory().reserve(needed)?);
                Ok(())
            }
        }
    }
}

fn out_of_memory(limit: Limit) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, limit)
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        format!("the peer sent {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::HostMemory;
    use crate::h2::kept::{AHEAD, KeptStream};
    use crate::limit::limit_of;

    const DATA: u8 = Header::DATA;
    const HEADERS: u8 = Header::HEADERS;
    const CONTINUATION: u8 = Header::CONTINUATION;

    fn session(memory: u64) -> (HostMemory, Streams, Blocks) {
        let memory = HostMemory::new(memory);
        let streams = Streams::new(memory.clone()).unwrap();
        (memory, streams.clone(), Blocks::new(streams))
    }

    fn opened(streams: &Streams, id: u32) -> KeptStream {
        streams.open(|| Ok::<_, ()>((id, ()))).expect("memory").0
    }

    /// A frame on stream 1, whose payload comes in pieces.
    fn frame(blocks: &mut Blocks, kind: u8, flags: u8, payload: &[u8]) -> io::Result<()> {
        blocks.begin(Header {
            length: payload.len(),
            kind,
            flags,
            stream: 1,
        })?;
        let mut pieces = payload.chunks(7);
        pieces.try_for_each(|piece| blocks.read(piece))
    }

    #[test]
    fn fields_behind_a_body_are_taken_from_memory_until_the_exchange_has_them() {
        let (memory, streams, mut blocks) = session(1 << 20);
        let stream = opened(&streams, 1);
        frame(&mut blocks, HEADERS, END_HEADERS, &[0x88]).unwrap();
        stream.took_head();
        frame(&mut blocks, DATA, 0, b"unread").unwrap();
        assert_eq!(memory.used(), 0, "honest ones have room");
        frame(&mut blocks, HEADERS, END_STREAM, &[0x90; 400]).unwrap();
        frame(&mut blocks, CONTINUATION, END_HEADERS, &[0x90; 400]).unwrap();
        let kept = memory.used();
        assert!(kept > 800 * FIELD - AHEAD, "{kept}");
        drop(stream);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_frame_with_data_keeps_the_buffer_that_it_ends_in_until_the_exchange_has_it() {
        const ROOM: usize = 16 << 10;
        let landing = |address, carried| Landing {
            address,
            room: ROOM,
            length: 20,
            carried,
        };
        let (memory, streams, mut blocks) = session(1 << 20);
        let stream = opened(&streams, 1);
        blocks.land(landing(1 << 20, 0)).unwrap();
        frame(&mut blocks, DATA, 0, b"one").unwrap();
        frame(&mut blocks, DATA, 0, b"two").unwrap();
        assert_eq!(memory.used(), ROOM, "once for both");
        let header = Header {
            length: 5,
            kind: DATA,
            flags: 0,
            stream: 1,
        };
        blocks.begin(header).unwrap();
        blocks.read(b"th").unwrap();
        blocks.land(landing(1 << 21, 11)).unwrap();
        assert_eq!(memory.used(), ROOM, "it has not ended");
        blocks.read(b"ree").unwrap();
        assert_eq!(memory.used(), 2 * ROOM + 11);
        stream.took_data_frame();
        assert_eq!(memory.used(), 2 * ROOM + 11);
        stream.took_data_frame();
        assert_eq!(memory.used(), ROOM + 11);
        drop(stream);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_block_beyond_the_memory_ends_the_session_with_the_limit() {
        let (memory, streams, mut blocks) = session(100 << 10);
        let _stream = opened(&streams, 1);
        let error = frame(&mut blocks, HEADERS, 0, &[0x90; 1000]).unwrap_err();
        assert_eq!(limit_of(&error), Some(Limit::HostMemory));
        assert!(memory.used() <= 100 << 10);
    }

    #[test]
    fn padding_and_priority_are_no_part_of_a_block() {
        for (flags, payload) in [
            (PADDED, [&[9][..], &[0x90; 50], &[0x41; 9]].concat()),
            (PRIORITY, [&[0x41; 5][..], &[0x90; 50]].concat()),
            (
                PADDED | PRIORITY,
                [&[3][..], &[0x41; 5], &[0x90; 50], &[0; 3]].concat(),
            ),
        ] {
            let (memory, streams, mut blocks) = session(1 << 20);
            let _stream = opened(&streams, 1);
            frame(&mut blocks, HEADERS, flags | END_HEADERS, &payload).unwrap();
            assert_eq!(memory.used(), BLOCK + 50 * (FIELD + BYTE) - AHEAD);
            assert!(blocks.block.is_none());
        }
    }

    #[test]
    fn a_block_for_nobody_is_taken_from_memory_while_it_comes() {
        let (memory, _, mut blocks) = session(1 << 20);
        frame(&mut blocks, HEADERS, 0, &[0x90; 100]).unwrap();
        assert_eq!(memory.used(), BLOCK + 100 * (FIELD + BYTE));
        frame(&mut blocks, CONTINUATION, END_HEADERS, &[]).unwrap();
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_buffers_of_large_blocks_stay_with_the_session() {
        let (memory, _, mut blocks) = session(1 << 20);
        let long = [&[0x0f, 0x2f, 0x7f, 0x81, 0x7e][..], &[b'x'; 16_256]].concat();
        frame(&mut blocks, HEADERS, END_HEADERS, &long).unwrap();
        let buffers = (long.len() - SMALL_BLOCK) * BUFFERED;
        assert_eq!(memory.used(), buffers);
        frame(&mut blocks, HEADERS, END_HEADERS, &long).unwrap();
        assert_eq!(memory.used(), buffers);
    }

    #[test]
    fn promises_and_blocks_that_no_response_has_end_the_session() {
        for (kind, payload, message) in [
            (Header::PUSH_PROMISE, &[0, 0, 0, 2, 0x82][..], "asked for"),
            (HEADERS, &[0x41, 0x01, b'a'], "pseudo-field"),
            (HEADERS, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "too long"),
        ] {
            let (_, _, mut blocks) = session(1 << 20);
            let error = frame(&mut blocks, kind, END_HEADERS, payload).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
