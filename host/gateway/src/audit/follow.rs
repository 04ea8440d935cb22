//! Follows the records of one run while they are made.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::AuditLine;
use super::run::Run;

/// The records of one run, as they are made: see [`AuditLog::follow`](super::AuditLog::follow).
///
/// A decision or lookup that is completed later, such as with the address that was dialled, comes a
/// second time, with `update` set. What the log only counts does not come.
pub struct Follow {
    run: Arc<Run>,
    changed: watch::Receiver<bool>,
    next: usize,
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}

impl Follow {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self {
            changed: run.news(),
            run,
            next: 0,
        }
    }

    /// Waits for the next record; `None` at the end of the run.
    ///
    /// Cancel safe: a record is given once it is returned.
    pub async fn next(&mut self) -> Option<AuditLine> {
        loop {
            // Looks at the mark before the records, so that none between them is missed.
            let is_over = *self.changed.borrow_and_update();
            let told = self.run.kept().told(self.next);
            if told.is_some() {
                self.next += 1;
                return told;
            }
            if is_over || self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The records as a [`Stream`](futures_util::Stream).
    pub fn into_stream(self) -> Pin<Box<dyn futures_util::Stream<Item = AuditLine> + Send>> {
        let next = async |mut follow: Self| follow.next().await.map(|line| (line, follow));
        Box::pin(futures_util::stream::unfold(self, next))
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::tests::{log, request, subject};
    use crate::audit::{AuditLine, PendingRequest, Stage, Verdict};

    fn short(line: &AuditLine) -> String {
        match line {
            AuditLine::Decision(it) => format!("decision {} {}", it.verdict.as_str(), it.update),
            AuditLine::Exchange(it) => format!("exchange {}", it.target),
            AuditLine::Lookup(it) => format!("lookup {} {}", it.name, it.update),
            AuditLine::Dropped(_) => "dropped".to_owned(),
        }
    }

    #[tokio::test]
    async fn records_are_followed_in_order_from_the_first_one_until_the_log_is_complete() {
        let (log, _sink) = log(None);
        request(&log, "https://a.test/1").await.unwrap();
        // It begins after the first record, and misses none.
        let mut follow = log.follow();
        let mut decided = log.decided(subject(Stage::Request, "https://a.test/2"), Ok("rule"));
        decided.commit().await.unwrap();
        let pending = PendingRequest::new(&log, &decided, tracing::Span::none());
        let mut live = Vec::new();
        for _ in 0..3 {
            live.push(short(&follow.next().await.unwrap()));
        }
        let expected = [
            "decision allow false",
            "exchange https://a.test/1",
            "decision allow false",
        ];
        assert_eq!(live, expected);
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), follow.next());
        assert!(waiting.await.is_err(), "the request is still under way");
        drop(decided);
        pending.finish();
        log.settle().await;
        let mut rest = Vec::new();
        while let Some(line) = follow.next().await {
            rest.push(short(&line));
        }
        assert_eq!(rest, ["exchange https://a.test/2"]);
        assert!(follow.next().await.is_none());
    }

    #[tokio::test]
    async fn a_decision_that_is_completed_comes_again_and_a_dropped_log_ends_the_stream() {
        let (log, _sink) = log(None);
        let mut follow = log.follow();
        let mut decided = log.decided(subject(Stage::Connect, "a.test:443"), Ok("rule"));
        decided.commit().await.unwrap();
        decided.dialled("192.0.2.1:443".parse().unwrap());
        drop(decided);
        drop(log.at_end());
        let mut lines = Vec::new();
        while let Some(line) = follow.next().await {
            lines.push(line);
        }
        let lines: Vec<_> = lines.iter().map(short).collect();
        assert_eq!(lines, ["decision allow false", "decision allow true"]);
    }

    /// Whoever is slow, or goes away, holds up nobody.
    #[tokio::test]
    async fn nobody_waits_for_who_follows() {
        let (log, _sink) = log(None);
        let _idle = log.follow();
        drop(log.follow());
        for number in 0..2000 {
            request(&log, format!("https://a.test/{number}"))
                .await
                .unwrap();
        }
        let mut late = log.follow();
        log.settle().await;
        let mut count = 0;
        while late.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 4000);
        assert_eq!(log.decisions()[0].verdict, Verdict::Allow);
    }
}
