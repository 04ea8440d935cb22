//! Probes: whether the process is alive, whether it should get requests, and its numbers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::metrics;
use crate::server::Service;

/// Whether the process answers at all.
pub(crate) async fn health() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Whether requests should come here: not while it ends, is full, or cannot make sandboxes.
pub(crate) async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.unready() {
        None => Json(json!({"status": "ready"})).into_response(),
        Some(why) => {
            let why = json!({"status": "not ready", "why": why});
            (StatusCode::SERVICE_UNAVAILABLE, Json(why)).into_response()
        }
    }
}

/// The numbers for Prometheus.
pub(crate) async fn numbers(State(service): State<Arc<Service>>) -> Response {
    match metrics::text(&service) {
        Some(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        None => {
            let why = json!({"error": "another recorder of this process has the metrics"});
            (StatusCode::NOT_IMPLEMENTED, Json(why)).into_response()
        }
    }
}
