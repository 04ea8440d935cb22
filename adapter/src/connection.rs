//! The commands for connections.

use crate::arena::Arena;
use crate::bindings::client;
use crate::bindings::types::ConnectOptions;
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::{Handles, Resource};
use crate::lookup;
use crate::reply::Answer;
use crate::utf8;

/// 1: opens a connection.
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

/// 2: reports how the current phase of a connection or of a lookup ended, and what a lookup found.
pub(crate) fn status(
    header: Header,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    header.no_arg()?;
    let resource = handles.resource(header.id)?;
    let status = match resource {
        Resource::Connection(connection) => connection.status(),
        Resource::Lookup(lookup) => lookup.status(),
        Resource::Exchange(_) => return Err(Fault::Handle.into()),
    };
    match (status, resource) {
        (None, _) => Ok(Answer::pending()),
        (Some(Err(error)), _) => Err(error.into()),
        (Some(Ok(())), Resource::Lookup(lookup)) => lookup::addresses(lookup, arena),
        (Some(Ok(())), _) => Ok(Answer::done()),
    }
}

/// 11: closes a connection, an exchange or a lookup.
pub(crate) fn close(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    match handles.remove(header.id)? {
        Resource::Connection(connection) => client::close(connection),
        Resource::Exchange(exchange) => drop(exchange),
        Resource::Lookup(lookup) => drop(lookup),
    }
    Ok(Answer::done())
}
