//! Keeps the results of lookups for the connections that follow them.
//!
//! The resolver's cache cannot do this: an answer here serves one connection only, so that a name is queried
//! as often as without a sandbox, and what a guest keeps here is counted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::account::{HostMemory, Reservation, block};
use sandbox_net_policy::DnsName;

/// The most answers that are kept.
const MAX_ANSWERS: usize = 1024;

/// The most addresses of an answer that is kept; larger answers are queried again.
const MAX_ADDRESSES: usize = 64;

/// How long an answer may be used.
const MAX_AGE: Duration = Duration::from_secs(30);

/// The answers to lookups that no connection has used yet. Lookup plus connect send one DNS query,
/// as natively.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// In order of arrival, so the first ones are the oldest.
    kept: Mutex<VecDeque<DnsAnswer>>,
}

/// The addresses of a name, not yet checked by any policy.
#[derive(Debug)]
pub(crate) struct DnsAnswer {
    name: DnsName,
    addresses: Vec<IpAddr>,
    at: Instant,
    _held: Reservation,
}

impl DnsAnswer {
    /// The addresses, if they are not too old.
    pub(crate) fn into_addresses(self) -> Option<Vec<IpAddr>> {
        self.is_fresh().then_some(self.addresses)
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() <= MAX_AGE
    }
}

impl Answers {
    /// Keeps an answer, dropping the oldest one if necessary. Without memory it is not kept, and is
    /// queried again.
    pub(crate) fn keep(&self, name: DnsName, addresses: Vec<IpAddr>, memory: &HostMemory) {
        if addresses.len() > MAX_ADDRESSES {
            return;
        }
        let texts = block(name.as_str().len()) + block(size_of_val(&addresses[..]));
        let Ok(held) = memory.reserve(size_of::<DnsAnswer>() + texts) else {
            return;
        };
        let mut kept = self.fresh();
        if kept.len() >= MAX_ANSWERS {
            kept.pop_front();
        }
        let at = Instant::now();
        kept.push_back(DnsAnswer {
            name,
            addresses,
            at,
            _held: held,
        });
    }

    /// Takes the newest answer for a name, so that no other connection uses it.
    pub(crate) fn take(&self, name: &DnsName) -> Option<DnsAnswer> {
        let mut kept = self.fresh();
        let newest = kept.iter().rposition(|answer| answer.name == *name)?;
        kept.remove(newest)
    }

    /// Drops the answers that are too old, and returns the others.
    fn fresh(&self) -> MutexGuard<'_, VecDeque<DnsAnswer>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.front().is_some_and(|oldest| !oldest.is_fresh()) {
            kept.pop_front();
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::parse(text).unwrap()
    }

    fn ip(last: u8) -> Vec<IpAddr> {
        vec![[192, 0, 2, last].into()]
    }

    fn take(answers: &Answers, text: &str) -> Option<Vec<IpAddr>> {
        answers
            .take(&name(text))
            .and_then(DnsAnswer::into_addresses)
    }

    #[tokio::test]
    async fn each_answer_is_used_once_and_the_newest_first() {
        let answers = Answers::default();
        answers.keep(name("a.test"), ip(1), &HostMemory::default());
        answers.keep(name("b.test"), ip(2), &HostMemory::default());
        answers.keep(name("a.test"), ip(3), &HostMemory::default());
        assert_eq!(take(&answers, "a.test"), Some(ip(3)));
        assert_eq!(take(&answers, "a.test"), Some(ip(1)));
        assert_eq!(take(&answers, "a.test"), None);
        assert_eq!(take(&answers, "b.test"), Some(ip(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_too_old_is_not_used_wherever_it_is_by_then() {
        let answers = Answers::default();
        answers.keep(name("a.test"), ip(1), &HostMemory::default());
        tokio::time::advance(MAX_AGE).await;
        answers.keep(name("a.test"), ip(2), &HostMemory::default());
        answers.keep(name("a.test"), ip(3), &HostMemory::default());
        let taken = answers.take(&name("a.test")).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(answers.fresh().len(), 1, "the first one is too old");
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(taken.into_addresses(), None);
        assert_eq!(take(&answers, "a.test"), None);
    }

    #[tokio::test]
    async fn a_guest_cannot_make_the_store_grow_without_bound() {
        let answers = Answers::default();
        for number in 0..=MAX_ANSWERS {
            answers.keep(
                name(&format!("n{number}.test")),
                ip(1),
                &HostMemory::default(),
            );
        }
        assert_eq!(answers.fresh().len(), MAX_ANSWERS);
        assert_eq!(take(&answers, "n0.test"), None);
        assert_eq!(take(&answers, "n1.test"), Some(ip(1)));
        for (count, is_kept) in [(MAX_ADDRESSES, true), (MAX_ADDRESSES + 1, false)] {
            answers.keep(
                name("many.test"),
                ip(1).repeat(count),
                &HostMemory::default(),
            );
            assert_eq!(take(&answers, "many.test").is_some(), is_kept, "{count}");
        }
    }
}
