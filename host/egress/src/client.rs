//! The network of one sandbox: its connections and TLS sessions.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::account::{HostMemory, strings};
use crate::config::EgressConfig;
use crate::dial::{Dialer, ask, dial};
use crate::dial_scope::DialScope;
use crate::error::{EgressError, Phase};
use crate::generation::Generation;
use crate::h2::{Session, StreamPlace};
use crate::limit::Limit;
use crate::machine::Machine;
use crate::pool::Handshakes;
use crate::spans;
use crate::stream::{Permit, Secured, Stream};
use crate::tls::{self, handshake};
use crate::tls_profile::{GuestTlsOptions, GuestTlsOptionsError, TlsProfile};
use crate::wire::{Unmetered, Wire};
use sandbox_net_policy::{Budgets, CheckedName};

/// The most TLS profiles of programs that are in use at once: each may keep up to 1 MiB.
const MAX_TLS_PROFILES: usize = 64;

/// About what a TCP connection holds: its socket's state, and the tasks and tables that refer to
/// it.
const TCP: usize = 4 << 10;
/// About what TLS holds besides that: its keys and hashes, and a record in each direction.
const TLS: usize = 24 << 10;

/// How long a connection that was evicted, or that the guest has just closed, may take to close.
const CLOSING: Duration = Duration::from_millis(100);

/// The network of one sandbox under its policy: its connections and its TLS sessions, which are
/// shared with no other value of this type. Clones share the same sandbox.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

struct Inner {
    generation: RwLock<Arc<Generation>>,
    config: EgressConfig,
    wire: Arc<dyn Wire>,
    machine: Machine,
    permits: Arc<Semaphore>,
    memory: HostMemory,
    /// The host's own profiles.
    profile: [Arc<TlsProfile>; 2],
    /// The profiles that programs requested, as long as anybody holds them.
    others: Mutex<Vec<Weak<TlsProfile>>>,
}

/// Which addresses a connection with TLS may go to, and with which profile.
pub(crate) type Way<'a> = (&'a DialScope, &'a Arc<TlsProfile>);

/// The profiles that programs requested.
struct Others<'a>(MutexGuard<'a, Vec<Weak<TlsProfile>>>);

impl Others<'_> {
    fn find(&self, digest: &[u8; 32]) -> Option<Arc<TlsProfile>> {
        let mut live = self.0.iter().filter_map(Weak::upgrade);
        live.find(|profile| profile.digest() == Some(digest))
    }

    fn is_full(&self) -> bool {
        self.0
            .iter()
            .filter(|profile| profile.strong_count() > 0)
            .count()
            >= MAX_TLS_PROFILES
    }

    fn add(&mut self, profile: TlsProfile) -> Arc<TlsProfile> {
        let profile = Arc::new(profile);
        self.0.retain(|other| other.strong_count() > 0);
        self.0.push(Arc::downgrade(&profile));
        profile
    }
}

/// A transport that can carry a request.
pub(crate) enum Transport {
    /// A connection of its own, in HTTP/1.1.
    H1 {
        stream: Stream,
        /// Whether it carried requests before.
        reused: bool,
    },
    /// A place on a session, in HTTP/2.
    H2 { slot: StreamPlace },
}

impl Client {
    /// A network without connections yet, which counts nothing.
    #[must_use]
    pub fn new(config: EgressConfig) -> Self {
        Self::on(config, Arc::new(Unmetered), Machine::real())
    }

