//! Long work of an engine: bounded in time, and off the threads of the runtime.

use std::time::Duration;

use sandbox_net_python::{BuildError, RuntimeError};

/// If nobody waits any more the work continues, so that the next caller finds it done.
pub(super) async fn limited<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, BuildError>>,
) -> Result<T, BuildError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(sandbox_net_python::Error::too_long(what, limit).into()))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) if failed.is_cancelled() => Err(RuntimeError::ShutDown.into()),
        Err(failed) => Err(BuildError::Compile(failed.to_string())),
    }
}
