//! The sessions of an instance: made, found by their tenant alone, and ended when nobody uses them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sandbox_net::{InterruptHandle, Session, SessionOptions};
use serde_json::json;
use tokio::sync::{Mutex as TurnLock, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::narrow;
use crate::request::{SessionRequest, seconds};
use crate::run::write_files;
use crate::server::Service;
use crate::tenant::{Lent, Tenant};

/// How long a session that is closed may take to end as a script does.
const CLOSING: Duration = Duration::from_secs(5);
/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_millis(500);

/// All sessions of this instance.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, Arc<Entry>>>,
}

/// One session.
pub(crate) struct Entry {
    id: String,
    tenant: String,
    /// The turn that goes on holds it.
    pub(crate) live: Arc<TurnLock<Option<Live>>>,
    pub(crate) interrupt: InterruptHandle,
    /// Ends the session with the turn that goes on.
    pub(crate) closing: CancellationToken,
    pub(crate) output: u64,
    used: Mutex<Instant>,
    begun: Instant,
}

/// The interpreter of a session, and what it holds.
pub(crate) struct Live {
    pub(crate) session: Session,
    pub(crate) lent: Lent,
    _counted: OwnedSemaphorePermit,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of this tenant.
    ///
    /// # Errors
    ///
    /// 421 if another instance has it, 404 if there is none, or it is another tenant's.
    pub(crate) fn find(
        &self,
        service: &Service,
        tenant: &Tenant,
        id: &str,
    ) -> Result<Arc<Entry>, Failure> {
        match id.split_once('.') {
            Some((instance, _)) if instance == service.instance => {}
            Some((instance, _)) if crate::config::name_fault(instance).is_none() => {
                return Err(Failure::misdirected(instance, &service.instance));
            }
            _ => return Err(Failure::no_session()),
        }
        let found = self.lock().get(id).cloned();
        let own = found.filter(|entry| entry.tenant == tenant.name);
        own.ok_or_else(Failure::no_session)
    }

    /// Forgets a session, which ends when its turn does.
    pub(crate) fn forget(&self, entry: &Entry) {
        self.lock().remove(&entry.id);
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        let all: Vec<_> = self.lock().drain().collect();
        for (_, entry) in &all {
            entry.closing.cancel();
        }
    }

    /// Ends those that nobody has used for a while, and those that are too old.
    fn sweep(&self, idle: Duration, lifetime: Duration) {
        let now = Instant::now();
        let ended = |entry: &Entry| {
            let is_old = now.duration_since(entry.begun) >= lifetime;
            // A turn would be refused that comes while the lock is tried, so the time is asked first.
            let is_unused = now.duration_since(entry.used()) >= idle;
            let is_idle = is_unused && entry.live.try_lock().is_ok();
            is_old || is_idle
        };
        let mut all = self.lock();
        let over: Vec<_> = all.extract_if(|_, entry| ended(entry)).collect();
        // What they hold is dropped without the lock.
        drop(all);
        for (_, entry) in &over {
            entry.closing.cancel();
        }
    }
}

impl Entry {
    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts its idle time from now.
    pub(crate) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// Looks for sessions that are over, until the server ends.
pub(crate) async fn sweep(service: Arc<Service>) {
    let (idle, lifetime) = service.session_times;
    loop {
        tokio::select! {
            () = service.ending.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => service.sessions.sweep(idle, lifetime),
        }
    }
}

/// `POST /v1/sessions`.
pub(crate) async fn begin(
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    body: Body,
) -> Result<Response, Failure> {
    if service.is_draining() {
        return Err(Failure::draining());
    }
    let place = service.enter(&tenant)?;
    let (request, _room) = service
        .bodies
        .read::<SessionRequest>(&tenant.bodies, body)
        .await?;
    let narrower = request.policy.as_ref();
    let narrower = narrower.map(|wanted| narrow::narrowed(&tenant.policy, wanted));
    let narrower = narrower.transpose()?;
    let mut options = options(&request)?;
    for argument in request.arguments {
        options = options.arg(argument);
    }
    for (name, value) in request.environment {
        options = options.env(name, value);
    }
    let counted = Arc::clone(&tenant.sessions).try_acquire_owned();
    let counted = counted.map_err(|_| {
        let why = format!(
            "tenant '{}' has {} sessions, as many as may: end one",
            tenant.name, tenant.most_sessions
        );
        Failure::busy("sessions", why, 1)
    })?;
    tenant.counted()?;
    let _turn = place.turn().await;
    let lent = tenant.sandbox(narrower).await?;
    write_files(&lent.sandbox, &tenant, request.files).await?;
    let session = lent.sandbox.session_with(options).await?;
    let id = id(&service.instance)?;
    let entry = Arc::new(Entry {
        id: id.clone(),
        tenant: tenant.name.clone(),
        interrupt: session.interrupt_handle(),
        closing: service.ending.child_token(),
        output: request
            .limits
            .output
            .map_or(tenant.output, |own| own.min(tenant.output)),
        used: Mutex::new(Instant::now()),
        begun: Instant::now(),
        live: Arc::new(TurnLock::new(Some(Live {
            session,
            lent,
            _counted: counted,
        }))),
    });
    service.sessions.lock().insert(id.clone(), entry);
    let (idle, lifetime) = service.session_times;
    let body = json!({
        "id": id,
        "instance": service.instance,
        "idle_seconds": idle.as_secs_f64(),
        "lifetime_seconds": lifetime.as_secs_f64(),
    });
    let location = HeaderValue::from_str(&format!("/v1/sessions/{id}"));
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn options(request: &SessionRequest) -> Result<SessionOptions, Failure> {
    let limits = &request.limits;
    let mut options = SessionOptions::new();
    if let Some(limit) = seconds("seconds", limits.seconds)? {
        options = options.turn_time_limit(limit);
    }
    if let Some(limit) = seconds("cpu_seconds", limits.cpu_seconds)? {
        options = options.cpu_limit(limit);
    }
    if let Some(limit) = limits.memory {
        options = options.memory_limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if let Some(limit) = limits.requests {
        options = options.turn_request_limit(limit);
    }
    Ok(options)
}

/// A name that nobody can guess, with the instance that a proxy routes by.
fn id(instance: &str) -> Result<String, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        let why = format!("there are no random numbers: {error}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "random", why)
    })?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{instance}.{hex}"))
}

/// `DELETE /v1/sessions/{id}`: a turn that goes on is ended, otherwise the program ends as a script does.
pub(crate) async fn end(service: &Service, tenant: &Tenant, id: &str) -> Result<(), Failure> {
    let entry = service.sessions.find(service, tenant, id)?;
    service.sessions.forget(&entry);
    entry.closing.cancel();
    let live = entry.live.lock().await.take();
    let Some(Live { session, lent, .. }) = live else {
        return Ok(());
    };
    // Its end is a program like others. Without a turn for it in time, the session ends without that.
    let turn = service.enter_to_end(tenant).turn();
    if let Ok(_turn) = tokio::time::timeout(CLOSING, turn).await {
        // What it does at its end is its own affair; beyond the time it is dropped.
        let _ = tokio::time::timeout(CLOSING, session.close()).await;
    }
    drop(lent);
    Ok(())
}
