//! The command that waits.

use alloc::vec::Vec;

use crate::arena::Arena;
use crate::bindings::monotonic_clock::subscribe_duration;
use crate::bindings::poll::{self, Pollable};
use crate::errors::{Failure, Fault};
use crate::frame::{Fields, Header};
use crate::handles::{Handles, Resource};
use crate::numbers::{MOST_ENTRIES, interest};
use crate::reply::Answer;

/// The end of a phase, the head of a response, or the answer of a lookup.
const PROGRESS: u8 = interest::PHASE;
/// The response's body can be read.
const READABLE: u8 = interest::BODY;
/// The request's body can be written.
const WRITABLE: u8 = interest::WRITABLE;
const INTERESTS: [u8; 3] = [PROGRESS, READABLE, WRITABLE];

/// The size of an entry.
const ENTRY: usize = 8;
/// A timeout that never expires.
const FOREVER: u64 = u64::MAX;

/// What a pollable belongs to: an interest of an entry.
struct Source {
    entry: u16,
    interest: u8,
}

/// The pollables of a frame. They are children of what they watch,
/// and do not outlive the command.
struct Watch {
    /// The ready interests of each entry.
    ready: Vec<u8>,
    pollables: Vec<Pollable>,
    /// The source of each pollable.
    sources: Vec<Source>,
}

/// Waits until `pollable` is ready, or the timeout expires. It may end early.
pub(crate) fn wait_for(pollable: &Pollable, timeout: u64, arena: &Arena) -> Result<(), Fault> {
    if timeout == 0 {
        return Ok(());
    }
    // The list for the host, and the one that it returns.
    arena.reserve(64)?;
    let timer = (timeout != FOREVER).then(|| subscribe_duration(timeout));
    match &timer {
        None => poll::poll(&[pollable]),
        Some(timer) => poll::poll(&[pollable, timer]),
    };
    arena.intact()
}

/// 10: waits until an entry is ready, or the timeout expires.
pub(crate) fn poll(
    header: Header,
    mut payload: Fields<'_>,
    handles: &mut Handles,
    arena: &Arena,
) -> Result<Answer, Failure> {
    header.no_id()?;
    header.no_arg()?;
    let timeout = payload.u64()?;
    let (entries, []) = payload.0.as_chunks::<ENTRY>() else {
        return Err(Fault::Frame.into());
    };
    if entries.len() > MOST_ENTRIES {
        return Err(Fault::Size.into());
    }
    if entries.is_empty() && timeout == FOREVER {
        return Err(Fault::Frame.into());
    }
    // Check everything before the host is called.
    for entry in entries {
        check(entry, handles)?;
    }
    let mut watch = Watch::new(entries, handles, arena)?;
    if timeout == 0 || watch.count() > 0 {
        watch.look();
    } else {
        watch.wait(timeout);
    }
    arena.intact()?;
    Ok(Answer::Done {
        value: watch.count(),
        payload: watch.ready,
    })
}

fn parse(entry: &[u8; ENTRY]) -> (u32, u8, [u8; 3]) {
    let [i0, i1, i2, i3, interests, padding @ ..] = *entry;
    (u32::from_le_bytes([i0, i1, i2, i3]), interests, padding)
}

fn check(entry: &[u8; ENTRY], handles: &mut Handles) -> Result<(), Fault> {
    let (id, interests, padding) = parse(entry);
    let known = PROGRESS | READABLE | WRITABLE;
    if interests == 0 || interests & !known != 0 || padding != [0; 3] {
        return Err(Fault::Frame);
    }
    match handles.resource(id)? {
        Resource::Connection(_) | Resource::Lookup(_) if interests != PROGRESS => {
            Err(Fault::Handle)
        }
        Resource::Connection(_) | Resource::Exchange(_) | Resource::Lookup(_) => Ok(()),
    }
}

impl Watch {
    /// Subscribes to every interest that is not known to be ready.
    fn new(entries: &[[u8; ENTRY]], handles: &mut Handles, arena: &Arena) -> Result<Watch, Fault> {
        let most = entries.len() * INTERESTS.len() + 1;
        // Two lists are made here, two for the host, and one by the host.
        let each = size_of::<Source>() + size_of::<Pollable>() + size_of::<&Pollable>() + 4 + 4;
        arena.reserve(entries.len() + most * each)?;
        let mut watch = Watch {
            ready: Vec::with_capacity(entries.len()),
            pollables: Vec::with_capacity(most),
            sources: Vec::with_capacity(most),
        };
        for (number, entry) in entries.iter().enumerate() {
            let (id, interests, _) = parse(entry);
            let resource = handles.resource(id)?;
            let mut ready = 0;
            for interest in INTERESTS {
                if interests & interest == 0 {
                    continue;
                }
                match subscribe(resource, interest) {
                    None => ready |= interest,
                    Some(pollable) => {
                        watch.pollables.push(pollable);
                        let entry = number as u16;
                        watch.sources.push(Source { entry, interest });
                    }
                }
            }
            watch.ready.push(ready);
        }
        Ok(watch)
    }

    /// How many entries are ready.
    fn count(&self) -> u32 {
        self.ready.iter().map(|ready| u32::from(*ready != 0)).sum()
    }

    /// Checks each pollable, without waiting.
    fn look(&mut self) {
        for (pollable, source) in self.pollables.iter().zip(&self.sources) {
            if pollable.ready() {
                mark(&mut self.ready, source);
            }
        }
    }

    /// Waits for the first of the pollables, of which there is at least one, or until the timeout.
    fn wait(&mut self, timeout: u64) {
        let timer = (timeout != FOREVER).then(|| subscribe_duration(timeout));
        let mut all = Vec::with_capacity(self.pollables.len() + 1);
        all.extend(&self.pollables);
        // The timer is after the last source, so that nothing is marked for it.
        all.extend(&timer);
        for index in poll::poll(&all) {
            if let Some(source) = self.sources.get(index as usize) {
                mark(&mut self.ready, source);
            }
        }
    }
}

fn mark(ready: &mut [u8], source: &Source) {
    if let Some(ready) = ready.get_mut(usize::from(source.entry)) {
        *ready |= source.interest;
    }
}

/// The pollable of an interest; `None` if it could only report an error or an end.
fn subscribe(resource: &mut Resource, interest: u8) -> Option<Pollable> {
    match (resource, interest) {
        (Resource::Connection(connection), _) => Some(connection.subscribe()),
        (Resource::Lookup(lookup), _) => Some(lookup.subscribe()),
        (Resource::Exchange(exchange), PROGRESS) => Some(exchange.handle.subscribe()),
        (Resource::Exchange(exchange), READABLE) => match exchange.response_body() {
            Ok(Some(stream)) => Some(stream.subscribe()),
            // The trailers may still have to come.
            Ok(None) => Some(exchange.handle.subscribe()),
            Err(_) => None,
        },
        (Resource::Exchange(exchange), _) => Some(exchange.request_body().ok()?.subscribe()),
    }
}
