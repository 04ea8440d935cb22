//! Streams, and waiting for them.

use std::cell::Cell;
use std::rc::Rc;

use crate::host::{Call, Resource, give, next, record};

pub(crate) struct Pollable(#[expect(dead_code, reason = "to be dropped")] Resource);
pub(crate) struct Error(#[expect(dead_code, reason = "to be dropped")] Resource);
pub(crate) struct InputStream(Resource);

pub(crate) enum StreamError {
    LastOperationFailed(Error),
    Closed,
}

pub(crate) struct OutputStream {
    resource: Resource,
    permit: Cell<u64>,
    _writing: Rc<()>,
}

fn stream_error(choice: u8) -> StreamError {
    match choice & 1 {
        0 => StreamError::Closed,
        _ => StreamError::LastOperationFailed(Error(Resource::new(None))),
    }
}

impl OutputStream {
    pub(crate) fn new(exchange: &Resource, writing: &Rc<()>) -> Self {
        Self {
            resource: Resource::new(Some(exchange)),
            permit: Cell::new(0),
            _writing: writing.clone(),
        }
    }

    pub(crate) fn subscribe(&self) -> Pollable {
        Pollable::of(&self.resource)
    }

    pub(crate) fn check_write(&self) -> Result<u64, StreamError> {
        let permit = match next() {
            0 => 65536,
            choice @ 1..=16 => return Err(stream_error(choice)),
            255 => u64::MAX,
            choice => u64::from(choice & 15),
        };
        self.permit.set(permit);
        Ok(permit)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), StreamError> {
        let permit = self.permit.replace(0);
        assert!(bytes.len() as u64 <= permit, "more than was permitted");
        match next() {
            choice @ 1..=16 => Err(stream_error(choice)),
            _ => {
                record(Call::Took(bytes.to_vec()));
                Ok(())
            }
        }
    }
}

impl InputStream {
    pub(crate) fn of(exchange: &Resource) -> Self {
        Self(Resource::new(Some(exchange)))
    }

    pub(crate) fn subscribe(&self) -> Pollable {
        Pollable::of(&self.0)
    }

    pub(crate) fn read(&self, most: u64) -> Result<Vec<u8>, StreamError> {
        assert!(most <= 128 * 1024);
        let bytes = match next() {
            choice @ 1..=16 => return Err(stream_error(choice)),
            17..=32 => Vec::new(),
            255 => give(most as usize),
            choice => give((most as usize).min(1 + usize::from(choice))),
        };
        record(Call::Gave(bytes.clone()));
        Ok(bytes)
    }
}

impl Pollable {
    pub(crate) fn of(parent: &Resource) -> Self {
        Self(Resource::new(Some(parent)))
    }

    pub(crate) fn ready(&self) -> bool {
        next() & 1 == 0
    }
}

pub(crate) fn subscribe_duration(_nanoseconds: u64) -> Pollable {
    Pollable(Resource::new(None))
}

/// The real one traps for an empty list, and returns at least one index.
pub(crate) fn poll(list: &[&Pollable]) -> Vec<u32> {
    assert!(!list.is_empty(), "nothing to wait for");
    let first = usize::from(next()) % list.len();
    let all = first..list.len();
    give(all.len() * 4);
    all.map(|index| index as u32).collect()
}
