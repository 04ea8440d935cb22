//! What is wrong with the tokio runtime that something was called from.

/// The tokio runtime cannot carry what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// There is none.
    #[error(
        "there is no tokio runtime here: await this within one, such as a function with \
         #[tokio::main], or Runtime::block_on"
    )]
    Missing,
    /// It has no timers, and so no limit would hold.
    #[error(
        "the tokio runtime has no timers: build it with enable_time or enable_all, since limits \
         depend on them"
    )]
    NoTime,
    /// It has no sockets.
    #[error("the tokio runtime has no sockets: build it with enable_io or enable_all")]
    NoIo,
    /// It ended first.
    #[error("the tokio runtime was shut down before this had ended")]
    ShutDown,
}
