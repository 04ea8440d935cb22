//! The adapter's state between calls, in pages of its own.

use core::ptr;

use crate::arena::{Arena, FIRST_CHUNK};
use crate::guest::Errno;
use crate::handles::Handles;
use crate::machine;
use crate::reply::Reply;

struct State {
    arena: Arena,
    channel: Channel,
}

/// The control channel: the resources of the guest's ids, and the reply that waits to be read.
pub(crate) struct Channel {
    pub(crate) handles: Handles,
    /// `None` before the first frame.
    pub(crate) reply: Option<Reply>,
}

fn address() -> Option<*mut State> {
    match machine::state() {
        0 => None,
        address => Some(ptr::with_exposed_provenance_mut(address)),
    }
}

/// The arena, if there has been a frame.
pub(crate) fn arena() -> Option<&'static Arena> {
    // SAFETY: a state stays where it was placed, and its arena is only ever shared.
    address().map(|state| unsafe { &(*state).arena })
}

/// The channel, if there has been a frame.
///
/// # Safety
///
/// No other reference to the channel is alive. That holds for whoever was called by the guest:
/// nothing that the adapter calls calls it back, except to allocate.
pub(crate) unsafe fn channel() -> Option<&'static mut Channel> {
    // SAFETY: a state stays where it was placed; the rest is the caller's promise.
    address().map(|state| unsafe { &mut (*state).channel })
}

/// Makes the state if there is none yet.
///
/// # Errors
///
/// [`Errno::NoMemory`] if the guest's memory limit leaves no room for it.
pub(crate) fn prepare() -> Result<(), Errno> {
    if address().is_some() {
        return Ok(());
    }
    let handles = size_of::<State>().next_multiple_of(16);
    let arena = handles + Handles::SIZE.next_multiple_of(16);
    let pages = (arena + FIRST_CHUNK).div_ceil(machine::PAGE);
    let start = machine::grow(pages).ok_or(Errno::NoMemory)?;
    let end = start + pages * machine::PAGE;
    // SAFETY: the pages are new and nobody else knows of them; the three parts do not overlap, are
    // aligned, and large enough.
    unsafe {
        let state = State {
            arena: Arena::new(start + arena, end),
            channel: Channel {
                handles: Handles::new(start + handles),
                reply: None,
            },
        };
        ptr::with_exposed_provenance_mut::<State>(start).write(state);
    }
    machine::set_state(start);
    Ok(())
}
