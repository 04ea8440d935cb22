//! The runtime of the blocking calls, and how they wait for it.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Runtime};

use crate::error::Error;

thread_local! {
    /// Whether this is a thread of the runtime below.
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Threads that wait for programs; the programs themselves have those of their engine.
const WORKERS: usize = 2;

fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("sandbox-net blocking")
            .on_thread_start(|| IS_OURS.set(true))
            .enable_all()
            .build()
    });
    made.as_ref()
        .map_err(|error| Error::Internal(format!("no threads: {error}")))
}

/// Waits for `work`, which is done on the runtime of this module.
pub(super) fn wait<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    if IS_OURS.get() {
        return Err(Error::WithinBlocking);
    }
    let (done, result) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // Nobody is there only if the caller panicked.
        let _ = done.send(work.await);
    });
    result
        .recv()
        .map_err(|_| Error::Internal("it panicked".to_owned()))
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `work` on this thread. Its tasks and timers are those of the runtime of this module. Work that
/// is over at once takes no other thread.
pub(super) fn here<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    if IS_OURS.get() {
        return Err(Error::WithinBlocking);
    }
    let _entered = runtime()?.enter();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return Ok(done),
            // Whoever woke it meanwhile is not missed: the thread does not park then.
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_that_waits_for_timers_and_tasks_is_done_here() {
        let this = thread::current().id();
        let done = here(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let other = tokio::spawn(async { thread::current().id() }).await;
            (
                thread::current().id() == this,
                other.is_ok_and(|other| other != this),
            )
        });
        assert_eq!(done.ok(), Some((true, true)));
        let nested = here(async { here(async { 1 }).ok() });
        assert_eq!(nested.ok(), Some(Some(1)));
        let ours = here(async { tokio::spawn(async { here(async {}).is_err() }).await });
        assert!(matches!(ours, Ok(Ok(true))));
    }
}
