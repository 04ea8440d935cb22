//! Accept loops that end with the server that owns them.

use std::future::Future;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Background(JoinHandle<()>);

impl Background {
    /// Starts `task`.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Accepts for ever: `serve` makes the task of each connection, in the order of arrival, and
    /// all of them end together with this loop.
    pub(crate) fn accept<S, F>(listener: TcpListener, mut serve: S) -> Self
    where
        S: FnMut(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // The process has no descriptor left; it may have one again soon.
                    tokio::task::yield_now().await;
                    continue;
                };
                // Small answers must not wait for the peer's acknowledgement. This fails if the
                // peer has disconnected, and then it does not matter.
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(stream));
                while connections.try_join_next().is_some() {}
            }
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
