//! A program that writes frames and reads replies.
//!
//! The input is: how many pages the adapter may have; the length of the host's script, and the
//! script; then frames. Before each frame there is a byte that says what to correct in it, one that
//! says where to cut it, and its length in two bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel;
use crate::expected::{CLOSE, CONNECT, Frame, HEAD, POLL, READ, REQUEST, RESOLVE, Reply, WRITE};
use crate::guest::Errno;
use crate::host::{self, Call};
use crate::types::{ErrorCode, TlsFailure};
use crate::{machine, memory, state};

/// What to correct in a frame.
const START: u8 = 1;
const LENGTH: u8 = 2;
const ID: u8 = 4;
/// Ids are in entries, not in the header.
const ENTRIES: u8 = 8;
/// The list of buffers is invalid.
const LIST: u8 = 16;
const KIND: u8 = 32;
/// No frame: an id, and what is moved into and out of the bodies of its exchange.
const BODIES: u8 = 64;

/// The kind of object that an id stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Connection,
    Exchange,
    Lookup,
}

#[derive(Default)]
struct Program {
    /// The valid ids.
    open: BTreeMap<u32, Kind>,
    given: BTreeSet<u32>,
}

pub(crate) fn run(data: &[u8]) {
    let [pages, size, rest @ ..] = data else {
        return;
    };
    let (script, mut rest) = rest.split_at(rest.len().min((*size).into()));
    machine::begin((*pages).into());
    host::begin(script);
    let mut program = Program::default();
    while let [fix, cut, low, high, behind @ ..] = rest {
        let size = u16::from_le_bytes([*low, *high]);
        let (frame, behind) = behind.split_at(behind.len().min(size.into()));
        rest = behind;
        if fix & LIST != 0 {
            check_list(frame);
            continue;
        }
        let mut frame = frame.to_vec();
        if fix & BODIES != 0 {
            program.move_bodies(&mut frame, (*cut).into());
            continue;
        }
        program.put_right(&mut frame, *fix);
        program.call(&frame, (*cut).into());
    }
    program.end();
}

impl Program {
    fn put_right(&self, frame: &mut [u8], fix: u8) {
        let size = frame.len().saturating_sub(16) as u32;
        let Some((header, payload)) = frame.split_first_chunk_mut::<16>() else {
            return;
        };
        if fix & START != 0 {
            header[0] = 1;
            header[2..4].fill(0);
        }
        if fix & KIND != 0 {
            header[1] %= 13;
        }
        if fix & LENGTH != 0 {
            header[12..].copy_from_slice(&size.to_le_bytes());
        }
        let choose = |place: &mut [u8]| self.choose(place);
        if fix & ID != 0 {
            choose(&mut header[4..8]);
        }
        if fix & ENTRIES != 0 && payload.len() >= 8 {
            let (entries, _) = payload[8..].as_chunks_mut::<8>();
            entries.iter_mut().for_each(|entry| choose(&mut entry[..4]));
        }
    }

    /// Puts a valid id into a place for one.
    fn choose(&self, place: &mut [u8]) {
        let index = usize::from(place[0]) % self.open.len().max(1);
        if let Some(id) = self.open.keys().nth(index) {
            place.copy_from_slice(&id.to_le_bytes());
        }
    }

    /// Moves bytes into the body of a request, and out of that of a response.
    fn move_bodies(&self, bytes: &mut [u8], cut: usize) {
        let Some((id, data)) = bytes.split_first_chunk_mut::<4>() else {
            return;
        };
        if cut & 1 == 0 {
            self.choose(id);
        }
        let id = u32::from_le_bytes(*id);
        let is_exchange = self.open.get(&id) == Some(&Kind::Exchange);
        host::calls();
        let written = channel::write_body(id, memory::place(data, &[cut & 31, cut >> 5]));
        let taken = taken(&host::calls());
        assert!(data.starts_with(&taken));
        match written {
            Ok(count) => assert!(is_exchange && count as usize == taken.len()),
            Err(Errno::Again | Errno::Io) => assert!(is_exchange && taken.is_empty()),
            Err(error) => assert_eq!((error, is_exchange), (Errno::BadFile, false)),
        }
        let read = channel::read_body(id, memory::room(cut * 8));
        let gave: Vec<u8> = host::calls()
            .iter()
            .flat_map(Call::given)
            .copied()
            .collect();
        match read {
            Ok(count) => assert!(is_exchange && memory::replied(count as usize) == gave),
            Err(Errno::Again) => assert!(is_exchange && gave.is_empty()),
            Err(error) => assert_eq!((error, is_exchange), (Errno::BadFile, false)),
        }
    }

