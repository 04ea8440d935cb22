//! Interrupts a guest as Ctrl-C does a program: what it executes gets a `KeyboardInterrupt`, and what it
//! waits for ends.
//!
//! Whoever asks may be on any thread. The guest itself delivers, at an epoch (`delivery.rs`). A wait of its own
//! ends early, and the epoch comes before it executes Python code again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use wasmtime::EngineWeak;

/// Interrupts one guest. Cloning is cheap; a clone interrupts the same one.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Shared>);

struct Shared {
    is_asked: AtomicBool,
    /// Whether what is asked for waits.
    is_held: AtomicBool,
    guest: AtomicWaker,
    engine: EngineWeak,
}

impl Interrupt {
    pub(crate) fn new(engine: &wasmtime::Engine) -> Self {
        Self(Arc::new(Shared {
            is_asked: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            guest: AtomicWaker::new(),
            engine: engine.weak(),
        }))
    }

    /// Interrupts what the guest does now, or does next.
    pub(crate) fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Release);
        self.tick();
        self.0.guest.wake();
    }

    /// Keeps what is asked for from the guest until it is [released](Self::release).
    pub(crate) fn hold(&self) {
        self.0.is_held.store(true, Ordering::Release);
    }

    /// Ends [`hold`](Self::hold); returns whether something was asked for, which the guest gets next.
    pub(crate) fn release(&self) -> bool {
        self.0.is_held.store(false, Ordering::Release);
        self.is_asked()
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.0.is_held.load(Ordering::Acquire) && self.0.is_asked.load(Ordering::Acquire)
    }

    /// Whether it was asked for and is not held, which it then is no more.
    pub(super) fn take(&self) -> bool {
        self.is_asked() && self.0.is_asked.swap(false, Ordering::AcqRel)
    }

    /// What comes of `wait`; none if it is to end before. It begins even if it is to end.
    pub(super) async fn or<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = std::pin::pin!(wait);
        let ended = std::future::poll_fn(|cx| {
            self.0.guest.register(cx.waker());
            match wait.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if self.is_asked() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if ended.is_none() {
            // It is delivered before anything else happens, whatever the order in which `ask` is seen.
            self.tick();
        }
        ended
    }

    /// Lets guests look at their epoch.
    fn tick(&self) {
        if let Some(engine) = self.0.engine.upgrade() {
            engine.increment_epoch();
        }
    }
}
