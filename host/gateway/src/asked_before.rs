//! Remembers how often the hook was asked about the same grant.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::hook::HookRequest;
use sandbox_net_egress::account::{HostMemory, Reservation};

/// The most grants that are remembered. The one that came first is forgotten for a new one.
const MAX_GRANTS: usize = 4096;
/// About what one takes: its hash twice, its count, and room for both tables to grow.
const GRANT: usize = 64;

/// How often the hook was asked, by stage, origin, method and path without its query. Their hashes are
/// kept, which no guest can predict, instead of texts that a guest chooses.
#[derive(Default)]
pub(crate) struct AskedBefore {
    counts: HashMap<u64, u64>,
    order: VecDeque<u64>,
    hasher: RandomState,
    held: Option<Reservation>,
}

impl AskedBefore {
    /// Counts a question; returns how often it was asked before. Without memory it is not remembered.
    pub(crate) fn count(&mut self, request: &HookRequest, memory: &HostMemory) -> u64 {
        let HookRequest {
            stage,
            origin,
            method,
            path,
            ..
        } = request;
        let path = path.as_deref().unwrap_or_default();
        let path = path.split(|byte| *byte == b'?').next();
        let key = (stage.as_str(), origin, method, path);
        let key = self.hasher.hash_one(key);
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return *count - 1;
        }
        if self.counts.len() >= MAX_GRANTS {
            if let Some(first) = self.order.pop_front() {
                self.counts.remove(&first);
            }
        } else if !self.take(memory) {
            return 0;
        }
        self.counts.insert(key, 1);
        self.order.push_back(key);
        0
    }

    fn take(&mut self, memory: &HostMemory) -> bool {
        match &mut self.held {
            Some(held) => held.grow(GRANT).is_ok(),
            None => {
                self.held = memory.reserve(GRANT).ok();
                self.held.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Stage;
    use sandbox_net_policy::{Endpoint, Origin, Scheme};

    fn request(number: usize) -> HookRequest {
        HookRequest {
            sandbox: "test".into(),
            stage: Stage::Request,
            origin: Origin {
                scheme: Scheme::Http,
                endpoint: Endpoint::new("a.test", 80).unwrap(),
            },
            method: Some(b"GET".to_vec()),
            path: Some(format!("/{number}?{number}").into_bytes()),
            fields: Vec::new(),
            tls: Vec::new(),
            rule: "a.test".to_owned(),
            is_asked: true,
            asked_before: 0,
            waiting: Default::default(),
        }
    }

    #[test]
    fn the_grants_that_are_remembered_are_bounded_and_counted() {
        let memory = HostMemory::default();
        let mut asked = AskedBefore::default();
        for number in 0..2 * MAX_GRANTS {
            assert_eq!(asked.count(&request(number), &memory), 0);
        }
        assert_eq!(asked.counts.len(), MAX_GRANTS);
        assert_eq!(asked.order.len(), MAX_GRANTS);
        assert_eq!(memory.used(), MAX_GRANTS * GRANT);
        // The last ones are known, the first ones are not.
        assert_eq!(asked.count(&request(2 * MAX_GRANTS - 1), &memory), 1);
        assert_eq!(asked.count(&request(0), &memory), 0);

        let small = HostMemory::new(GRANT as u64);
        let mut asked = AskedBefore::default();
        for (number, expected) in [(0, 0), (1, 0), (1, 0), (0, 1)] {
            assert_eq!(asked.count(&request(number), &small), expected);
        }
    }
}