    /// Writes a frame and reads its reply.
    fn call(&mut self, bytes: &[u8], cut: usize) {
        let buffers = memory::place(bytes, &[cut & 31, cut >> 5]);
        host::calls();
        match channel::write(buffers) {
            Ok(size) => assert_eq!(size as usize, bytes.len()),
            Err(error) => {
                assert_eq!(error, Errno::NoMemory);
                assert!(host::calls().is_empty());
                return;
            }
        }
        let reply = Reply::parse(&read(cut));
        let calls = host::calls();
        match Frame::parse(bytes) {
            Err(code) => {
                assert_eq!((reply.status, reply.code), (2, code));
                assert!(calls.is_empty());
            }
            Ok(frame) => self.check(&frame, &reply, &calls),
        }
    }

    fn check(&mut self, frame: &Frame<'_>, reply: &Reply, calls: &[Call]) {
        if let 129 | 130 = reply.code {
            panic!("{reply:?} for a header that is right");
        }
        if let 128 | 131 | 132 = reply.code {
            assert!(calls.is_empty(), "{reply:?} but {calls:?}");
            return;
        }
        let is_done = reply.status == 0;
        assert!(frame.is_plain() || reply.code == 134, "{reply:?}");
        let kind = self.open.get(&frame.id).copied();
        if frame.has_id() {
            let is_right = match (kind, frame.command) {
                (Some(Kind::Connection), 2..=5) | (Some(Kind::Exchange), 6..=9) => true,
                (Some(Kind::Lookup), 2) => true,
                (kind, CLOSE) => kind.is_some(),
                _ => false,
            };
            // Memory may run out before the id is checked.
            assert!(is_right || reply.code == 134, "{reply:?} for {kind:?}");
        }
        let mut body = frame.payload;
        for call in calls {
            match call {
                Call::Told(told) => body = frame.check_told(told),
                Call::Failed(error) if calls.last() == Some(call) => check_error(reply, error),
                _ => {}
            }
        }
        if is_done {
            check_given(frame, reply, calls);
        }
        match frame.command {
            CONNECT | REQUEST | RESOLVE if is_done => {
                assert!(self.given.insert(reply.value), "an id of old");
                let kind = match frame.command {
                    CONNECT => Kind::Connection,
                    REQUEST => Kind::Exchange,
                    _ => Kind::Lookup,
                };
                self.open.insert(reply.value, kind);
                if frame.has_body() {
                    let taken = taken(calls);
                    assert!(body.starts_with(&taken));
                    assert_eq!(reply.payload, (taken.len() as u32).to_le_bytes());
                }
            }
            CLOSE if is_done => drop(self.open.remove(&frame.id)),
            HEAD | READ if is_done && reply.value & 4 != 0 => drop(self.open.remove(&frame.id)),
            WRITE => check_write(frame, reply, calls),
            POLL if is_done => self.check_poll(&frame.payload[8..], reply),
            _ => {}
        }
    }

    /// Checks that as many entries were ready as the reply says, and that all of them are valid.
    fn check_poll(&self, entries: &[u8], reply: &Reply) {
        let (entries, []) = entries.as_chunks::<8>() else {
            panic!("{} bytes of entries", entries.len());
        };
        let count = reply.payload.iter().filter(|ready| **ready != 0).count();
        assert_eq!(entries.len(), reply.payload.len());
        assert_eq!(count, reply.value as usize);
        for ([i0, i1, i2, i3, interests, padding @ ..], ready) in entries.iter().zip(&reply.payload)
        {
            assert_eq!(ready & !interests, 0, "ready for what nobody asked");
            assert_eq!(*padding, [0; 3]);
            let id = u32::from_le_bytes([*i0, *i1, *i2, *i3]);
            let most = match self.open.get(&id) {
                Some(Kind::Connection | Kind::Lookup) => 1,
                Some(Kind::Exchange) => 7,
                None => panic!("{id:x} means nothing"),
            };
            assert!((1..=most).contains(interests), "interests {interests}");
        }
    }

    /// Drops everything, and checks that nothing remains.
    fn end(mut self) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            let mut frame = [0; 16];
            frame[..2].copy_from_slice(&[1, CLOSE]);
            frame[4..8].copy_from_slice(&id.to_le_bytes());
            self.call(&frame, 0);
        }
        assert!(self.open.is_empty());
        // SAFETY: no call is under way.
        if let Some(channel) = unsafe { state::channel() } {
            channel.reply = None;
            for id in self.given {
                assert!(channel.handles.resource(id).is_err());
            }
        }
        assert_eq!(host::live(), 0, "something was not given back");
    }
}

/// Reads a reply to its end, in pieces that start small.
fn read(cut: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut size = 1 + cut;
    loop {
        let count = channel::read(memory::room(size)).expect("a reply") as usize;
        assert!(count <= size);
        bytes.extend(memory::replied(count));
        if count == 0 {
            return bytes;
        }
        size = (size * 4).min(machine::GUEST / 2);
    }
}

