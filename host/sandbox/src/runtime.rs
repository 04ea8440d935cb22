//! Checks the tokio runtime that an embedder calls from, so that what it lacks is an error and no
//! panic.

use std::panic::catch_unwind;
use std::time::Duration;

use sandbox_net_python::{Capability, RuntimeError};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::error::Error;

/// Whether there is a runtime with timers, on which every limit depends.
pub(crate) fn check() -> Result<(), RuntimeError> {
    if Handle::try_current().is_err() {
        return Err(RuntimeError::Missing);
    }
    // Tokio has no other way to ask. The timer is not registered before it is polled.
    match has(|| drop(tokio::time::sleep(Duration::ZERO))) {
        true => Ok(()),
        false => Err(RuntimeError::NoTime),
    }
}

/// Whether there is a runtime with what programs of this capability need.
pub(crate) fn check_for(capability: Capability) -> Result<(), RuntimeError> {
    check()?;
    match capability {
        Capability::None => Ok(()),
        // A socket without a peer, which is closed at once.
        Capability::Network if has(|| drop(tokio::net::UnixDatagram::unbound())) => Ok(()),
        Capability::Network => Err(RuntimeError::NoIo),
    }
}

/// Whether the runtime has what the call needs: those of tokio panic otherwise, as they document.
fn has(call: fn()) -> bool {
    catch_unwind(call).is_ok()
}

/// What comes of `work`, unless the runtime is shut down before: then its timers would panic.
pub(crate) async fn alive<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // A runtime that is shut down cancels its tasks first.
    let mut ends = JoinSet::new();
    ends.spawn(std::future::pending::<()>());
    tokio::select! {
        biased;
        _ = ends.join_next() => Err(RuntimeError::ShutDown.into()),
        done = work => done,
    }
}

/// Why a task of the host has no result.
pub(crate) fn unfinished(error: &JoinError) -> Error {
    match error.is_cancelled() {
        true => RuntimeError::ShutDown.into(),
        false => Error::Internal(error.to_string()),
    }
}
