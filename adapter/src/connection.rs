//! The commands on connections.

use crate::bindings::client;
use crate::bindings::types::ConnectOptions;
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::{Handles, Resource};
use crate::reply::Answer;
use crate::utf8;

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

/// 2: how the phase under way ended.
pub(crate) fn status(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    match handles.connection(header.id)?.status() {
        None => Ok(Answer::Pending),
        Some(ended) => {
            ended?;
            Ok(Answer::done())
        }
    }
}

/// 11: gives a connection or an exchange back.
pub(crate) fn close(header: Header, handles: &mut Handles) -> Result<Answer, Failure> {
    header.no_arg()?;
    match handles.remove(header.id)? {
        Resource::Connection(connection) => client::close(connection),
        Resource::Exchange(exchange) => drop(exchange),
    }
    Ok(Answer::done())
}
