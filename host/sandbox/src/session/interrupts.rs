//! Interrupts the turn that runs, from anywhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Interrupts the turn that runs, from elsewhere, such as another task: see
/// [`Session::interrupt_handle`](crate::Session::interrupt_handle).
#[derive(Clone, Debug)]
pub struct InterruptHandle {
    pub(super) interrupts: Arc<Interrupts>,
}

impl InterruptHandle {
    /// Raises `KeyboardInterrupt` in the turn that runs, as Ctrl-C does at a prompt: where it runs Python
    /// code, and where it waits. Between turns it does nothing. It does not keep the session.
    pub fn interrupt(&self) {
        self.interrupts.ask();
    }
}

/// Whether somebody wants the turn that runs to end.
#[derive(Debug, Default)]
pub(super) struct Interrupts {
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    runs: bool,
    /// Whether it is a source text's, rather than the host's own.
    executes: bool,
    is_asked: bool,
}

impl Interrupts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn begins; it is over when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, executes: bool) -> Running {
        *self.state() = State {
            runs: true,
            executes,
            is_asked: false,
        };
        Running(Arc::clone(self))
    }

    /// Whether a source text is executed.
    pub(super) fn has_turn(&self) -> bool {
        let state = self.state();
        state.runs && state.executes
    }

    fn ask(&self) {
        let mut state = self.state();
        if state.runs {
            state.is_asked = true;
            drop(state);
            self.asked.notify_waiters();
        }
    }

    /// Waits until somebody asks.
    async fn asked(&self) {
        loop {
            let mut asked = std::pin::pin!(self.asked.notified());
            asked.as_mut().enable();
            if std::mem::take(&mut self.state().is_asked) {
                return;
            }
            asked.await;
        }
    }
}

/// A turn that runs.
pub(super) struct Running(Arc<Interrupts>);

impl Running {
    /// Waits until somebody wants it to end; each time once.
    pub(super) async fn asked(&self) {
        self.0.asked().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.state() = State::default();
    }
}
