//! Places among what goes on at once.

use sandbox_net_egress::account::Reservation;
use tokio::sync::OwnedSemaphorePermit;

/// What a connection of the guest holds beside its transport, about: its handle, its task and its
/// record.
pub(crate) const CONNECTION: usize = 2 << 10;
/// What an exchange holds beside its head, its bodies and its transport, about: its handle, its
/// tasks and its record.
pub(crate) const EXCHANGE: usize = 6 << 10;
/// What is left of an exchange that is over, while the guest has its handle.
const HANDLE: usize = 1 << 10;

/// A place among the connections, or among the exchanges, that go on at once, and the memory that
/// it takes in any case.
pub(crate) struct Admission {
    pub(crate) place: Option<OwnedSemaphorePermit>,
    pub(crate) held: Reservation,
}

impl Admission {
    /// What goes on is over: only its handle is left.
    pub(crate) fn end(&mut self) {
        self.place = None;
        self.held.shrink_to(HANDLE);
    }
}
