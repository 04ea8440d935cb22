//! The commands for exchanges.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::client;
use crate::bindings::error::Error;
use crate::bindings::streams::{InputStream, OutputStream, StreamError};
use crate::bindings::types::{
    BodyKind, ErrorCode, FieldParam, FieldResult, HttpVersion, RequestHead, ResponseHead,
};
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::guest::{Buffers, Errno};
use crate::handles::{Exchange, Handles, Resource, Stream};
use crate::numbers::WHOLE;
use crate::poll;
use crate::reply::{Answer, Payload};
use crate::response_body::{Body, close_if_told};

/// The least size of a request's field: its two lengths.
const LEAST_FIELD: usize = 6;

impl Exchange {
    /// The stream for the request's body.
    pub(crate) fn request_body(&mut self) -> Result<&OutputStream, ErrorCode> {
        if let Stream::Untaken = self.request_body {
            self.request_body = Stream::Open(self.handle.body()?);
        }
        match &self.request_body {
            Stream::Open(stream) => Ok(stream),
            Stream::Failed(error) => Err(self.failure(error)),
            Stream::Ended | Stream::Untaken => Err(ErrorCode::Closed),
        }
    }

    /// The stream of the response's body; `None` after its end.
    pub(crate) fn response_body(&mut self) -> Result<Option<&InputStream>, ErrorCode> {
        if let Stream::Untaken = self.response_body {
            self.response_body = Stream::Open(self.handle.response_body()?);
        }
        match &self.response_body {
            Stream::Open(stream) => Ok(Some(stream)),
            Stream::Ended => Ok(None),
            Stream::Failed(error) => Err(self.failure(error)),
            Stream::Untaken => Err(ErrorCode::Closed),
        }
    }

    /// Why one of the streams failed, with that error.
    fn failure(&self, error: &Option<Error>) -> ErrorCode {
        let failure = self.handle.failure(error.as_ref());
        failure.unwrap_or(ErrorCode::Closed)
    }
}

/// 5: sends a request.
pub(crate) fn request(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let is_whole = header.arg & WHOLE != 0;
    let body = match (header.arg & !WHOLE, payload.u64()?) {
        (0, 0) if is_whole => return Err(Fault::Frame.into()),
        (0, 0) => BodyKind::None,
        (1, size) => BodyKind::Sized(size),
        (2, 0) => BodyKind::Chunked,
        _ => return Err(Fault::Frame.into()),
    };
    let method = payload.u16()?;
    let method = payload.bytes(method.into())?;
    let path = payload.u32()?;
    let path = payload.bytes(path as usize)?;
    let (fields, bytes) = &fields(payload, arena)?;
    if !is_whole {
        bytes.end()?;
    }
    handles.has_room()?;
    let is_sent = matches!(body, BodyKind::None);
    let head = RequestHead {
        method,
        path,
        fields,
    };
    // There is room for the reply, whatever the host returns.
    let mut reply = is_whole.then(|| Payload::new(4, arena)).transpose()?;
    let handle = client::request(handles.connection(header.id)?, head, body)?;
    let mut exchange = Exchange {
        request_body: Stream::Untaken,
        response_body: Stream::Untaken,
        handle,
        is_sent,
        looks_ahead: true,
    };
    let mut taken = 0;
    if is_whole {
        // Where the body fails, the exchange goes on: the next write tells why.
        taken = exchange.send([bytes.0]).unwrap_or_default();
        if taken == bytes.0.len() {
            exchange.finish()?;
        }
    }
    let value = handles.insert(Resource::Exchange(exchange))?;
    match reply.take() {
        None => Ok(Answer::value(value)),
        Some(mut reply) => {
            reply.long(taken)?;
            Ok(reply.with(value))
        }
    }
}

/// The fields of a request, and what follows them.
fn fields<'a>(
    mut list: Fields<'a>,
    arena: &Arena,
) -> Result<(Vec<FieldParam<'a>>, Fields<'a>), Fault> {
    let count = usize::from(list.u16()?);
    if count * LEAST_FIELD > list.0.len() {
        return Err(Fault::Frame);
    }
    // These slices, and a copy of them in the host's layout.
    arena.reserve(count * 2 * size_of::<FieldParam<'_>>())?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, value) = (list.u16()?, list.u32()?);
        fields.push((list.bytes(name.into())?, list.bytes(value as usize)?));
    }
    Ok((fields, list))
}

/// 6: passes on as much of the body as the host takes now.
pub(crate) fn write<'a>(
    header: Header,
    parts: impl Iterator<Item = &'a [u8]>,
    size: usize,
    handles: &mut Handles,
) -> Result<Answer, Failure> {
    let is_whole = header.arg == WHOLE;
    if !is_whole {
        header.no_arg()?;
    }
    let exchange = handles.exchange(header.id)?;
    let written = exchange.send(parts)?;
    if is_whole && written == size {
        exchange.finish()?;
    } else if size > 0 && written == 0 {
        return Ok(Answer::pending());
    }
    Ok(Answer::value(written as u32))
}

