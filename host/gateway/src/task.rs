//! A background task that ends with its owner.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// A task of the tokio runtime. Awaiting it returns the task's result; dropping it ends the task.
pub struct Task<T>(AbortOnDropHandle<T>);

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("is_finished", &self.0.is_finished())
            .finish()
    }
}

impl<T: Send + 'static> Task<T> {
    /// Starts the task, in the span of its caller.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(crate) fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(work.in_current_span())))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and the poller with it.
                Err(_) => Poll::Pending,
            },
        }
    }
}
