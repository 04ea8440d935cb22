//! The command for names.

use crate::arena::Arena;
use crate::bindings::client::{self, Lookup};
use crate::bindings::types::IpAddress;
use crate::errors::Failure;
use crate::frame::Header;
use crate::handles::{Handles, Resource};
use crate::reply::{Answer, Payload};
use crate::utf8;

/// 12: looks a name up.
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

/// The most bytes of an address in a reply, with its length.
const MOST_ADDRESS: usize = 1 + 16;

/// The addresses of an answer, each preceded by its length.
pub(crate) fn addresses(lookup: &Lookup, arena: &Arena) -> Result<Answer, Failure> {
    let addresses = lookup.addresses();
    arena.intact()?;
    let mut payload = Payload::new(addresses.len().saturating_mul(MOST_ADDRESS), arena)?;
    for address in &addresses {
        match *address {
            IpAddress::Ipv4((a, b, c, d)) => {
                payload.tiny(4)?;
                payload.put(&[a, b, c, d]);
            }
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                payload.tiny(16)?;
                for group in [a, b, c, d, e, f, g, h] {
                    payload.put(&group.to_be_bytes());
                }
            }
        }
    }
    Ok(payload.answer())
}
