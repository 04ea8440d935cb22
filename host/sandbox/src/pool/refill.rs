//! Makes sandboxes in the background.

use std::sync::{Arc, Weak};
use std::time::Instant;

use tracing::Instrument as _;

use super::queue::{Order, Queue};

impl Queue {
    /// Begins to make what is missing, on the pool's own runtime.
    pub(super) fn refill(self: &Arc<Self>) {
        while let Some(order) = self.order() {
            match order {
                // A runtime that was shut down drops the task, which tells who waits.
                Ok(order) => drop(self.runtime.spawn(make(order))),
                Err(until) => return self.refill_at(until),
            }
        }
    }

    /// Tries again later. Until then the pool may be dropped.
    fn refill_at(self: &Arc<Self>, until: Instant) {
        if !self.sets_alarm() {
            return;
        }
        let queue: Weak<Self> = Arc::downgrade(self);
        self.runtime.spawn(async move {
            tokio::time::sleep_until(until.into()).await;
            if let Some(queue) = queue.upgrade() {
                queue.unset_alarm();
                queue.refill();
            }
        });
    }
}

/// Makes one, and the next one that is missing.
async fn make(order: Order) {
    let span = tracing::info_span!(
        target: "sandbox_net::pool",
        parent: None,
        "make",
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    let begin = Instant::now();
    let made = order.template.fork().instrument(span.clone()).await;
    if let Err(error) = &made {
        span.record("error.type", super::kind(error));
        span.record("otel.status_code", "ERROR");
        tracing::warn!(target: "sandbox_net::pool", parent: &span, "a sandbox can't be made: {error}");
    }
    let queue = Arc::clone(&order.queue);
    order.done(made, begin.elapsed());
    queue.refill();
}
