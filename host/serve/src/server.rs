//! The server: starts what the configuration asks for, and ends it without losing what runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use sandbox_net::{Engine, Snapshot};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Log;
use crate::body::Bodies;
use crate::config::{Config, name_fault};
use crate::listener::Connections;
use crate::sessions::{self, Sessions};
use crate::start_error::StartError;
use crate::tenant::{Common, Tenant};
use crate::{metrics, router};

/// How long the last lines have on their way to the clients.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How long a collector has for the last lines of the audit log.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// A server that listens. Dropping it ends all programs at once; [`drain`](Self::drain) lets them finish.
#[derive(Debug)]
#[must_use = "dropping the server ends it"]
pub struct Server {
    service: Arc<Service>,
    connections: Connections,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    notice: Duration,
    grace: Duration,
}

/// What all calls use.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    /// Of all tenants.
    pub(crate) turns: Arc<Semaphore>,
    running: usize,
    pub(crate) bodies: Bodies,
    pub(crate) sessions: Sessions,
    pub(crate) session_times: (Duration, Duration),
    pub(crate) instance: String,
    pub(crate) instance_field: HeaderValue,
    pub(crate) write_timeout: Duration,
    /// Programs and turns that go on.
    pub(crate) tasks: TaskTracker,
    /// The time of all that runs is over.
    pub(crate) ending: CancellationToken,
    draining: AtomicBool,
    places: Arc<Semaphore>,
    most_connections: usize,
    logs: Vec<Log>,
}

impl Server {
    /// Makes the sandboxes of all tenants, and listens.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what cannot be used.
    pub async fn start(config: Config, engine: Engine) -> Result<Self, StartError> {
        metrics::install();
        let logs = Log::open(&config.file.audit)?;
        let tenants = tenants(&config, &engine, &logs).await?;
        let (server, programs) = (&config.file.server, &config.file.programs);
        let running = programs.running.min(Semaphore::MAX_PERMITS);
        let instance = instance(server.instance.as_deref())?;
        let places = Arc::new(Semaphore::new(
            server.connections.min(Semaphore::MAX_PERMITS),
        ));
        let service = Arc::new(Service {
            engine,
            tenants,
            turns: Arc::new(Semaphore::new(running)),
            running,
            bodies: Bodies::new(server),
            sessions: Sessions::default(),
            session_times: (
                config.file.sessions.idle.duration(),
                config.file.sessions.lifetime.duration(),
            ),
            instance_field: HeaderValue::from_str(&instance)
                .unwrap_or_else(|_| HeaderValue::from_static("local")),
            instance,
            write_timeout: server.write_timeout.duration(),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            draining: AtomicBool::new(false),
            places: Arc::clone(&places),
            most_connections: server.connections,
            logs,
        });
        let connections = Connections {
            places,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            aborting: CancellationToken::new(),
            head_timeout: server.head_timeout.duration(),
            write_timeout: server.write_timeout.duration(),
        };
        let (listener, address) = listen(server.listen).await?;
        let admin = match server.admin {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let public = router::public(Arc::clone(&service), admin.is_none());
        tokio::spawn(connections.clone().accept(listener, public));
        let admin = admin.map(|(listener, address)| {
            // Probes have connections of their own: a full server answers them too.
            let places = Arc::new(Semaphore::new(64));
            let probes = Connections {
                places,
                tasks: TaskTracker::new(),
                closing: connections.aborting.clone(),
                ..connections.clone()
            };
            tokio::spawn(probes.accept(listener, router::admin(Arc::clone(&service))));
            address
        });
        tokio::spawn(sessions::sweep(Arc::clone(&service)));
        Ok(Self {
            service,
            connections,
            address,
            admin,
            notice: server.notice.duration(),
            grace: server.grace.duration(),
        })
    }

    /// Where clients call.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where probes and metrics are, if they have an address of their own.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The name of this instance in the ids of its sessions.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.service.instance
    }

