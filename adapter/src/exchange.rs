//! The commands for exchanges.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::client;
use crate::bindings::streams::{InputStream, OutputStream, StreamError};
use crate::bindings::types::{
    BodyKind, ErrorCode, FieldParam, FieldResult, HttpVersion, RequestHead, ResponseHead,
};
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::{Exchange, Handles, Resource, Stream};
use crate::numbers::MOST_READ;
use crate::reply::{Answer, Payload};

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
            Stream::Failed => Err(self.failure()),
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
            Stream::Failed => Err(self.failure()),
            Stream::Untaken => Err(ErrorCode::Closed),
        }
    }

    fn failure(&self) -> ErrorCode {
        self.handle.failure().unwrap_or(ErrorCode::Closed)
    }
}

/// 5: sends a request.
pub(crate) fn request(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let body = match (header.arg, payload.u64()?) {
        (0, 0) => BodyKind::None,
        (1, size) => BodyKind::Sized(size),
        (2, 0) => BodyKind::Chunked,
        _ => return Err(Fault::Frame.into()),
    };
    let method = payload.u16()?;
    let method = payload.bytes(method.into())?;
    let path = payload.u32()?;
    let path = payload.bytes(path as usize)?;
    let fields = &fields(payload, arena)?;
    handles.has_room()?;
    let head = RequestHead {
        method,
        path,
        fields,
    };
    let handle = client::request(handles.connection(header.id)?, head, body)?;
    let id = handles.insert(Resource::Exchange(Exchange {
        request_body: Stream::Untaken,
        response_body: Stream::Untaken,
        handle,
    }))?;
    Ok(Answer::value(id))
}

fn fields<'a>(mut list: Fields<'a>, arena: &Arena) -> Result<Vec<FieldParam<'a>>, Fault> {
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
    list.end()?;
    Ok(fields)
}

/// 6: passes on as much of the body as the host takes now.
pub(crate) fn write<'a>(
    header: Header,
    parts: impl Iterator<Item = &'a [u8]>,
    handles: &mut Handles,
) -> Result<Answer, Failure> {
    header.no_arg()?;
    let exchange = handles.exchange(header.id)?;
    let mut offered = false;
    let mut written = 0;
    for part in parts {
        offered = true;
        match write_part(exchange.request_body()?, part) {
            Ok(count) => {
                written += count;
                if count < part.len() {
                    break;
                }
            }
            Err((count, error)) => {
                written += count;
                drop(error);
                exchange.request_body = Stream::Failed;
                if written == 0 {
                    return Err(exchange.failure().into());
                }
                break;
            }
        }
    }
    if offered && written == 0 {
        return Ok(Answer::pending());
    }
    Ok(Answer::value(written as u32))
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
    let exchange = handles.exchange(header.id)?;
    match exchange.request_body {
        Stream::Failed => return Err(exchange.failure().into()),
        // A stream is a child of what it ends, so it is dropped first.
        Stream::Open(_) => exchange.request_body = Stream::Ended,
        Stream::Untaken | Stream::Ended => {}
    }
    exchange.handle.finish_body()?;
    exchange.request_body = Stream::Ended;
    Ok(Answer::done())
}

/// 8: returns the head of the response.
pub(crate) fn head(
    header: Header,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    header.no_arg()?;
    let handle = &handles.exchange(header.id)?.handle;
    let head = handle.head();
    arena.intact()?;
    match head {
        None => Ok(Answer::Pending {
            value: handle.continued().into(),
        }),
        Some(head) => Ok(encode(&head?, arena)?),
    }
}

fn encode(head: &ResponseHead, arena: &Arena) -> Result<Answer, Fault> {
    let size = 6 + head.reason.len() + size_of_fields(&head.fields);
    let version = match head.version {
        HttpVersion::Http10 => 10,
        HttpVersion::Http11 => 11,
        HttpVersion::Http2 => 20,
    };
    let mut payload = Payload::new(size, arena)?;
    payload.short(head.status.into())?;
    payload.put(&[version, 0]);
    payload.short(head.reason.len())?;
    payload.put(&head.reason);
    put_fields(&mut payload, &head.fields)?;
    Ok(payload.answer())
}

/// The size of a list of fields in a payload.
fn size_of_fields(fields: &[FieldResult]) -> usize {
    let sizes = |(name, value): &FieldResult| LEAST_FIELD + name.len() + value.len();
    2 + fields.iter().map(sizes).sum::<usize>()
}

fn put_fields(payload: &mut Payload, fields: &[FieldResult]) -> Result<(), Fault> {
    payload.short(fields.len())?;
    for (name, value) in fields {
        payload.short(name.len())?;
        payload.long(value.len())?;
        payload.put(name);
        payload.put(value);
    }
    Ok(())
}

/// 9: returns what has arrived of the response's body, and after its end the trailers.
pub(crate) fn read(
    header: Header,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    if header.arg == 0 {
        return Err(Fault::Frame.into());
    }
    let exchange = handles.exchange(header.id)?;
    let Some(stream) = exchange.response_body()? else {
        return Ok(trailers(exchange, arena)?);
    };
    match stream.read(header.arg.min(MOST_READ).into()) {
        Ok(bytes) if bytes.is_empty() => Ok(Answer::pending()),
        Ok(bytes) => Ok(Answer::payload(bytes)),
        Err(StreamError::Closed) => {
            exchange.response_body = Stream::Ended;
            Ok(trailers(exchange, arena)?)
        }
        Err(StreamError::LastOperationFailed(error)) => {
            drop(error);
            exchange.response_body = Stream::Failed;
            Err(exchange.failure().into())
        }
    }
}

/// The reply at the complete end of the body.
fn trailers(exchange: &Exchange, arena: &Arena) -> Result<Answer, Fault> {
    let fields = exchange.handle.trailers();
    arena.intact()?;
    if fields.is_empty() {
        return Ok(Answer::value(1));
    }
    let mut payload = Payload::new(size_of_fields(&fields), arena)?;
    put_fields(&mut payload, &fields)?;
    Ok(payload.end())
}
