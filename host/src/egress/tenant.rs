//! The network of one sandbox.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::egress::dial::dial;
use crate::egress::h2::{Session, Slot};
use crate::egress::pool::{Handshakes, Pool};
use crate::egress::reach::Reach;
use crate::egress::stream::Stream;
use crate::egress::tls::{self, handshake};
use crate::egress::{Connection, EgressConfig, EgressError, Limit, Phase};
use crate::policy::{Checked, Policy, Route};

/// How long an evicted connection may take to close.
const EVICTION: Duration = Duration::from_millis(100);

/// The network of one sandbox under its policy: its connections and its TLS sessions, which are
/// shared with no other value of this type. Clones are the same sandbox.
#[derive(Clone)]
pub struct Egress {
    inner: Arc<Inner>,
}

struct Inner {
    config: EgressConfig,
    policy: Policy,
    tls: Arc<ClientConfig>,
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
}

/// What can carry an exchange.
pub(crate) enum Transport {
    /// A connection for itself, in HTTP/1.1.
    H1 {
        stream: Stream,
        /// Whether it carried exchanges before.
        reused: bool,
    },
    /// Room on a session, in HTTP/2.
    H2 { slot: Slot },
}

impl Egress {
    /// A network without connections yet. `policy` is asked about addresses, and has to be the one
    /// that makes the [`Checked`] values.
    #[must_use]
    pub fn new(config: EgressConfig, policy: Policy) -> Self {
        let inner = Inner {
            tls: config.tls.client_config(),
            pool: Arc::new(Pool::new(config.idle_timeout, config.max_idle_per_endpoint)),
            permits: Arc::new(Semaphore::new(
                config.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            config,
            policy,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Resolves the route's host and connects, within `timeout` and the configured one.
    ///
    /// Where a connection to the same endpoint is idle, nothing happens yet: it is used if what
    /// is asked next fits it, and otherwise the connecting is done then.
    ///
    /// # Errors
    ///
    /// `Denied` where the name resolves only to addresses that the route does not permit; `Dns`,
    /// `Refused`, `Unreachable`, `Reset`, `Timeout`, `Limit`.
    pub async fn connect(
        &self,
        route: Checked<Route>,
        timeout: Option<Duration>,
    ) -> Result<Connection, EgressError> {
        let started = Instant::now();
        let mut connection =
            Connection::new(self.clone(), Reach::new(route, self.inner.policy.clone()));
        if !self.pool().has(connection.endpoint()) {
            connection.dial(timeout).await?;
            connection.count(started);
        }
        Ok(connection)
    }

    pub(crate) fn config(&self) -> &EgressConfig {
        &self.inner.config
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.inner.pool
    }

    /// A new TCP connection, within `asked` and the configured time.
    pub(crate) async fn dial(
        &self,
        reach: &Reach,
        asked: Option<Duration>,
        phase: &mut Phase,
    ) -> Result<Stream, EgressError> {
        let permit = self.permit().await?;
        let (resolver, longest) = (&*self.config().resolver, self.config().connect_timeout);
        let limit = asked.map_or(longest, |asked| asked.min(longest));
        match timeout(limit, dial(reach, resolver, phase)).await {
            Ok(connected) => connected.map(|(tcp, peer)| Stream::plain(tcp, peer, permit)),
            Err(_) => Err(EgressError::Timeout(*phase)),
        }
    }

    /// A transport with TLS: a session that there is, or a new connection. It is made from
    /// `dialled` where that is given.
    pub(crate) async fn secure(
        &self,
        reach: &Reach,
        dialled: Option<Stream>,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        let turn = self.pool().turn(reach.endpoint());
        *phase = Phase::Tls;
        let mut handshakes = turn.lock().await;
        if let Some(slot) = self.pool().slot(reach.endpoint(), |ip| reach.permits(ip)) {
            return Ok(Transport::H2 { slot });
        }
        if *handshakes == Handshakes::AtOnce {
            drop(handshakes);
            return self.handshake(reach, dialled, phase).await;
        }
        let result = self.handshake(reach, dialled, phase).await;
        if !matches!(result, Ok(Transport::H2 { .. })) {
            *handshakes = Handshakes::AtOnce;
        }
        result
    }

    async fn handshake(
        &self,
        reach: &Reach,
        dialled: Option<Stream>,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        let stream = match dialled {
            Some(stream) => stream,
            None => self.dial(reach, None, phase).await?,
        };
        *phase = Phase::Tls;
        let Some((tcp, peer, permit)) = stream.into_plain() else {
            return Err(EgressError::Invalid("TLS has already begun".into()));
        };
        let attempt = handshake(&self.inner.tls, &reach.endpoint().host, tcp);
        let (stream, info) = timeout(self.config().connect_timeout, attempt)
            .await
            .map_err(|_| EgressError::Timeout(Phase::Tls))??;
        let speaks_h2 = info.alpn == tls::H2;
        let stream = Stream::tls(stream, peer, permit, info);
        if !speaks_h2 {
            return Ok(Transport::H1 {
                stream,
                reused: false,
            });
        }
        let session = Session::start(stream, self.config().max_response_head).await?;
        let slot = session.slot().ok_or(EgressError::Reset)?;
        self.pool().share(reach.endpoint(), session);
        Ok(Transport::H2 { slot })
    }

    /// Room for one more connection. An idle one makes room if it must.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, EgressError> {
        loop {
            if let Ok(permit) = Arc::clone(&self.inner.permits).try_acquire_owned() {
                return Ok(permit);
            }
            if !self.inner.pool.evict() {
                return Err(EgressError::Limit(Limit::Connections));
            }
            // A session closes in its own task, which takes a moment.
            let room = Arc::clone(&self.inner.permits).acquire_owned();
            if let Ok(Ok(permit)) = timeout(EVICTION, room).await {
                return Ok(permit);
            }
        }
    }
}