/// Checks that the reply contains the host's last failure, unless bytes were written before, or
/// memory ran out.
fn check_error(reply: &Reply, error: &ErrorCode) {
    if reply.status != 2 || reply.code >= 128 {
        return;
    }
    let (text, rest) = reply.text();
    let bound;
    let (code, detail, expected, behind): (_, _, _, &[u8]) = match error {
        ErrorCode::Denied(denial) => (1, denial.reason, &*denial.message, denial.rule.as_bytes()),
        ErrorCode::Dns(detail) => (2, *detail, "", b""),
        ErrorCode::Refused => (3, 0, "", b""),
        ErrorCode::Unreachable => (4, 0, "", b""),
        ErrorCode::Reset => (5, 0, "", b""),
        ErrorCode::Timeout(detail) => (6, *detail, "", b""),
        ErrorCode::Tls(TlsFailure::Certificate((detail, text))) => (7, *detail, text, b""),
        ErrorCode::Tls(TlsFailure::Other(text)) => (7, 255, text, b""),
        ErrorCode::Protocol(failure) => (8, 0, &failure.message, &failure.received),
        ErrorCode::Limit(failure) => {
            let flag = u8::from(failure.can_be_raised);
            let value = failure
                .value
                .map(|value| [&value.to_le_bytes()[..], &[flag]].concat());
            bound = value.unwrap_or_default();
            (9, failure.limit, "", &bound)
        }
        ErrorCode::Closed => (10, 0, "", b""),
        ErrorCode::Invalid(text) => (11, 0, text, b""),
    };
    assert_eq!((reply.code, reply.detail), (code, detail), "{error:?}");
    assert_eq!((text, rest), (expected, behind), "{error:?}");
}

/// What the host took of a body.
fn taken(calls: &[Call]) -> Vec<u8> {
    let mut taken = Vec::new();
    for call in calls {
        if let Call::Took(bytes) = call {
            taken.extend_from_slice(bytes);
        }
    }
    taken
}

/// Checks that a reply carries what the host gave, and that its value is one of those that there are.
fn check_given(frame: &Frame<'_>, reply: &Reply, calls: &[Call]) {
    let trailers = calls.iter().rev().find_map(|call| match call {
        Call::Trailers(payload) => Some(payload),
        _ => None,
    });
    if let HEAD | READ = frame.command {
        let most = if frame.has_timeout() { 7 } else { 1 };
        assert!(reply.value <= most && reply.value & 3 != 3, "{reply:?}");
    }
    if frame.command == READ && reply.value & 1 != 0 {
        assert_eq!(Some(&reply.payload), trailers);
        return;
    }
    // Trailers that there are come later.
    assert!(reply.value & 2 == 0 || frame.command > READ || trailers.is_none_or(Vec::is_empty));
    let mut gave = calls.iter().filter(|call| matches!(call, Call::Gave(_)));
    let mut expected = Vec::new();
    if frame.command == HEAD && frame.has_timeout() {
        let head = gave.next().expect("a head").given();
        expected.extend_from_slice(&(head.len() as u32).to_le_bytes());
        expected.extend_from_slice(head);
    } else if calls.iter().all(|call| !matches!(call, Call::Gave(_))) {
        return;
    }
    gave.for_each(|call| expected.extend_from_slice(call.given()));
    assert_eq!(reply.payload, expected);
}

/// Checks that the accepted bytes are the beginning of the written ones.
fn check_write(frame: &Frame<'_>, reply: &Reply, calls: &[Call]) {
    let taken = taken(calls);
    assert!(frame.payload.starts_with(&taken));
    match reply.status {
        0 => assert_eq!(reply.value as usize, taken.len()),
        _ => assert!(taken.is_empty()),
    }
    let is_empty = frame.payload.is_empty();
    assert!(is_empty || reply.status != 0 || reply.value > 0);
}

/// Checks that lists at any addresses are accepted only inside memory and below 2 GiB.
fn check_list(bytes: &[u8]) {
    let (pairs, _) = bytes.as_chunks::<8>();
    let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let pairs = pairs
        .iter()
        .map(|pair| (word(&pair[..4]), word(&pair[4..])));
    let mut list: Vec<_> = pairs.collect();
    check_taken(&list);
    // The last one up to the end of the memory, and one byte beyond.
    let end = machine::memory_size() as u32;
    let Some((_, size)) = list.pop().filter(|(_, size)| *size <= end) else {
        return;
    };
    for at in [end - size, end - size + 1] {
        list.push((at, size));
        check_taken(&list);
        list.pop();
    }
}

fn check_taken(list: &[(u32, u32)]) {
    let end = machine::memory_size();
    let is_inside = |(at, size): &(u32, u32)| {
        *size == 0 || (*at != 0 && u64::from(*at) + u64::from(*size) <= end)
    };
    let total: u64 = list.iter().map(|(_, size)| u64::from(*size)).sum();
    match memory::lists(list).map(|buffers| u64::from(buffers.total)) {
        Ok(size) => assert!(size == total && total < 1 << 31 && list.iter().all(is_inside)),
        Err(Errno::Fault) => assert!(!list.iter().all(is_inside)),
        Err(Errno::Invalid) => assert!(total >= 1 << 31),
        Err(other) => panic!("{other:?}"),
    }
}
