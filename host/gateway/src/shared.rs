//! What all runs of one sandbox share: its policy, and the connections and requests under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admission::{Admission, CONNECTION, REQUEST};
use crate::bounds::MAX_LOOKUPS;
use crate::completion::Completion;
use crate::judgement::{JudgedRequest, Judgement, RequestContext};
use crate::link::SharedConnection;
use crate::meter::Meter;
use crate::observe::Active;
use crate::questions::Questions;
use crate::request::RequestHead;
use crate::secrets::Vault;
use sandbox_net_egress::{Client, Connection, Limit};
use sandbox_net_policy::{Answer, Denial, Policy, RequestLine};

/// How many dead entries a list may have before it is tidied.
const TIDY: usize = 64;

/// The state of one sandbox.
pub(super) struct Shared {
    pub(super) egress: Client,
    pub(super) meter: Arc<Meter>,
    pub(super) vault: Vault,
    /// The hook, if there is one.
    pub(super) questions: Option<Arc<Questions>>,
    /// Room for lookups.
    pub(super) lookups: Arc<Semaphore>,
    /// Room for the guest's connections, whatever carries them, and for its requests: over HTTP/2
    /// many of them would fit on one transport.
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    state: Mutex<SharedState>,
}

/// What the current policy governs.
struct SharedState {
    policy: Arc<Policy>,
    running: Vec<Weak<Completion>>,
    connections: Vec<Weak<tokio::sync::Mutex<Connection>>>,
}

impl Shared {
    pub(super) fn new(
        policy: Policy,
        egress: Client,
        meter: Arc<Meter>,
        vault: Vault,
        questions: Option<Questions>,
    ) -> Self {
        let most = most_at_once(&egress);
        Self {
            connections: Arc::new(Semaphore::new(most)),
            requests: Arc::new(Semaphore::new(most)),
            egress,
            meter,
            vault,
            questions: questions.map(Arc::new),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            state: Mutex::new(SharedState {
                policy: Arc::new(policy),
                running: Vec::new(),
                connections: Vec::new(),
            }),
        }
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.state().policy)
    }

    /// Locks the state. While it is locked, do nothing that takes longer the more a guest requests.
    fn state(&self) -> MutexGuard<'_, SharedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a connection until it is dropped; returns the present policy.
    pub(super) fn holds(&self, connection: &SharedConnection) -> Arc<Policy> {
        let mut state = self.state();
        state.holds(connection);
        Arc::clone(&state.policy)
    }

    /// Judges a request, and returns the policy that did. A request that it allows is remembered
    /// until it is over, so that a change of the policy affects it.
    pub(super) fn judge(
        &self,
        context: &RequestContext,
        head: &RequestHead,
        completion: &Arc<Completion>,
    ) -> (Result<Answer<RequestLine>, Denial>, Arc<Policy>) {
        let mut policy = self.policy();
        loop {
            let answer = context.answer(&policy, &head.method, &head.path, &head.fields);
            let judgement = answer
                .is_ok()
                .then(|| Judgement::Request(JudgedRequest::new(context, head)));
            let mut state = self.state();
            if Arc::ptr_eq(&state.policy, &policy) {
                if let Some(judgement) = judgement {
                    completion.judged_by(judgement);
                    state.runs(completion);
                }
                return (answer, policy);
            }
            policy = Arc::clone(&state.policy);
        }
    }

    /// Remembers what was judged until it is over, so that a change of the policy affects it; returns
    /// the present policy.
    pub(super) fn runs_from_now(
        &self,
        completion: &Arc<Completion>,
        judgement: Judgement,
    ) -> Arc<Policy> {
        completion.judged_by(judgement);
        let mut state = self.state();
        state.runs(completion);
        Arc::clone(&state.policy)
    }

    /// Takes a place for one more connection of the guest.
    pub(super) fn admit_connection(&self) -> Result<Admission, Limit> {
        let admitted = self.admit(&self.connections, CONNECTION)?;
        Ok(Admission {
            _active: Some(Active::new()),
            ..admitted
        })
    }

    /// How many connections of the guest are open.
    pub(super) fn open_connections(&self) -> u64 {
        let most = most_at_once(&self.egress);
        most.saturating_sub(self.connections.available_permits()) as u64
    }

    /// Takes a place for one more request.
    pub(super) fn admit_request(&self) -> Result<Admission, Limit> {
        self.admit(&self.requests, REQUEST)
    }

    fn admit(&self, room: &Arc<Semaphore>, bytes: usize) -> Result<Admission, Limit> {
        let place = Arc::clone(room).try_acquire_owned();
        Ok(Admission {
            place: Some(place.map_err(|_| Limit::Connections)?),
            held: self.egress.memory().reserve(bytes)?,
            _active: None,
        })
    }

    /// Replaces the policy from now on by what `make` makes of the present one. What goes on and is
    /// denied by it ends with that denial; connections are closed as soon as they carry no request,
    /// and are made again.
    ///
    /// # Errors
    ///
    /// What `make` returns; then nothing changes.
    pub(super) fn replace<E>(&self, make: impl Fn(&Policy) -> Result<Policy, E>) -> Result<(), E> {
        let mut before = self.policy();
        let (mut policy, mut state) = loop {
            let policy = Arc::new(make(&before)?);
            let state = self.state();
            if Arc::ptr_eq(&state.policy, &before) {
                break (policy, state);
            }
            // Another call replaced it meanwhile.
            before = Arc::clone(&state.policy);
        };
        state.policy = Arc::clone(&policy);
        self.egress.renew();
        let mut running = std::mem::take(&mut state.running);
        let connections: Vec<_> = state.connections.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        // Guests continue meanwhile: what they begin is already judged by the new policy.
        loop {
            let is_permitted =
                |one: &Weak<Completion>| one.upgrade().is_some_and(|one| one.is_permitted(&policy));
            running.retain(is_permitted);
            let mut state = self.state();
            if Arc::ptr_eq(&state.policy, &policy) {
                state.running.append(&mut running);
                break;
            }
            // Another call replaced it, and did not see these.
            policy = Arc::clone(&state.policy);
        }
        // Without a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            for connection in connections {
                runtime.spawn(async move { connection.lock().await.follow() });
            }
        }
        Ok(())
    }
}

/// How many connections, and how many requests, there may be at once.
fn most_at_once(egress: &Client) -> usize {
    let most = egress.config().max_connections;
    most.min(Semaphore::MAX_PERMITS)
}

impl SharedState {
    /// Remembers a request until it is over.
    fn runs(&mut self, completion: &Arc<Completion>) {
        if self.running.len() >= TIDY && self.running.len().is_power_of_two() {
            let is_over = |one: &Weak<Completion>| one.upgrade().is_none_or(|one| one.is_over());
            self.running.retain(|one| !is_over(one));
        }
        self.running.push(Arc::downgrade(completion));
    }

    /// Remembers a connection until it is dropped.
    fn holds(&mut self, connection: &SharedConnection) {
        if self.connections.len() >= TIDY && self.connections.len().is_power_of_two() {
            self.connections.retain(|other| other.strong_count() > 0);
        }
        self.connections.push(Arc::downgrade(connection));
    }
}
