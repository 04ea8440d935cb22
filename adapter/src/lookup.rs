//! The command on names.

use crate::bindings::client;
use crate::errors::Failure;
use crate::frame::Header;
use crate::handles::{Handles, Resource};
use crate::reply::Answer;
use crate::utf8;

/// 12: asks whether a name leads anywhere.
pub(crate) fn resolve(
    header: Header,
    host: &[u8],
    handles: &mut Handles,
) -> Result<Answer, Failure> {
    header.no_id()?;
    header.no_arg()?;
    let host = utf8::parse(host)?;
    handles.has_room()?;
    let lookup = client::resolve(host)?;
    let id = handles.insert(Resource::Lookup(lookup))?;
    Ok(Answer::value(id))
}
