//! The body of a response: in replies, and directly into the guest's own memory.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::streams::StreamError;
use crate::errors::{Failure, Fault};
use crate::exchange::{put_fields, size_of_fields};
use crate::frame::{Fields, Header};
use crate::guest::{Buffers, Errno};
use crate::handles::{Exchange, Handles, Stream};
use crate::numbers::{CLOSED, END, LAST, MOST_READ};
use crate::poll;
use crate::reply::{Answer, Payload};

/// How many pieces one reply has at most.
const MOST_PIECES: usize = 64;

/// What is there of a response's body.
pub(crate) struct Body {
    pieces: Vec<Vec<u8>>,
    pub(crate) size: usize,
    /// How the body was after the last piece.
    state: BodyState,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum BodyState {
    /// More may come.
    Open,
    /// It ended, and has no trailers.
    Ended,
    /// It ended, and has trailers or may have some, or it failed: the next `read` tells.
    ToBeTold,
}

impl Body {
    /// No bytes.
    pub(crate) fn none() -> Body {
        Body {
            pieces: Vec::new(),
            size: 0,
            state: BodyState::Open,
        }
    }

    /// Makes sure that `most` bytes can be taken, and put into a reply with others.
    pub(crate) fn has_room(most: u32, others: usize, arena: &Arena) -> Result<(), Fault> {
        let most = most.min(MOST_READ) as usize;
        arena.reserve(2 * most + others + MOST_PIECES * size_of::<Vec<u8>>() + 256)
    }

    /// Takes pieces until there are `most` bytes, or no more are there. [`Body::has_room`] comes before.
    pub(crate) fn take(exchange: &mut Exchange, most: u32, arena: &Arena) -> Result<Body, Fault> {
        let most = most.min(MOST_READ) as usize;
        let mut body = Body {
            pieces: Vec::with_capacity(MOST_PIECES),
            ..Body::none()
        };
        while body.size < most && body.pieces.len() < MOST_PIECES {
            let stream = match exchange.response_body() {
                Ok(Some(stream)) => stream,
                Ok(None) => {
                    body.state = exchange.end_state(arena);
                    break;
                }
                Err(_) => {
                    body.state = BodyState::ToBeTold;
                    break;
                }
            };
            match stream.read((most - body.size) as u64) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    body.size += bytes.len();
                    body.pieces.push(bytes);
                    if !exchange.looks_ahead {
                        break;
                    }
                }
                Err(error) => exchange.response_ended(error),
            }
        }
        // Trailers that did not fit may lie over the pieces.
        arena.intact()?;
        Ok(body)
    }

    /// The `value` of the reply that gives these bytes.
    pub(crate) fn value(&self, exchange: &Exchange) -> u32 {
        match self.state {
            BodyState::Ended if exchange.is_sent => LAST | CLOSED,
            BodyState::Ended => LAST,
            BodyState::Open | BodyState::ToBeTold => 0,
        }
    }

    /// Appends the bytes to a payload.
    pub(crate) fn put(&self, payload: &mut Payload) {
        for piece in &self.pieces {
            payload.put(piece);
        }
    }
}

impl Exchange {
    /// Notes how the response's body ended.
    fn response_ended(&mut self, error: StreamError) {
        self.response_body = match error {
            StreamError::Closed => Stream::Ended,
            error => Stream::failed(error),
        };
    }

    /// What is to be told of the end.
    fn end_state(&self, arena: &Arena) -> BodyState {
        let trailers = self.handle.trailers();
        match (trailers, arena.intact()) {
            (Some(Ok(fields)), Ok(())) if fields.is_empty() => BodyState::Ended,
            _ => BodyState::ToBeTold,
        }
    }
}

/// Closes the exchange, if the reply says so.
pub(crate) fn close_if_told(value: u32, id: u32, handles: &mut Handles) {
    if value & CLOSED != 0 {
        // There is one, or there would be no reply.
        let _ = handles.remove(id);
    }
}

