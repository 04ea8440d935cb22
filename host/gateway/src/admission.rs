//! Counts what goes on at once: each connection or request takes a place.

use crate::observe::Active;
use sandbox_net_egress::account::Reservation;
use tokio::sync::OwnedSemaphorePermit;

/// About what a guest's connection holds besides its transport: its handle, its task and its
/// record.
pub(crate) const CONNECTION: usize = 2 << 10;
/// About what a request holds besides its head, its bodies and its transport: its handle, its tasks
/// and its record.
pub(crate) const REQUEST: usize = 6 << 10;
/// What a finished request still holds while the guest has its handle.
const HANDLE: usize = 1 << 10;

/// A place among the concurrent connections, or requests, and the memory that it always takes.
pub(crate) struct Admission {
    pub(crate) place: Option<OwnedSemaphorePermit>,
    pub(crate) held: Reservation,
    /// Counts a connection among those that are active.
    pub(crate) _active: Option<Active>,
}

impl Admission {
    /// Frees the place; only the memory of the handle stays.
    pub(crate) fn end(&mut self) {
        self.place = None;
        self.held.shrink_to(HANDLE);
    }
}
