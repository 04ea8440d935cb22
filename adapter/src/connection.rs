//! The commands on connections.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::client;
use crate::bindings::types::{ConnectOptions, ErrorCode, TlsInfo, TlsOptions};
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::{Handles, Resource};
use crate::reply::{Answer, Payload};
use crate::utf8;

/// The longest list of protocols that a TLS handshake can carry (RFC 7301 section 3.1).
const MOST_ALPN: usize = u16::MAX as usize;

/// 1: asks for a connection.
pub(crate) fn connect(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
) -> Result<Answer, Failure> {
    header.no_id()?;
    let port = u16::try_from(header.arg).map_err(|_| Fault::Frame)?;
    let timeout = Some(payload.u64()?).filter(|timeout| *timeout != 0);
    let host = utf8::parse(payload.0)?;
    handles.has_room()?;
    let connection = client::connect(host, port, ConnectOptions { timeout })?;
    let id = handles.insert(Resource::Connection(connection))?;
    Ok(Answer::value(id))
}

/// 2: how the phase under way ended, of a connection or of a lookup.
pub(crate) fn status(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    let status = match handles.resource(header.id)? {
        Resource::Connection(connection) => connection.status(),
        Resource::Lookup(lookup) => lookup.status(),
        Resource::Exchange(_) => return Err(Fault::Handle.into()),
    };
    match status {
        None => Ok(Answer::pending()),
        Some(ended) => {
            ended?;
            Ok(Answer::done())
        }
    }
}

/// 3: begins a TLS handshake.
pub(crate) fn start_tls(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    let verify = match header.arg {
        0 => false,
        1 => true,
        _ => return Err(Fault::Frame.into()),
    };
    let name = payload.u16()?;
    let name = utf8::parse(payload.bytes(name.into())?)?;
    let alpn = protocols(payload, arena)?;
    handles.connection(header.id)?.start_tls(
        name,
        TlsOptions {
            verify,
            alpn: &alpn,
        },
    )?;
    Ok(Answer::done())
}

fn protocols<'a>(list: Fields<'a>, arena: &Arena) -> Result<Vec<&'a [u8]>, Fault> {
    if list.0.len() > MOST_ALPN {
        return Err(Fault::Frame);
    }
    // No list has more names than half its bytes. Besides these slices there will be a copy of
    // them in the host's layout.
    let most = list.0.len() / 2;
    arena.reserve(most * 2 * size_of::<&[u8]>())?;
    let mut names = Vec::with_capacity(most);
    let mut rest = list;
    while !rest.0.is_empty() {
        let size = rest.u8()?;
        let name = rest.bytes(size.into())?;
        if name.is_empty() {
            return Err(Fault::Frame);
        }
        names.push(name);
    }
    Ok(names)
}

/// 4: what the TLS handshake settled.
pub(crate) fn tls_info(
    header: Header,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    header.no_arg()?;
    let info = handles.connection(header.id)?.tls();
    arena.intact()?;
    let info = info.ok_or(ErrorCode::Closed)?;
    Ok(encode(&info, arena)?)
}

fn encode(info: &TlsInfo, arena: &Arena) -> Result<Answer, Fault> {
    let certificates = info.certificates.iter().map(|der| 4 + der.len());
    let size = 6 + info.cipher.len() + info.alpn.len() + certificates.sum::<usize>();
    let mut payload = Payload::new(size, arena)?;
    payload.short(info.version.into())?;
    payload.tiny(info.cipher.len())?;
    payload.put(info.cipher.as_bytes());
    payload.tiny(info.alpn.len())?;
    payload.put(&info.alpn);
    payload.short(info.certificates.len())?;
    for der in &info.certificates {
        payload.long(der.len())?;
        payload.put(der);
    }
    Ok(payload.answer())
}

/// 11: gives a connection, an exchange or a lookup back.
pub(crate) fn close(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    match handles.remove(header.id)? {
        Resource::Connection(connection) => client::close(connection),
        Resource::Exchange(exchange) => drop(exchange),
        Resource::Lookup(lookup) => drop(lookup),
    }
    Ok(Answer::done())
}