/// 9: returns what has arrived of the response's body, and after its end the trailers.
pub(crate) fn read(
    header: Header,
    payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let timeout = payload.timeout()?;
    if header.arg == 0 {
        return Err(Fault::Frame.into());
    }
    let exchange = handles.exchange(header.id)?;
    if let Some(timeout) = timeout {
        return read_waiting(header, timeout, handles, arena);
    }
    let Some(stream) = exchange.response_body()? else {
        return trailers(exchange, arena);
    };
    match stream.read(header.arg.min(MOST_READ).into()) {
        Ok(bytes) if bytes.is_empty() => Ok(Answer::pending()),
        Ok(bytes) => Ok(Answer::payload(bytes)),
        Err(error) => {
            exchange.response_ended(error);
            exchange.response_body()?;
            trailers(exchange, arena)
        }
    }
}

/// As `read`, but it waits for the first bytes, and tells of the end with the last ones.
fn read_waiting(
    header: Header,
    timeout: u64,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let exchange = handles.exchange(header.id)?;
    Body::has_room(header.arg, 0, arena)?;
    let mut body = Body::take(exchange, header.arg, arena)?;
    if body.size == 0
        && body.state == BodyState::Open
        && let Some(stream) = exchange.response_body()?
    {
        poll::wait_for(&stream.subscribe(), timeout, arena)?;
        Body::has_room(header.arg, 0, arena)?;
        body = Body::take(exchange, header.arg, arena)?;
    }
    if body.size == 0 {
        return match exchange.response_body()? {
            Some(_) => Ok(Answer::pending()),
            None => end_waiting(header, timeout, handles, arena),
        };
    }
    let value = body.value(exchange);
    let mut payload = Payload::new(body.size, arena)?;
    body.put(&mut payload);
    close_if_told(value, header.id, handles);
    Ok(payload.with(value))
}

/// The reply at the complete end of the body, which waits until the trailers are known, and closes the
/// exchange if all of it is over.
fn end_waiting(
    header: Header,
    timeout: u64,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let exchange = handles.exchange(header.id)?;
    let mut end = trailers(exchange, arena)?;
    if let Answer::Pending { .. } = end {
        poll::wait_for(&exchange.handle.subscribe(), timeout, arena)?;
        end = trailers(exchange, arena)?;
    }
    if exchange.is_sent
        && let Answer::Done { value, .. } = &mut end
    {
        *value |= CLOSED;
        close_if_told(CLOSED, header.id, handles);
    }
    Ok(end)
}

/// What has arrived of the response's body, into `buffers` and without a frame. 0 is anything that a
/// `read` has to tell.
pub(crate) fn read_into(
    exchange: &mut Exchange,
    buffers: Buffers,
    arena: &Arena,
) -> Result<u32, Errno> {
    let mut place = match buffers.iter().find(|buffer| buffer.size > 0) {
        Some(buffer) => buffer.first(MOST_READ as usize),
        None => return Ok(0),
    };
    let before = place.size;
    while place.size > 0 {
        let Ok(Some(stream)) = exchange.response_body() else {
            return Ok((before - place.size) as u32);
        };
        let (start, size) = (place.start.expose_provenance(), place.size);
        match arena.placing(start, size, || stream.read(size as u64)) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => {
                place.fill(&bytes);
                place = place.skip(bytes.len());
                if !exchange.looks_ahead {
                    break;
                }
            }
            Err(error) => exchange.response_ended(error),
        }
    }
    match before - place.size {
        0 => Err(Errno::Again),
        read => Ok(read as u32),
    }
}

/// The reply at the complete end of the body; pending while the host does not know the trailers.
fn trailers(exchange: &Exchange, arena: &Arena) -> Result<Answer, Failure> {
    let fields = exchange.handle.trailers();
    arena.intact()?;
    let Some(fields) = fields else {
        return Ok(Answer::pending());
    };
    let fields = fields?;
    if fields.is_empty() {
        return Ok(Answer::value(END));
    }
    let mut payload = Payload::new(size_of_fields(&fields), arena)?;
    put_fields(&mut payload, &fields)?;
    Ok(payload.with(END))
}
