//! What every call goes through: who asks, a place in both queues, a span, and a count.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use crate::failure::Failure;
use crate::gate;
use crate::metrics;
use crate::server::Service;
use crate::tenant::Tenant;
use crate::token::Digest;

/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 4096;

/// A place in the queue of a tenant.
pub(crate) struct Place {
    tenant: gate::Place,
    /// The turns of all tenants.
    turns: Arc<Semaphore>,
}

/// The right to run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _server: Option<OwnedSemaphorePermit>,
    _tenant: gate::Turn,
}

impl Place {
    /// Waits for the turn. The tenant's comes first, so that one with a long queue holds up no other for longer
    /// than a program takes.
    pub(crate) async fn turn(self) -> Turn {
        let tenant = self.tenant.turn().await;
        Turn {
            // The semaphore is never closed.
            _server: self.turns.acquire_owned().await.ok(),
            _tenant: tenant,
        }
    }
}

impl Service {
    /// Who asks.
    ///
    /// # Errors
    ///
    /// 401, which does not tell whether a token is unknown or missing.
    fn tenant(&self, head: &HeaderMap) -> Result<Arc<Tenant>, Failure> {
        let field = head
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes());
        let token = field.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        let token = token.filter(|token| token.len() <= LONGEST_TOKEN);
        let digest = Digest::of(token.unwrap_or_default());
        // All tenants are asked, so that the time does not tell which one it is.
        let known = self.tenants.iter().filter(|tenant| tenant.knows(&digest));
        let known: Vec<_> = known.collect();
        match (token, known.first()) {
            (Some(_), Some(tenant)) => Ok(Arc::clone(tenant)),
            _ => {
                let why = "no tenant has this token: send 'authorization: Bearer TOKEN'";
                Err(Failure::new(StatusCode::UNAUTHORIZED, "unknown-token", why))
            }
        }
    }

    /// A place for a program or a turn.
    ///
    /// # Errors
    ///
    /// 429 if the tenant has as many as it may.
    pub(crate) fn enter(&self, tenant: &Tenant) -> Result<Place, Failure> {
        let own = tenant.gate.enter().ok_or_else(|| {
            let why = format!(
                "tenant '{}' has as many programs that run and wait as may: try again later",
                tenant.name
            );
            Failure::busy("tenant-busy", why, 1)
        })?;
        Ok(Place {
            tenant: own,
            turns: Arc::clone(&self.turns),
        })
    }

    /// A place for the end of a session, which is never refused: a tenant has only so many sessions.
    pub(crate) fn enter_to_end(&self, tenant: &Tenant) -> Place {
        Place {
            tenant: tenant.gate.enter_anyway(),
            turns: Arc::clone(&self.turns),
        }
    }
}

/// Does the work of a call for the tenant who asks. When the time of a server that ends is over, what waits
/// is refused.
pub(crate) async fn call<Work>(
    service: &Arc<Service>,
    route: &'static str,
    head: &HeaderMap,
    work: impl FnOnce(Arc<Tenant>) -> Work,
) -> Response
where
    Work: Future<Output = Result<Response, Failure>>,
{
    let begin = Instant::now();
    let span = tracing::info_span!(
        target: "sandbox_net::serve",
        "call",
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        sandbox_net.tenant = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
    );
    let (tenant, done) = async {
        match service.tenant(head) {
            Err(failure) => (None, Err(failure)),
            Ok(tenant) => {
                tracing::Span::current().record("sandbox_net.tenant", tenant.name.as_str());
                let done = tokio::select! {
                    biased;
                    () = service.ending.cancelled() => Err(Failure::draining()),
                    done = work(Arc::clone(&tenant)) => done,
                };
                (Some(tenant), done)
            }
        }
    }
    .instrument(span.clone())
    .await;
    let mut response = done.unwrap_or_else(Failure::into_response);
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let name = tenant.as_ref().map_or("", |tenant| tenant.name.as_str());
    metrics::called(route, name, status, begin.elapsed());
    if !response.headers().contains_key(crate::router::INSTANCE) {
        let fields = response.headers_mut();
        fields.insert(crate::router::INSTANCE, service.instance_field.clone());
    }
    response
}
