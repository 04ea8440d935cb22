//! What one run of a sandbox may do, within what the sandbox may.

use std::sync::atomic::{AtomicU64, Ordering};

use sandbox_net_egress::Limit;

/// The requests that one run has left.
#[derive(Debug)]
pub(crate) struct RunBudget {
    requests: AtomicU64,
}

impl RunBudget {
    pub(crate) fn new(requests: u64) -> Self {
        Self {
            requests: AtomicU64::new(requests),
        }
    }

    /// Takes one request.
    pub(crate) fn request(&self) -> Result<(), Limit> {
        let one_less = |left: u64| left.checked_sub(1);
        let taken = self
            .requests
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        taken.map(|_| ()).map_err(|_| Limit::Requests)
    }
}
