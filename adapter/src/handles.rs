//! Maps the guest's ids to resources.
//!
//! A handle of the component model that does not exist traps, so the guest never gets one: it gets
//! ids of a table, and every id is checked.

use crate::bindings::client;
use crate::bindings::error::Error;
use crate::bindings::streams::{InputStream, OutputStream, StreamError};
use crate::errors::Fault;
use crate::slots::Slots;

/// One of an exchange's two streams.
pub(crate) enum Stream<T> {
    /// Not taken yet.
    Untaken,
    /// In use.
    Open(T),
    /// At its proper end.
    Ended,
    /// It failed. The exchange knows why, from this error where there is one.
    Failed(Option<Error>),
}

impl<T> Stream<T> {
    /// A stream that `error` ended too early.
    pub(crate) fn failed(error: StreamError) -> Stream<T> {
        Stream::Failed(match error {
            StreamError::LastOperationFailed(error) => Some(error),
            StreamError::Closed => None,
        })
    }
}

/// A request and its response.
pub(crate) struct Exchange {
    // The order matters: children are dropped before their parent.
    pub(crate) request_body: Stream<OutputStream>,
    pub(crate) response_body: Stream<InputStream>,
    pub(crate) handle: client::Exchange,
    /// Whether nothing of the request's body follows.
    pub(crate) is_sent: bool,
    /// Whether more of the response's body is looked for behind a piece of it. Over HTTP/2 it is not: the
    /// host would take whole lists of fields in for a program that may never read them.
    pub(crate) looks_ahead: bool,
}

/// The resources that an id can stand for.
pub(crate) enum Resource {
    Connection(client::Connection),
    Exchange(Exchange),
    Lookup(client::Lookup),
}

/// The connections, exchanges and lookups of the guest.
pub(crate) struct Handles(Slots<Resource>);

impl Handles {
    /// The size of the memory that the table needs.
    pub(crate) const SIZE: usize = Slots::<Resource>::SIZE;

    /// An empty table at `address`.
    ///
    /// # Safety
    ///
    /// The [`Handles::SIZE`] bytes there are the caller's alone, for good, and aligned to 16.
    pub(crate) unsafe fn new(address: usize) -> Handles {
        // SAFETY: as this function's.
        Handles(unsafe { Slots::new(address) })
    }

    /// Whether an [`Handles::insert`] would succeed.
    pub(crate) fn has_room(&self) -> Result<(), Fault> {
        if self.0.has_room() {
            Ok(())
        } else {
            Err(Fault::Handles)
        }
    }

    /// Assigns an id to `resource`.
    pub(crate) fn insert(&mut self, resource: Resource) -> Result<u32, Fault> {
        self.0.insert(resource).ok_or(Fault::Handles)
    }

    /// The connection of that id.
    pub(crate) fn connection(&mut self, id: u32) -> Result<&client::Connection, Fault> {
        match self.resource(id)? {
            Resource::Connection(connection) => Ok(connection),
            Resource::Exchange(_) | Resource::Lookup(_) => Err(Fault::Handle),
        }
    }

    /// The exchange of that id.
    pub(crate) fn exchange(&mut self, id: u32) -> Result<&mut Exchange, Fault> {
        match self.resource(id)? {
            Resource::Exchange(exchange) => Ok(exchange),
            Resource::Connection(_) | Resource::Lookup(_) => Err(Fault::Handle),
        }
    }

    /// Whatever has that id.
    pub(crate) fn resource(&mut self, id: u32) -> Result<&mut Resource, Fault> {
        self.0.get(id).ok_or(Fault::Handle)
    }

    /// Removes what has that id; from then on the id is invalid.
    pub(crate) fn remove(&mut self, id: u32) -> Result<Resource, Fault> {
        self.0.remove(id).ok_or(Fault::Handle)
    }
}