/// What the host takes now of a body, without a frame. [`Errno::Io`] is a failure that a `write` tells.
pub(crate) fn write_from(exchange: &mut Exchange, buffers: Buffers) -> Result<u32, Errno> {
    // SAFETY: the host only reads the parts while it takes them.
    let parts = buffers.iter().map(|part| unsafe { part.bytes() });
    match exchange.send(parts) {
        Ok(0) if buffers.total > 0 => Err(Errno::Again),
        Ok(written) => Ok(written as u32),
        Err(_) => Err(Errno::Io),
    }
}

impl Exchange {
    /// Passes bytes on to the stream of the request's body; returns how many it took.
    fn send<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, ErrorCode> {
        let mut written = 0;
        for part in parts {
            if part.is_empty() {
                continue;
            }
            match write_part(self.request_body()?, part) {
                Ok(count) => {
                    written += count;
                    if count < part.len() {
                        break;
                    }
                }
                Err((count, error)) => {
                    written += count;
                    self.request_body = Stream::failed(error);
                    if written == 0 {
                        self.request_body()?;
                    }
                    break;
                }
            }
        }
        Ok(written)
    }

    /// Ends the request's body.
    fn finish(&mut self) -> Result<(), ErrorCode> {
        match &self.request_body {
            Stream::Failed(error) => return Err(self.failure(error)),
            // A stream is a child of what it ends, so it is dropped first.
            Stream::Open(_) => self.request_body = Stream::Ended,
            Stream::Untaken | Stream::Ended => {}
        }
        self.handle.finish_body()?;
        self.request_body = Stream::Ended;
        self.is_sent = true;
        Ok(())
    }
}

/// Writes while the stream permits it, and never more than it permits: more would trap.
fn write_part(stream: &OutputStream, part: &[u8]) -> Result<usize, (usize, StreamError)> {
    let mut rest = part;
    while !rest.is_empty() {
        let written = part.len() - rest.len();
        let permit = stream.check_write().map_err(|error| (written, error))?;
        let count = usize::try_from(permit)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let Some((now, later)) = rest.split_at_checked(count).filter(|_| count > 0) else {
            break;
        };
        stream.write(now).map_err(|error| (written, error))?;
        rest = later;
    }
    Ok(part.len() - rest.len())
}

/// 7: ends the request's body.
pub(crate) fn finish(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    handles.exchange(header.id)?.finish()?;
    Ok(Answer::done())
}

/// 8: returns the head of the response; with a timeout it waits for it, and returns what is there of the
/// body, too.
pub(crate) fn head(
    header: Header,
    payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let timeout = payload.timeout()?;
    if timeout.is_none() {
        header.no_arg()?;
    }
    let exchange = handles.exchange(header.id)?;
    let mut head = exchange.handle.head();
    arena.intact()?;
    if head.is_none() {
        if exchange.handle.continued() {
            return Ok(Answer::Pending { value: 1 });
        }
        if let Some(timeout @ 1..) = timeout {
            poll::wait_for(&exchange.handle.subscribe(), timeout, arena)?;
            head = exchange.handle.head();
            arena.intact()?;
            if head.is_none() && exchange.handle.continued() {
                return Ok(Answer::Pending { value: 1 });
            }
        }
    }
    let Some(head) = head else {
        return Ok(Answer::pending());
    };
    let head = head?;
    exchange.looks_ahead = matches!(head.version, HttpVersion::Http10 | HttpVersion::Http11);
    let size = size_of_head(&head);
    if timeout.is_none() {
        let mut payload = Payload::new(size, arena)?;
        put_head(&mut payload, &head)?;
        return Ok(payload.answer());
    }
    // Without room for a body it is left to the next `read`.
    let body = match Body::has_room(header.arg, 4 + size, arena) {
        Ok(()) => Body::take(exchange, header.arg, arena)?,
        Err(_) => Body::none(),
    };
    let value = body.value(exchange);
    let mut payload = Payload::new(4 + size + body.size, arena)?;
    payload.long(size)?;
    put_head(&mut payload, &head)?;
    body.put(&mut payload);
    close_if_told(value, header.id, handles);
    Ok(payload.with(value))
}

fn size_of_head(head: &ResponseHead) -> usize {
    6 + head.reason.len() + size_of_fields(&head.fields)
}

fn put_head(payload: &mut Payload, head: &ResponseHead) -> Result<(), Fault> {
    let version = match head.version {
        HttpVersion::Http10 => 10,
        HttpVersion::Http11 => 11,
        HttpVersion::Http2 => 20,
        HttpVersion::Unknown => 0,
    };
    payload.short(head.status.into())?;
    payload.put(&[version, 0]);
    payload.short(head.reason.len())?;
    payload.put(&head.reason);
    put_fields(payload, &head.fields)
}

/// The size of a list of fields in a payload.
pub(crate) fn size_of_fields(fields: &[FieldResult]) -> usize {
    let sizes = |(name, value): &FieldResult| LEAST_FIELD + name.len() + value.len();
    2 + fields.iter().map(sizes).sum::<usize>()
}

pub(crate) fn put_fields(payload: &mut Payload, fields: &[FieldResult]) -> Result<(), Fault> {
    payload.short(fields.len())?;
    for (name, value) in fields {
        payload.short(name.len())?;
        payload.long(value.len())?;
        payload.put(name);
        payload.put(value);
    }
    Ok(())
}
