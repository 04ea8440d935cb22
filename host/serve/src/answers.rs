//! Room for the lines that are on their way to a tenant's clients, so that those who read slowly hold no more
//! than that, however many they are.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The least room, in KiB: a piece of output takes a small part of it.
const LEAST: usize = 1024;
/// The part of the room that is the longest reply of a turn, one over this number. As JSON it is up to six
/// times as long.
const PART: u64 = 8;

/// The room of one tenant.
#[derive(Clone)]
pub(crate) struct Answers {
    /// Of lines that a client may take, in KiB.
    room: Arc<Semaphore>,
    /// Of long lines that wait for that, in KiB.
    waiting: Arc<Semaphore>,
    /// All of either, in KiB.
    whole: u32,
}

/// The last line of an answer, before it has room.
pub(crate) struct Last {
    line: Vec<u8>,
    _waits: Option<OwnedSemaphorePermit>,
}

/// A line with its room, until nobody has it any more.
struct Counted {
    line: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.line
    }
}

impl From<Vec<u8>> for Last {
    fn from(line: Vec<u8>) -> Self {
        Self { line, _waits: None }
    }
}

impl Answers {
    /// As much room as the tenant's share of bodies has.
    pub(crate) fn new(bodies: &Semaphore) -> Self {
        let whole = bodies.available_permits().max(LEAST);
        let whole = u32::try_from(whole).unwrap_or(u32::MAX);
        let room = || {
            let permits = usize::try_from(whole).unwrap_or(usize::MAX);
            Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
        };
        Self {
            room: room(),
            waiting: room(),
            whole,
        }
    }

    /// The longest reply of a turn, in bytes, so that its line fits.
    pub(crate) fn reply(&self) -> u64 {
        u64::from(self.whole) * 1024 / PART
    }

    /// How many bytes of room are taken.
    pub(crate) fn held(&self) -> u64 {
        let free = u64::try_from(self.room.available_permits()).unwrap_or(u64::MAX);
        u64::from(self.whole).saturating_sub(free) * 1024
    }

    /// Waits for room for a line.
    pub(crate) async fn counted(&self, line: Vec<u8>) -> Bytes {
        let room = Arc::clone(&self.room).acquire_many_owned(self.wanted(&line));
        // The semaphore is never closed.
        counted(line, room.await.ok())
    }

    /// A last line that may be long. Those that wait are bounded too: if too many do, `short` is said instead.
    pub(crate) fn long(&self, mut line: Vec<u8>, short: impl FnOnce() -> Vec<u8>) -> Last {
        line.shrink_to_fit();
        let waits = Arc::clone(&self.waiting).try_acquire_many_owned(self.wanted(&line));
        match waits {
            Ok(waits) => Last {
                line,
                _waits: Some(waits),
            },
            Err(_) => Last::from(short()),
        }
    }

    /// Waits for room for the last line.
    pub(crate) async fn last(&self, last: Last) -> Bytes {
        self.counted(last.line).await
    }

    /// The room of a line, in KiB. No line waits for more than there is.
    fn wanted(&self, line: &[u8]) -> u32 {
        let wanted = u32::try_from(line.len().div_ceil(1024)).unwrap_or(u32::MAX);
        wanted.clamp(1, self.whole)
    }
}

fn counted(mut line: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Bytes {
    line.shrink_to_fit();
    Bytes::from_owner(Counted { line, _room: room })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smallest() -> Answers {
        Answers::new(&Semaphore::new(0))
    }

    #[tokio::test]
    async fn a_line_has_its_room_until_its_last_byte_is_dropped() {
        let answers = smallest();
        let mut first = answers.counted(vec![b'x'; 1 << 20]).await;
        let mut second = Box::pin(answers.counted(b"y".to_vec()));
        let rest = first.split_off(1000);
        drop(first);
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(answers.held(), 1 << 20);
        drop(rest);
        assert_eq!(second.await, "y");
        assert_eq!(answers.held(), 0);
    }

    #[tokio::test]
    async fn long_lines_that_wait_are_bounded_and_one_too_many_is_shortened() {
        let answers = smallest();
        let long = || answers.long(vec![b'x'; 600 << 10], || b"short".to_vec());
        let (first, second) = (long(), long());
        assert_eq!(answers.last(second).await, "short");
        assert_eq!(answers.last(first).await.len(), 600 << 10);
        assert_eq!(answers.last(long()).await.len(), 600 << 10);
    }

    #[test]
    fn the_longest_reply_fits_as_json_beside_the_rest_of_its_line() {
        for room in [0, 4096, 256 << 10] {
            let answers = Answers::new(&Semaphore::new(room));
            assert!(answers.reply() * 6 + (64 << 10) <= u64::from(answers.whole) * 1024);
        }
    }
}
