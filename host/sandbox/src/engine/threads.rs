//! The threads that run guests, apart from those of the embedder.
//!
//! A guest that computes without end would keep the embedder's own threads, and all other guests,
//! waiting for their turn. So guests have threads of their own, of two kinds: those for guests that
//! mostly wait, and those for guests that have used up what they may compute in one go. The latter
//! have a lower priority with the operating system, where it has such a thing for threads (Linux):
//! they get what the others leave.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use async_task::{Builder, Runnable, Task};
use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::runtime::Handle;

use super::usage::{self, Usage};

type Turn = Runnable<Arc<Usage>>;

/// How much lower the priority of threads for guests that compute is.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The two kinds of threads. They end with the last guest, once this is dropped.
pub(crate) struct Threads {
    waiting: Sender<Turn>,
    computing: Sender<Turn>,
}

impl Threads {
    /// Starts `count` threads of each kind.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (waiting, turns) = unbounded();
        for number in 0..count {
            let name = format!("sandbox-net guest {number}");
            start(name, turns.clone(), false)?;
        }
        let (computing, turns) = unbounded();
        for number in 0..count {
            let name = format!("sandbox-net busy {number}");
            start(name, turns.clone(), true)?;
        }
        Ok(Self { waiting, computing })
    }

    /// Runs a guest to its end. Its tasks and timers are those of the runtime that this is called on.
    /// Dropping what is returned ends the guest.
    ///
    /// A panic of the guest's is one of whoever waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        usage: Arc<Usage>,
        guest: impl Future<Output = T> + Send + 'static,
    ) -> Task<T, Arc<Usage>> {
        let (waiting, computing) = (self.waiting.clone(), self.computing.clone());
        let schedule = move |turn: Turn| {
            let queue = match turn.metadata().is_computing() {
                true => &computing,
                false => &waiting,
            };
            // There is nobody to take it only where the threads have panicked: the guest is dropped.
            drop(queue.send(turn));
        };
        let within = Within {
            runtime: Handle::current(),
            guest: Some(Box::pin(guest)),
        };
        let builder = Builder::new().metadata(usage).propagate_panic(true);
        let (turn, task) = builder.spawn(|_| within, schedule);
        turn.schedule();
        task
    }
}

/// Runs a guest on this thread, until it first waits or yields: most turns of a session are over by then,
/// and handing them to another thread would take longer. `None` if it is not over.
pub(crate) async fn first_slice<T>(
    usage: &Usage,
    mut guest: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Option<T> {
    std::future::poll_fn(|cx| {
        let before = usage::thread_time();
        let polled = guest.as_mut().poll(cx);
        usage.charge(usage::thread_time().saturating_sub(before));
        Poll::Ready(match polled {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// A guest whose tasks and timers are those of a runtime, also while it is dropped.
struct Within<F> {
    runtime: Handle,
    guest: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = this.runtime.enter();
        match &mut this.guest {
            Some(guest) => guest.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Within<F> {
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.guest = None;
    }
}

fn start(name: String, turns: Receiver<Turn>, lowers: bool) -> io::Result<()> {
    let thread = thread::Builder::new().name(name);
    thread.spawn(move || {
        if lowers {
            lower_priority();
        }
        for turn in turns {
            let usage = Arc::clone(turn.metadata());
            let before = usage::thread_time();
            turn.run();
            usage.charge(usage::thread_time().saturating_sub(before));
        }
    })?;
    Ok(())
}

/// Lowers the priority of this thread. Where that is refused, all guests are equal.
#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux a priority is a thread's; no process stands for this one.
    let now = rustix::process::getpriority_process(None).unwrap_or(0);
    let _ = rustix::process::setpriority_process(None, now.saturating_add(NICE));
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