    /// Ends the server so that nothing is lost that can end in time.
    ///
    /// 1. Readiness fails at once, and no session begins. All else goes on for the time of `notice`, so that a
    ///    proxy finds out.
    /// 2. No connection is accepted any more. What was asked for goes on for the time of `grace`.
    /// 3. What still runs is ended, with a last line that says so. Sessions end. A collector has a few seconds
    ///    to take the rest of the audit log.
    pub async fn drain(self) {
        let service = &self.service;
        service.draining.store(true, Ordering::SeqCst);
        tokio::time::sleep(self.notice).await;
        self.connections.closing.cancel();
        self.connections.tasks.close();
        service.tasks.close();
        let all = async {
            self.connections.tasks.wait().await;
            service.tasks.wait().await;
        };
        let _ = tokio::time::timeout(self.grace, all).await;
        service.ending.cancel();
        service.sessions.clear();
        let all = async {
            service.tasks.wait().await;
            self.connections.tasks.wait().await;
        };
        let _ = tokio::time::timeout(LAST_LINES, all).await;
        self.connections.aborting.cancel();
        for tenant in &service.tenants {
            if let Err(error) = tenant.pool.close().await {
                tracing::warn!(target: "sandbox_net::serve", "tenant '{}': {error}", tenant.name);
            }
        }
        let logs = service.logs.clone();
        let flush = move || logs.iter().all(|log| log.flush(LAST_RECORDS));
        if !tokio::task::spawn_blocking(flush).await.unwrap_or(false) {
            let why = "the collector did not take the last lines of the audit log: they are lost";
            tracing::warn!(target: "sandbox_net::serve", "{why}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.connections.closing.cancel();
        self.connections.aborting.cancel();
        self.service.ending.cancel();
        self.service.sessions.clear();
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.most_connections
            .saturating_sub(self.places.available_permits())
    }

    /// How many programs wait for their turn, of all tenants.
    pub(crate) fn waiting(&self) -> usize {
        let inside: usize = self.tenants.iter().map(|tenant| tenant.gate.inside()).sum();
        let running = self.running - self.turns.available_permits().min(self.running);
        inside.saturating_sub(running)
    }

    /// Why no requests should come here, if none should. What the programs of one tenant do never makes it so for
    /// others.
    pub(crate) fn unready(&self) -> Option<String> {
        if self.is_draining() {
            return Some("this instance ends".to_owned());
        }
        if self.places.available_permits() == 0 {
            return Some("there are as many connections as may".to_owned());
        }
        if self.logs.iter().any(Log::is_stuck) {
            return Some("the collector does not take the audit log".to_owned());
        }
        if self.tenants.iter().all(|tenant| tenant.gate.is_full()) {
            return Some("the queues of all tenants are full".to_owned());
        }
        let failures = self
            .tenants
            .iter()
            .map(|tenant| tenant.pool.stats().last_failure);
        let failures: Option<Vec<String>> = failures.collect();
        let last = failures.and_then(|mut all| all.pop());
        last.map(|why| format!("sandboxes can't be made: {why}"))
    }
}

/// Makes the sandboxes of all tenants.
async fn tenants(
    config: &Config,
    engine: &Engine,
    logs: &[Log],
) -> Result<Vec<Arc<Tenant>>, StartError> {
    let programs = &config.file.programs;
    let unusable = |path: &std::path::Path, source| StartError::File {
        path: path.display().to_string(),
        source,
    };
    let certificates = programs.ca.iter();
    let certificates = certificates.map(|path| std::fs::read(path).map_err(|e| unusable(path, e)));
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    let snapshot = match &programs.snapshot {
        Some(path) => {
            let opened = Snapshot::open(engine, path).await;
            Some(opened.map_err(|error| StartError::Snapshot(Box::new(error)))?)
        }
        None => None,
    };
    let common = Common {
        config,
        engine,
        snapshot: snapshot.as_ref(),
        certificates: &certificates,
        logs,
    };
    let mut tenants = Vec::new();
    for own in &config.tenants {
        let started = Tenant::start(own, &common).await;
        tenants.push(Arc::new(started.map_err(|source| StartError::Tenant {
            tenant: own.file.name.clone(),
            source: Box::new(source),
        })?));
    }
    for tenant in &tenants {
        // The first client waits for nothing.
        tenant
            .pool
            .filled()
            .await
            .map_err(|source| StartError::Tenant {
                tenant: tenant.name.clone(),
                source: Box::new(source),
            })?;
    }
    Ok(tenants)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The name of this instance: the configuration's, the machine's if it can be one, or one that no other has.
fn instance(own: Option<&str>) -> Result<String, StartError> {
    let machine = || std::env::var("HOSTNAME").ok();
    let name = own.map(str::to_owned).or_else(machine);
    let name = name.filter(|name| name_fault(name).is_none());
    let made = || Ok(format!("local-{:08x}", getrandom::u32()?));
    let random = |error: getrandom::Error| StartError::Random(io::Error::other(error));
    name.map_or_else(made, Ok).map_err(random)
}
