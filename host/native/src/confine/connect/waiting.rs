//! Calls that wait for their connect, and what becomes of them at a signal.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_cookie;

use crate::confine::sys::notification::{Call, Listener};

/// The most connects that wait at the same time. Waiting means that a server of the run's own does not accept.
const MOST: usize = 256;
/// The most sockets whose caller was interrupted just when the connect had succeeded.
const MOST_INTERRUPTED: usize = 1024;
/// How soon a call that waits is ended by a signal.
const PATIENCE: Duration = Duration::from_millis(20);

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Heard,
    /// The caller waits no more: it was killed, or, on an older kernel, interrupted.
    Unheard,
    /// There was an answer before this one.
    Late,
}

/// A call that is answered once.
#[derive(Debug)]
pub(super) struct Waiting {
    listener: Arc<Listener>,
    call: Call,
    is_answered: AtomicBool,
    /// When the connect itself began. Before it has, a call that ended as interrupted would be a lie.
    began: OnceLock<Instant>,
}

impl Waiting {
    pub(super) fn new(listener: Arc<Listener>, call: Call) -> Self {
        Self {
            listener,
            call,
            is_answered: AtomicBool::new(false),
            began: OnceLock::new(),
        }
    }

    /// Notes that the connect begins now.
    pub(super) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// Whether the connect has begun long ago, and there is no answer yet.
    fn is_stuck(&self) -> bool {
        let waits = self
            .began
            .get()
            .is_some_and(|began| began.elapsed() >= PATIENCE);
        waits && !self.is_answered.load(Ordering::Acquire) && self.listener.is_waiting(&self.call)
    }

    pub(super) fn answer(&self, result: Result<(), i32>) -> Answer {
        if self.is_answered.swap(true, Ordering::AcqRel) {
            return Answer::Late;
        }
        match self.listener.answer(&self.call, result) {
            true => Answer::Heard,
            false => Answer::Unheard,
        }
    }
}

/// The calls whose connects have threads of their own, for as long as these run.
#[derive(Debug, Default)]
pub(super) struct WaitingCalls(Vec<Weak<Waiting>>);

impl WaitingCalls {
    /// Starts a thread for a call, if there are not too many.
    pub(super) fn begin(
        &mut self,
        waiting: &Arc<Waiting>,
        start: impl FnOnce() -> io::Result<JoinHandle<()>>,
    ) -> bool {
        self.forget_ended();
        // The thread has the call, too, until its connect has ended.
        self.0.push(Arc::downgrade(waiting));
        self.0.len() <= MOST && start().is_ok()
    }

    fn forget_ended(&mut self) {
        self.0.retain(|one| one.strong_count() > 0);
    }

    pub(super) fn patience(&mut self) -> Option<Duration> {
        self.forget_ended();
        (!self.0.is_empty()).then_some(PATIENCE)
    }

    /// Ends the calls of threads that this holds for.
    pub(super) fn interrupt(&mut self, is_signalled: impl Fn(u32) -> bool) {
        for one in self.0.iter().filter_map(Weak::upgrade) {
            if one.is_stuck() && is_signalled(one.call.thread) {
                one.answer(Err(libc::EINTR));
            }
        }
    }
}

/// Sockets that were connected when nobody waited for the answer any more: the call is made again, and finds a
/// connected socket, which no program expects.
#[derive(Debug, Default)]
pub(super) struct Interrupted(Mutex<Vec<u64>>);

impl Interrupted {
    pub(super) fn remember(&self, socket: &OwnedFd) {
        let (Ok(cookie), Ok(mut sockets)) = (socket_cookie(socket), self.0.lock()) else {
            return;
        };
        if sockets.len() == MOST_INTERRUPTED {
            sockets.remove(0);
        }
        sockets.push(cookie);
    }

    pub(super) fn forget(&self, socket: &OwnedFd) -> bool {
        let (Ok(cookie), Ok(mut sockets)) = (socket_cookie(socket), self.0.lock()) else {
            return false;
        };
        let before = sockets.len();
        sockets.retain(|one| *one != cookie);
        sockets.len() < before
    }
}
