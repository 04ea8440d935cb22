//! The broker's own log: what it refused, and what became of its policy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that clients can cause in one second. Later ones are counted.
const PER_SECOND: u32 = 10;

/// Takes the lines of a broker's log.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The log of a broker: to `tracing` (target `sandbox_net::broker`), and to the embedder's sink.
pub(crate) struct Log {
    sink: Option<LogSink>,
    recent: Mutex<Recent>,
}

struct Recent {
    since: Instant,
    lines: u32,
    omitted: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    pub(crate) fn new(sink: Option<LogSink>) -> Self {
        let recent = Recent {
            since: Instant::now(),
            lines: 0,
            omitted: 0,
        };
        Self {
            sink,
            recent: Mutex::new(recent),
        }
    }

    /// Writes what happens seldom.
    pub(crate) fn say(&self, text: &str) {
        tracing::warn!(target: "sandbox_net::broker", "{text}");
        if let Some(sink) = &self.sink {
            sink(text);
        }
    }

    /// Writes what a client caused, unless clients cause too much.
    pub(crate) fn of_client(&self, text: &str) {
        let omitted = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.since.elapsed() >= Duration::from_secs(1) {
                recent.since = Instant::now();
                recent.lines = 0;
            }
            if recent.lines >= PER_SECOND {
                recent.omitted += 1;
                return;
            }
            recent.lines += 1;
            std::mem::take(&mut recent.omitted)
        };
        if omitted > 0 {
            self.say(&format!("{omitted} more lines about clients were left out"));
        }
        self.say(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_flood_the_log() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let sink: LogSink = Arc::new(move |line: &str| taken.lock().unwrap().push(line.to_owned()));
        let log = Log::new(Some(sink));
        for number in 0..1000 {
            log.of_client(&format!("client {number}"));
        }
        log.say("policy");
        let lines = lines.lock().unwrap();
        let most = PER_SECOND as usize;
        assert!(lines.len() <= 2 * most + 2, "{}", lines.len());
        assert_eq!(lines[0], "client 0");
        assert_eq!(lines.last().unwrap(), "policy");
    }
}