    /// A network whose bytes `wire` counts, and which dials from `machine`.
    pub fn on(config: EgressConfig, wire: Arc<dyn Wire>, machine: Machine) -> Self {
        let profile = [false, true].map(|strict| Arc::new(TlsProfile::host(strict)));
        let memory = config.max_host_memory.unwrap_or(Budgets::HOST_MEMORY);
        let memory = HostMemory::within(memory, config.total_host_memory.clone());
        let inner = Inner {
            generation: RwLock::new(Generation::new(&config, &memory)),
            profile,
            others: Mutex::default(),
            memory,
            permits: Arc::new(Semaphore::new(
                config.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            wire,
            machine,
            config,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Forgets every connection, TLS session and answer that is kept for the next request, for example
    /// because the policy was replaced: nothing that was set up before is used for anything that is
    /// checked after. Requests under way continue.
    pub fn renew(&self) {
        let generation = Generation::new(self.config(), self.memory());
        let mut current = self
            .inner
            .generation
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, generation);
        drop(current);
        old.pool().close();
    }

    /// Looks up the addresses of a name, within the configured time. The next
    /// [`connect`](Self::connect) to that name uses the result, if it follows soon. Returns the
    /// addresses that the program may be told.
    ///
    /// Dropping the future cancels the query.
    ///
    /// # Errors
    ///
    /// `Dns`; `Limit`; `Timeout` in the phase `resolve`.
    pub async fn lookup(&self, name: &CheckedName) -> Result<Vec<IpAddr>, EgressError> {
        let generation = self.generation();
        let asking = ask(name.name().as_str(), self.dialer());
        let found = timeout(self.config().connect_timeout, asking)
            .await
            .map_err(|_| EgressError::Timeout(Phase::Resolve))??;
        let told = self.machine().told(name, &found);
        // If the policy was replaced meanwhile, nobody uses this.
        generation
            .answers()
            .keep(name.name().clone(), found, self.memory());
        Ok(told)
    }

    /// Makes the profile of a program's options. Equal options return the same value again, while
    /// it is in use.
    ///
    /// # Errors
    ///
    /// `Invalid` for invalid or too many certificates and keys, and while too many different
    /// profiles are in use.
    pub fn profile(&self, options: &GuestTlsOptions) -> Result<Arc<TlsProfile>, EgressError> {
        let refused = |error: GuestTlsOptionsError| EgressError::Invalid(error.to_string());
        options.check_size().map_err(refused)?;
        let [usual, strict] = &self.inner.profile;
        let host = || Arc::clone(if options.checks.strict { strict } else { usual });
        if options.are_default() {
            return Ok(host());
        }
        let digest = options.digest();
        if let Some(profile) = self.others().find(&digest) {
            return Ok(profile);
        }
        let held = self.memory().reserve(options.cost());
        let held = held.map_err(EgressError::Limit)?;
        // Do this before the lock is taken: it may take a moment.
        let Some(profile) = options.settle(&self.config().tls).map_err(refused)? else {
            return Ok(host());
        };
        let profile = profile.holding(held);
        if self.others().is_full() {
            self.generation().forget_programs_own();
        }
        let mut others = self.others();
        match others.find(&digest) {
            Some(same) => Ok(same),
            None if others.is_full() => Err(EgressError::Invalid(format!(
                "more than {MAX_TLS_PROFILES} different TLS settings are in use at once: use the same \
                 ones for several connections"
            ))),
            None => Ok(others.add(profile)),
        }
    }

    /// The host's own profile.
    pub fn host_profile(&self) -> &Arc<TlsProfile> {
        &self.inner.profile[0]
    }

    fn others(&self) -> Others<'_> {
        let lock = self.inner.others.lock();
        Others(lock.unwrap_or_else(PoisonError::into_inner))
    }

    /// The account from which everything that is held in memory for this sandbox is taken.
    pub fn memory(&self) -> &HostMemory {
        &self.inner.memory
    }

    /// The settings that it was made with.
    pub fn config(&self) -> &EgressConfig {
        &self.inner.config
    }

    /// The machine that dials.
    pub fn machine(&self) -> &Machine {
        &self.inner.machine
    }

    fn dialer(&self) -> Dialer<'_> {
        Dialer {
            resolver: &*self.config().resolver,
            wire: &self.inner.wire,
        }
    }

    /// What connections share that are made from now on.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        let current = self
            .inner
            .generation
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Makes a TCP connection, within `asked` and the configured time.
    pub(crate) async fn dial(
        &self,
        reach: &DialScope,
        generation: &Generation,
        asked: Option<Duration>,
        phase: &mut Phase,
    ) -> Result<Stream, EgressError> {
        let permit = self.permit(generation).await?;
        let longest = self.config().connect_timeout;
        let limit = asked.map_or(longest, |asked| asked.min(longest));
        match timeout(limit, dial(reach, self.dialer(), phase)).await {
            Ok(connected) => connected.map(|(tcp, peer)| Stream::plain(tcp, peer, permit)),
            Err(_) => Err(EgressError::Timeout(*phase)),
        }
    }

    /// Returns a transport with TLS: an existing session, or a new connection, which is made from
    /// `dialled` if that is given.
    pub(crate) async fn secure(
        &self,
        (reach, profile): Way<'_>,
        generation: &Generation,
        dialled: Option<Stream>,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        let turn = generation.pool().turn(reach.endpoint());
        *phase = Phase::Tls;
        let mut handshakes = turn.lock().await;
        if let Some(slot) = generation
            .pool()
            .slot(reach.endpoint(), profile, |peer| reach.permits(peer))
        {
            return Ok(Transport::H2 { slot });
        }
        if *handshakes == Handshakes::AtOnce {
            drop(handshakes);
            return self
                .handshake((reach, profile), generation, dialled, phase)
                .await;
        }
        let result = self
            .handshake((reach, profile), generation, dialled, phase)
            .await;
        if !matches!(result, Ok(Transport::H2 { .. })) {
            *handshakes = Handshakes::AtOnce;
        }
        result
    }

    async fn handshake(
        &self,
        (reach, profile): Way<'_>,
        generation: &Generation,
        dialled: Option<Stream>,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        let stream = match dialled {
            Some(stream) => stream,
            None => self.dial(reach, generation, None, phase).await?,
        };
        *phase = Phase::Tls;
        let Some((mut tcp, peer, mut permit)) = stream.into_plain() else {
            return Err(EgressError::Invalid("TLS has already begun".into()));
        };
        permit.hold(TLS + profile.chain())?;
        tcp.hold_unsettled(self.memory())?;
        let config = generation.config(profile);
        let host = &reach.endpoint().host;
        let span = spans::tls(host, peer);
        let attempt = timeout(self.config().connect_timeout, handshake(&config, host, tcp));
        let attempt = async {
            let settled = attempt.await;
            settled.unwrap_or(Err(EgressError::Timeout(Phase::Tls)))
        };
        let (stream, info) = spans::within(span.clone(), attempt).await?;
        spans::tls_version(&span, info.version);
        drop(span);
        // Count them twice: the TLS layer keeps them as well.
        permit.hold(2 * strings(info.certificates.iter().map(Vec::as_slice)))?;
        let speaks_h2 = info.alpn == tls::H2;
        let secured = Secured {
            info: Arc::new(info),
            profile: Arc::clone(profile),
        };
        let stream = Stream::tls(stream, peer, permit, secured);
        if !speaks_h2 {
            return Ok(Transport::H1 {
                stream,
                reused: false,
            });
        }
        let max_head = self.config().max_response_head;
        let session = Session::start(stream, max_head, self.memory()).await?;
        let slot = session.place().ok_or(EgressError::Reset)?;
        generation.pool().share(reach.endpoint(), session);
        Ok(Transport::H2 { slot })
    }

    /// Takes a place for one more connection. An idle one is closed if necessary, and a closing one
    /// gets a moment to close: sessions and requests end in tasks of their own.
    async fn permit(&self, generation: &Generation) -> Result<Permit, EgressError> {
        let held = self.memory().reserve(TCP).map_err(EgressError::Limit)?;
        loop {
            if let Ok(permit) = Arc::clone(&self.inner.permits).try_acquire_owned() {
                return Ok(Permit::new(permit, held));
            }
            let has_evicted = generation.pool().evict();
            let room = Arc::clone(&self.inner.permits).acquire_owned();
            match timeout(CLOSING, room).await {
                Ok(Ok(permit)) => return Ok(Permit::new(permit, held)),
                _ if has_evicted => {}
                _ => return Err(EgressError::Limit(Limit::Connections)),
            }
        }
    }
}
