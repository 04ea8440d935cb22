//! Which call is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};

use crate::calls::call;
use crate::failure::Failure;
use crate::server::Service;
use crate::{probes, run, sessions, turn};

/// The field that names the instance that answers, or that has a session.
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("sandbox-net-instance");
/// The field that names the sandbox, as the audit log does.
pub(crate) const SANDBOX: HeaderName = HeaderName::from_static("sandbox-net-sandbox");

/// What clients call; with the probes, unless these have an address of their own.
pub(crate) fn public(service: Arc<Service>, has_metrics: bool) -> Router {
    let mut router = Router::new()
        .route("/v1/run", post(run_program))
        .route("/v1/sessions", post(begin_session))
        .route("/v1/sessions/{id}", delete(end_session))
        .route("/v1/sessions/{id}/turns", post(take_turn))
        .route("/v1/sessions/{id}/interrupt", post(interrupt))
        .route("/healthz", get(probes::health))
        .route("/readyz", get(probes::ready));
    if has_metrics {
        router = router.route("/metrics", get(probes::numbers));
    }
    finished(router, service)
}

/// What the operator calls.
pub(crate) fn admin(service: Arc<Service>) -> Router {
    let router = Router::new()
        .route("/healthz", get(probes::health))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::numbers));
    finished(router, service)
}

fn finished(router: Router<Arc<Service>>, service: Arc<Service>) -> Router {
    let nothing = async || {
        Failure::new(
            StatusCode::NOT_FOUND,
            "no-route",
            "there is no such call: see docs/serve.md",
        )
    };
    let other = async || {
        let why = "the call has another method: see docs/serve.md";
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method", why)
    };
    router
        .fallback(nothing)
        .method_not_allowed_fallback(other)
        .with_state(service)
}

async fn run_program(State(service): State<Arc<Service>>, head: HeaderMap, body: Body) -> Response {
    let to = Arc::clone(&service);
    call(&service, "/v1/run", &head, |tenant| {
        run::run(to, tenant, body)
    })
    .await
}

async fn begin_session(
    State(service): State<Arc<Service>>,
    head: HeaderMap,
    body: Body,
) -> Response {
    let to = Arc::clone(&service);
    call(&service, "/v1/sessions", &head, |tenant| {
        sessions::begin(to, tenant, body)
    })
    .await
}

/// The id of a session, or something that is none.
type Id = Result<Path<String>, PathRejection>;

/// No session has the name of what is no id, and only a tenant is told.
fn named(id: Id) -> String {
    id.map_or_else(|_| String::new(), |Path(id)| id)
}

async fn take_turn(
    State(service): State<Arc<Service>>,
    id: Id,
    head: HeaderMap,
    body: Body,
) -> Response {
    let to = Arc::clone(&service);
    call(&service, "/v1/sessions/{id}/turns", &head, |tenant| {
        turn::turn(to, tenant, named(id), body)
    })
    .await
}

async fn end_session(State(service): State<Arc<Service>>, id: Id, head: HeaderMap) -> Response {
    let to = Arc::clone(&service);
    call(&service, "/v1/sessions/{id}", &head, async |tenant| {
        sessions::end(&to, &tenant, &named(id)).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

async fn interrupt(State(service): State<Arc<Service>>, id: Id, head: HeaderMap) -> Response {
    let to = Arc::clone(&service);
    call(
        &service,
        "/v1/sessions/{id}/interrupt",
        &head,
        async |tenant| {
            let found = to.sessions.find(&to, &tenant, &named(id))?;
            found.interrupt.interrupt();
            Ok(StatusCode::NO_CONTENT.into_response())
        },
    )
    .await
}
