//! Keeps unused connections of one client for their next request, and its HTTP/2 sessions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::h2::{Session, StreamPlace};
use crate::stream::{Secured, Stream};
use crate::tls_profile::TlsProfile;
use sandbox_net_policy::Endpoint;

/// What is kept, and for how long. Each client has a pool of its own: no client sees a connection
/// of another one.
#[derive(Debug)]
pub(crate) struct Pool {
    idle_timeout: Duration,
    max_idle_per_endpoint: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    endpoints: HashMap<Endpoint, Entry>,
    /// Whether a task runs that closes what has been unused for too long.
    is_reaped: bool,
    /// Whether nothing is kept any more.
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Entry {
    idle: Vec<Idle>,
    sessions: Vec<Arc<Session>>,
    turn: Arc<Turn>,
}

/// The right to make a TLS handshake with an endpoint. The first handshake decides: meanwhile the
/// others wait, because it may result in a session that all can share; if it does not, they no
/// longer wait for each other.
pub(crate) type Turn = tokio::sync::Mutex<Handshakes>;

/// How handshakes with an endpoint are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Handshakes {
    /// One after the other: the peer may speak, or speaks, HTTP/2.
    #[default]
    InTurn,
    /// All at once.
    AtOnce,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

impl Entry {
    fn expire(&mut self, idle_timeout: Duration) {
        self.idle.retain(|idle| idle.since.elapsed() < idle_timeout);
        self.sessions
            .retain(|session| session.is_open() && session.idle_for() < idle_timeout);
    }

    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.sessions.is_empty() && Arc::strong_count(&self.turn) == 1
    }
}

