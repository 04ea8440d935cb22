//! How far an exchange is.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::egress::EgressError;

/// What the two ends of an exchange, its connection and its streams, know of one another.
#[derive(Debug)]
pub(crate) struct Completion {
    failure: OnceLock<EgressError>,
    over: watch::Sender<bool>,
}

impl Completion {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            failure: OnceLock::new(),
            over: watch::Sender::new(false),
        })
    }

    /// Whether nothing more will come: the response was read to its end, or the exchange failed.
    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// The response's body has ended as its framing says.
    pub(crate) fn complete(&self) {
        self.over.send_replace(true);
    }

    /// Notes the first failure.
    pub(crate) fn fail(&self, error: EgressError) {
        let _ = self.failure.set(error);
        self.over.send_replace(true);
    }

    /// The connection was closed.
    pub(crate) fn cancel(&self) {
        if !self.is_over() {
            self.fail(EgressError::Closed);
        }
    }

    pub(crate) fn failure(&self) -> Option<EgressError> {
        self.failure.get().cloned()
    }

    /// Waits for the end, whichever it is.
    pub(crate) async fn ended(&self) {
        // The sender is `self`: it can't have gone.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}
