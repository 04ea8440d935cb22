//! What all runs of one sandbox have in common: its policy, and what goes on under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::meter::Meter;
use super::{Completion, lookup};
use crate::egress::{Connection, Egress, EgressError};
use crate::hook::Hook;
use crate::policy::{Answer, Denial, Origin, Policy, RequestLine, TlsRequest};
use crate::secrets::Vault;

/// A connection, as its guest and the policy's changes share it.
pub(super) type SharedConnection = Arc<tokio::sync::Mutex<Connection>>;

/// How many dead entries a list may have before it is tidied.
const TIDY: usize = 64;

/// The state of one sandbox.
pub(super) struct Shared {
    pub(super) egress: Egress,
    pub(super) meter: Arc<Meter>,
    pub(super) vault: Vault,
    pub(super) hook: Option<(Arc<dyn Hook>, Duration)>,
    /// Room for lookups.
    pub(super) lookups: Arc<Semaphore>,
    state: Mutex<State>,
}

/// What the policy rules over at the moment.
pub(super) struct State {
    pub(super) policy: Arc<Policy>,
    running: Vec<Running>,
    connections: Vec<Weak<tokio::sync::Mutex<Connection>>>,
}

/// What requests are sent on, as far as the policy has a say in it.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) origin: Origin,
    pub(super) tls: TlsRequest,
}

impl Way {
    /// The policy's answer to a request: the TLS settings that the connection has still have to be
    /// granted, too.
    pub(super) fn answer(
        &self,
        policy: &Policy,
        method: &[u8],
        path: &[u8],
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Answer<RequestLine>, Denial> {
        if self.tls != TlsRequest::default() {
            policy.answer_tls(&self.origin.endpoint, None, self.tls)?;
        }
        policy.answer_exchange(&self.origin, method, path, fields)
    }
}

/// An exchange under way, with what it was judged by.
struct Running {
    way: Way,
    method: Vec<u8>,
    path: Vec<u8>,
    completion: Weak<Completion>,
}

impl Shared {
    pub(super) fn new(
        policy: Policy,
        egress: Egress,
        meter: Arc<Meter>,
        vault: Vault,
        hook: Option<(Arc<dyn Hook>, Duration)>,
    ) -> Self {
        Self {
            egress,
            meter,
            vault,
            hook,
            lookups: lookup::room(),
            state: Mutex::new(State {
                policy: Arc::new(policy),
                running: Vec::new(),
                connections: Vec::new(),
            }),
        }
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.state().policy)
    }

    /// The policy, which stays the same while this is held.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets another policy decide from now on. What goes on and is denied by it ends with that
    /// denial; connections are closed as soon as no exchange is on them, and made anew.
    pub(super) fn replace(&self, policy: Policy) {
        let mut state = self.state();
        state.policy = Arc::new(policy);
        self.egress.renew();
        let policy = Arc::clone(&state.policy);
        state
            .running
            .retain(|running| running.is_permitted(&policy));
        let connections: Vec<_> = state.connections.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            for connection in connections {
                runtime.spawn(async move { connection.lock().await.follow() });
            }
        }
    }
}

impl State {
    /// Remembers an exchange until it is over.
    pub(super) fn runs(
        &mut self,
        way: Way,
        method: &[u8],
        path: &[u8],
        completion: &Arc<Completion>,
    ) {
        if self.running.len() >= TIDY && self.running.len().is_power_of_two() {
            self.running.retain(Running::is_alive);
        }
        self.running.push(Running {
            way,
            method: method.to_vec(),
            path: path.to_vec(),
            completion: Arc::downgrade(completion),
        });
    }

    /// Remembers a connection until it is dropped.
    pub(super) fn holds(&mut self, connection: &SharedConnection) {
        if self.connections.len() >= TIDY && self.connections.len().is_power_of_two() {
            self.connections.retain(|other| other.strong_count() > 0);
        }
        self.connections.push(Arc::downgrade(connection));
    }
}

impl Running {
    fn is_alive(&self) -> bool {
        self.completion
            .upgrade()
            .is_some_and(|completion| !completion.is_over())
    }

    /// Whether it may go on; what may not has ended. What had to be granted was granted.
    fn is_permitted(&self, policy: &Policy) -> bool {
        let Some(completion) = self.completion.upgrade() else {
            return false;
        };
        match self.way.answer(policy, &self.method, &self.path, &[]) {
            Ok(_) => !completion.is_over(),
            Err(denial) => {
                completion.fail(EgressError::Denied(denial));
                false
            }
        }
    }
}
