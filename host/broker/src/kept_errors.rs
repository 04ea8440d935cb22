//! Remembers why connections ended, for clients that were told nothing but a reset.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::error_json::ErrorJson;
use crate::limits::KEPT_ERRORS;

/// The connections that were made by `CONNECT`: those that are open, and the last ones that ended
/// with an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptErrors(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The error of each connection; `Null` while there is none.
    errors: HashMap<u64, Value>,
    /// Those with an error, the oldest first.
    failed: VecDeque<u64>,
}

/// A connection that clients may ask about. Dropping it forgets it, if it had no error.
#[derive(Debug)]
pub(crate) struct ConnectionId {
    id: u64,
    kept: KeptErrors,
}

impl KeptErrors {
    /// A new connection; `None` if there are no random numbers.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).ok()?;
        let id = u64::from_ne_bytes(bytes);
        self.kept().errors.insert(id, Value::Null);
        let kept = self.clone();
        Some(ConnectionId { id, kept })
    }

    /// The error of a connection, `Null` if it has none; `None` if the connection is not known.
    pub(crate) fn error(&self, id: &str) -> Option<Value> {
        let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u64::from_str_radix(id, 16).ok().filter(|_| is_id)?;
        self.kept().errors.get(&id).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionId {
    /// The ID as clients are told it.
    pub(crate) fn text(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// Keeps the connection's first error.
    pub(crate) fn failed(&self, error: &ErrorJson) {
        let mut kept = self.kept.kept();
        match kept.errors.get_mut(&self.id) {
            Some(none @ Value::Null) => *none = error.value().clone(),
            _ => return,
        }
        kept.failed.push_back(self.id);
        if kept.failed.len() > KEPT_ERRORS
            && let Some(oldest) = kept.failed.pop_front()
        {
            kept.errors.remove(&oldest);
        }
    }
}

impl Drop for ConnectionId {
    fn drop(&mut self) {
        let mut kept = self.kept.kept();
        if kept.errors.get(&self.id) == Some(&Value::Null) {
            kept.errors.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outlives_its_connection_and_a_connection_without_one_is_forgotten() {
        let kept = KeptErrors::default();
        let (fine, bad) = (kept.connection().unwrap(), kept.connection().unwrap());
        let error = ErrorJson::malformed("first");
        assert_eq!(kept.error(&bad.text()), Some(Value::Null));
        bad.failed(&error);
        bad.failed(&ErrorJson::malformed("second"));
        let (fine_id, bad_id) = (fine.text(), bad.text());
        drop((fine, bad));
        assert_eq!(kept.error(&fine_id), None);
        assert_eq!(kept.error(&bad_id).as_ref(), Some(error.value()));
        for strange in ["", "1", "+000000000000001", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(kept.error(strange), None, "{strange}");
        }
    }

    #[test]
    fn only_the_last_errors_are_kept() {
        let kept = KeptErrors::default();
        let error = ErrorJson::malformed("x");
        let ids: Vec<_> = (0..KEPT_ERRORS + 2)
            .map(|_| {
                let connection = kept.connection().unwrap();
                connection.failed(&error);
                connection.text()
            })
            .collect();
        assert_eq!(kept.error(&ids[1]), None);
        assert!(kept.error(&ids[2]).is_some());
        assert_eq!(kept.kept().errors.len(), KEPT_ERRORS);
    }
}
