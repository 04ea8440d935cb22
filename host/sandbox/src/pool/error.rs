//! Why a pool gives no sandbox.

/// Why a pool gives no sandbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// As many sandboxes are in use, and as many callers wait, as may.
    #[error(
        "{in_use} sandboxes of the pool are in use and {waiting} callers wait, as many as may: try again \
         later, or raise the pool's max_in_use or max_waiting"
    )]
    Busy {
        /// How many are in use.
        in_use: usize,
        /// How many callers wait.
        waiting: usize,
    },
    /// None is ready, for a caller who does not wait.
    #[error(
        "no sandbox of the pool is ready: wait for one with get, or raise the pool's ready or max_in_use"
    )]
    NotReady,
    /// One could not be made, for who waits until the pool is filled.
    #[error("a sandbox of the pool can't be made: {0}")]
    NotMade(String),
    /// The pool was closed.
    #[error("the pool is closed: it gives no more sandboxes")]
    Closed,
}