impl Pool {
    pub(crate) fn new(idle_timeout: Duration, max_idle_per_endpoint: usize) -> Self {
        Self {
            idle_timeout,
            max_idle_per_endpoint,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on an endpoint's entry, and removes the entry when it is empty.
    fn with<T>(self: &Arc<Self>, endpoint: &Endpoint, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut state = self.state();
        if state.is_closed {
            return work(&mut Entry::default());
        }
        let result = work(state.endpoints.entry(endpoint.clone()).or_default());
        if !state.is_reaped
            && let Ok(runtime) = Handle::try_current()
        {
            state.is_reaped = true;
            runtime.spawn(reap(Arc::downgrade(self), self.idle_timeout));
        }
        result
    }

    /// Keeps a connection whose last request is over. If the endpoint has its share already, the
    /// one that was unused longest is closed.
    pub(crate) fn put(self: &Arc<Self>, endpoint: &Endpoint, stream: Stream) {
        // Without a runtime nobody would close it again.
        if self.max_idle_per_endpoint == 0 || Handle::try_current().is_err() {
            return;
        }
        self.with(endpoint, |entry| {
            if entry.idle.len() >= self.max_idle_per_endpoint {
                entry.idle.remove(0);
            }
            entry.idle.push(Idle {
                stream,
                since: Instant::now(),
            });
        });
    }

    /// Shares a session with the client's other connections to the endpoint.
    pub(crate) fn share(self: &Arc<Self>, endpoint: &Endpoint, session: Arc<Session>) {
        self.with(endpoint, |entry| entry.sessions.push(session));
    }

    /// The right to make handshakes with an endpoint.
    pub(crate) fn turn(self: &Arc<Self>, endpoint: &Endpoint) -> Arc<Turn> {
        self.with(endpoint, |entry| Arc::clone(&entry.turn))
    }

    /// The connection that was used last, if it is usable: it was made with the same TLS profile, or
    /// also without TLS, `permits` accepts its address again, and its peer has neither closed it nor
    /// sent anything.
    pub(crate) async fn take(
        &self,
        endpoint: &Endpoint,
        profile: Option<&Arc<TlsProfile>>,
        permits: impl Fn(SocketAddr) -> bool,
    ) -> Option<Stream> {
        while let Some(mut stream) = self.pop(endpoint, profile, &permits) {
            if stream.is_quiet().await {
                return Some(stream);
            }
        }
        None
    }

    fn pop(
        &self,
        endpoint: &Endpoint,
        profile: Option<&Arc<TlsProfile>>,
        permits: impl Fn(SocketAddr) -> bool,
    ) -> Option<Stream> {
        let mut state = self.state();
        let entry = state.endpoints.get_mut(endpoint)?;
        entry.expire(self.idle_timeout);
        let at = entry.idle.iter().rposition(|Idle { stream, .. }| {
            is_on(stream.secured(), profile) && permits(stream.peer())
        })?;
        Some(entry.idle.remove(at).stream)
    }

    /// Takes a place on a session, if one is usable: it began with the same TLS profile, and
    /// `permits` accepts its address again.
    pub(crate) fn slot(
        &self,
        endpoint: &Endpoint,
        profile: &Arc<TlsProfile>,
        permits: impl Fn(SocketAddr) -> bool,
    ) -> Option<StreamPlace> {
        let mut state = self.state();
        let entry = state.endpoints.get_mut(endpoint)?;
        entry.expire(self.idle_timeout);
        let is_fit = |session: &&Arc<Session>| {
            is_on(session.secured(), Some(profile)) && permits(session.peer())
        };
        entry
            .sessions
            .iter()
            .filter(is_fit)
            .find_map(Session::place)
    }

    /// Closes unused connections that were made with a program's own TLS profile. Requests under
    /// way continue.
    pub(crate) fn close_programs_own(&self) {
        let is_the_hosts = |secured: Option<&Secured>| {
            secured.is_none_or(|secured| secured.profile.are_the_hosts())
        };
        for entry in self.state().endpoints.values_mut() {
            entry
                .idle
                .retain(|idle| is_the_hosts(idle.stream.secured()));
            entry.sessions.retain(|session| {
                let stays = is_the_hosts(session.secured());
                if !stays {
                    session.retire();
                }
                stays
            });
        }
    }

    /// Closes unused connections, and keeps nothing from now on. Requests under way continue.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let entries = std::mem::take(&mut state.endpoints);
        drop(state);
        for session in entries.values().flat_map(|entry| &entry.sessions) {
            session.retire();
        }
    }

    /// Whether there is an unused connection to this endpoint.
    pub(crate) fn has_idle(&self, endpoint: &Endpoint) -> bool {
        self.any(endpoint, |entry| !entry.idle.is_empty())
    }

    /// Whether a session with this endpoint has room.
    pub(crate) fn has_session(&self, endpoint: &Endpoint) -> bool {
        self.any(endpoint, |entry| {
            entry.sessions.iter().any(|session| session.has_room())
        })
    }

    fn any(&self, endpoint: &Endpoint, is_so: impl FnOnce(&Entry) -> bool) -> bool {
        let mut state = self.state();
        state.endpoints.get_mut(endpoint).is_some_and(|entry| {
            entry.expire(self.idle_timeout);
            is_so(entry)
        })
    }

    /// Makes room: closes the connection that was unused longest, to any endpoint, or a session
    /// without requests. Returns `false` if there is none.
    pub(crate) fn evict(&self) -> bool {
        let mut state = self.state();
        let waiting = state
            .endpoints
            .values_mut()
            .filter(|entry| !entry.idle.is_empty());
        if let Some(oldest) = waiting.min_by_key(|entry| entry.idle[0].since) {
            oldest.idle.remove(0);
            return true;
        }
        state.endpoints.values_mut().any(|entry| {
            let unused = |session: &Arc<Session>| !session.idle_for().is_zero();
            let at = entry.sessions.iter().position(unused);
            at.map(|at| entry.sessions.remove(at)).is_some()
        })
    }
}

/// Whether a connection was made with exactly this profile. Equal options share one value as long
/// as anybody holds it.
fn is_on(secured: Option<&Secured>, profile: Option<&Arc<TlsProfile>>) -> bool {
    match (secured, profile) {
        (Some(secured), Some(profile)) => Arc::ptr_eq(&secured.profile, profile),
        (secured, profile) => secured.is_none() && profile.is_none(),
    }
}

/// Closes connections that were unused for too long, until none is left.
async fn reap(pool: Weak<Pool>, idle_timeout: Duration) {
    let pause = idle_timeout.max(Duration::from_secs(1));
    loop {
        tokio::time::sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        state.endpoints.retain(|_, entry| {
            entry.expire(idle_timeout);
            !entry.is_empty()
        });
        if state.endpoints.is_empty() {
            state.is_reaped = false;
            return;
        }
    }
}
