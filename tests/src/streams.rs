//! Observes bodies while they are sent, by the names that programs give them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

/// What a server knows of one body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamRecord {
    /// How many pieces the client has acknowledged.
    pub acknowledged: usize,
    /// How many bytes were handed to the HTTP library to send.
    pub given: u64,
    /// How many bytes have arrived.
    pub received: u64,
    /// Whether the body ended early because the peer disconnected.
    pub cut: bool,
}

/// How many checks in a row must find the same for a stream to count as held.
const LOOKS: usize = 30;

/// The time between two checks.
const LOOK: Duration = Duration::from_millis(10);

/// The streams of one server.
#[derive(Debug)]
pub(crate) struct Streams(watch::Sender<HashMap<String, StreamRecord>>);

impl Streams {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }

    /// What is known of the stream `name`.
    pub(crate) fn record(&self, name: &str) -> StreamRecord {
        self.0.borrow().get(name).copied().unwrap_or_default()
    }

    /// Changes what is known of the stream `name`.
    pub(crate) fn note(&self, name: &str, change: impl FnOnce(&mut StreamRecord)) {
        self.0
            .send_modify(|streams| change(streams.entry(name.to_owned()).or_default()));
    }

    /// Waits until `reached` holds of the stream `name`.
    pub(crate) async fn until(&self, name: &str, reached: impl Fn(&StreamRecord) -> bool) {
        let mut streams = self.0.subscribe();
        // The sender is `self`, so it outlives the wait.
        let _ = streams
            .wait_for(|streams| reached(&streams.get(name).copied().unwrap_or_default()))
            .await;
    }

    /// Waits until the stream `name` does not move any more, and returns its record. On a machine
    /// that stalls this may be too early; then the record shows too little, never too much.
    pub(crate) async fn settled(&self, name: &str) -> StreamRecord {
        let (mut last, mut looks) = (self.record(name), 0);
        while looks < LOOKS {
            tokio::time::sleep(LOOK).await;
            let now = self.record(name);
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
        }
        last
    }
}
