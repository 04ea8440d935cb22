//! The control channel: one `fd_write` is one frame, whose reply `fd_read` returns.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::arena::Arena;
use crate::errors::{Failure, Fault};
use crate::frame::{Command, Fields, HEADER, Header};
use crate::guest::{Buffers, Errno};
use crate::handles::{Exchange, Handles};
use crate::numbers::BODIES;
use crate::reply::{Answer, Reply};
use crate::state::{self, Channel};
use crate::{connection, exchange, lookup, poll, response_body, tls};

/// The file descriptor of the channel, which no host uses.
pub(crate) const CONTROL: u32 = 0xFFFF_FFFE;

/// What a file descriptor stands for.
pub(crate) enum Target {
    /// The channel.
    Frames,
    /// The bodies of the exchange with that id.
    Bodies(u32),
    /// Something of the program's own.
    Other,
}

/// What `fd` stands for.
pub(crate) fn of(fd: u32) -> Target {
    match fd {
        CONTROL => Target::Frames,
        BODIES.. => Target::Bodies(fd - BODIES),
        _ => Target::Other,
    }
}

/// Moves what is there of a response's body into `buffers`, and returns the number of bytes; 0 where
/// a `read` has something else to tell.
pub(crate) fn read_body(id: u32, buffers: Buffers) -> Result<u32, Errno> {
    let (exchange, arena) = bodies(id)?;
    response_body::read_into(exchange, buffers, arena)
}

/// Passes on what the host takes now of a request's body, and returns the number of bytes.
pub(crate) fn write_body(id: u32, buffers: Buffers) -> Result<u32, Errno> {
    let (exchange, _) = bodies(id)?;
    exchange::write_from(exchange, buffers)
}

/// The exchange with that id, for a call that takes the place of a frame and has no reply.
fn bodies(id: u32) -> Result<(&'static mut Exchange, &'static Arena), Errno> {
    // SAFETY: the guest called, so no other reference is alive.
    let channel = unsafe { state::channel() }.ok_or(Errno::BadFile)?;
    let arena = state::arena().ok_or(Errno::BadFile)?;
    let exchange = channel.handles.exchange(id);
    let exchange = exchange.map_err(|_| Errno::BadFile)?;
    channel.reply = None;
    arena.reset();
    Ok((exchange, arena))
}

/// Carries out the frame in `buffers` and keeps the reply. Returns the size of the frame.
pub(crate) fn write(buffers: Buffers) -> Result<u32, Errno> {
    state::prepare()?;
    // SAFETY: the guest called, so no other reference is alive.
    let channel = unsafe { state::channel() }.ok_or(Errno::NoMemory)?;
    let arena = state::arena().ok_or(Errno::NoMemory)?;
    let Channel { handles, reply } = channel;
    *reply = None;
    arena.reset();
    *reply = Some(Reply::new(carry_out(buffers, handles, arena), arena));
    Ok(buffers.total)
}

/// Moves the next bytes of the reply into `buffers`, and returns their number.
pub(crate) fn read(buffers: Buffers) -> Result<u32, Errno> {
    // SAFETY: the guest called, so no other reference is alive.
    let channel = unsafe { state::channel() };
    match channel.and_then(|channel| channel.reply.as_mut()) {
        Some(reply) => Ok(reply.read(buffers)),
        None => Err(Errno::Again),
    }
}

fn carry_out(buffers: Buffers, handles: &mut Handles, arena: &Arena) -> Result<Answer, Failure> {
    let size = (buffers.total as usize)
        .checked_sub(HEADER)
        .ok_or(Fault::Frame)?;
    let header = Header::parse(&header(buffers), size)?;
    let payload = || payload(buffers, size, arena);
    match header.command {
        Command::Connect => connection::connect(header, Fields(&payload()?), handles),
        Command::Status => connection::status(header, handles, arena),
        Command::StartTls => tls::start_tls(header, Fields(&payload()?), handles, arena),
        Command::TlsInfo => tls::tls_info(header, handles, arena),
        Command::Request => exchange::request(header, Fields(&payload()?), handles, arena),
        Command::Write => {
            // SAFETY: the host only reads the parts while it takes them.
            let parts = buffers.skip(HEADER).map(|part| unsafe { part.bytes() });
            exchange::write(header, parts, size, handles)
        }
        Command::Finish => exchange::finish(header, handles),
        Command::Head => exchange::head(header, Fields(&payload()?), handles, arena),
        Command::Read => response_body::read(header, Fields(&payload()?), handles, arena),
        Command::Poll => poll::poll(header, Fields(&payload()?), handles, arena),
        Command::Close => connection::close(header, handles),
        Command::Resolve => lookup::resolve(header, &payload()?, handles),
    }
}

/// The first bytes of a frame that is long enough.
fn header(buffers: Buffers) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    // SAFETY: nothing writes to the guest's memory before the header is complete.
    let bytes = buffers.iter().flat_map(|part| unsafe { part.bytes() });
    for (target, byte) in header.iter_mut().zip(bytes) {
        *target = *byte;
    }
    header
}

/// What follows the header, in one piece: the guest's own memory if it is one piece there, else a
/// copy.
fn payload<'a>(buffers: Buffers, size: usize, arena: &Arena) -> Result<Cow<'a, [u8]>, Fault> {
    let mut parts = buffers.skip(HEADER);
    if let (Some(part), None) = (parts.next(), parts.next()) {
        // SAFETY: during a command only the arena is written to, where no buffer of a guest is
        // that did not set out to harm itself.
        return Ok(Cow::Borrowed(unsafe { part.bytes() }));
    }
    arena.reserve(size)?;
    let mut whole = Vec::with_capacity(size);
    for part in buffers.skip(HEADER) {
        // SAFETY: as above.
        whole.extend_from_slice(unsafe { part.bytes() });
    }
    Ok(Cow::Owned(whole))
}
