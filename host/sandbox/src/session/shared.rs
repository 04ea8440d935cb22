//! What a session and its turns share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox_net_gateway::Gateway;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::interrupts::Interrupts;
use super::output::Switch;
use super::slot::Slot;
use crate::engine::Engine;
use crate::guest::passed;
use crate::script::Exit;
use crate::stdio::Destination;

/// What a session and its turns share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) slot: Arc<Slot>,
    pub(super) interrupts: Arc<Interrupts>,
    /// What each turn's own gateway is made of.
    pub(super) gateway: Gateway,
    pub(super) stdout: Switch,
    pub(super) stderr: Switch,
    pub(super) settings: Settings,
    /// The session, or its sandbox, is closed or dropped.
    pub(super) closing: CancellationToken,
}

/// What turns have that do not say otherwise.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) stdout: Destination,
    pub(crate) stderr: Destination,
    pub(crate) captured: usize,
    pub(crate) time: Option<Duration>,
    pub(crate) requests: Option<u64>,
    pub(crate) deadline: Option<Instant>,
}

/// Ends its session when it is dropped, on whatever thread: an interpreter that no turn has is freed then.
pub(super) struct Ends {
    pub(super) slot: Arc<Slot>,
    pub(super) closing: CancellationToken,
    /// Where what the interpreter holds came from.
    pub(super) runtime: Handle,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.closing.cancel();
        let _entered = self.runtime.enter();
        self.slot.end(Exit::Killed);
    }
}

/// Ends the session once it, or its sandbox, is closed or dropped, or at its deadline. An interpreter that
/// no turn has is freed then.
pub(super) async fn ends(shared: Arc<Shared>) {
    let exit = tokio::select! {
        biased;
        () = shared.closing.cancelled() => Exit::Killed,
        () = passed(shared.settings.deadline) => Exit::TimeLimit,
    };
    shared.slot.end(exit);
}
