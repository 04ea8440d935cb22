//! Reports on stderr what of a dropped sandbox could not be removed.

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::supervise;

/// The target of the library's messages about it.
const TARGET: &str = "sandbox_net::clean_up";

/// Starts to listen; all other traces are ignored here.
pub(crate) fn report() {
    // Only one listener is possible, and this is the first.
    let _ = tracing::subscriber::set_global_default(OnStderr);
}

struct OnStderr;

impl Subscriber for OnStderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Message);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            supervise::say(&format!("{value:?}"));
        }
    }
}
