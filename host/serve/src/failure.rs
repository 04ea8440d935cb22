//! Answers that refuse: a status code, a word for programs and a text for people.

use std::io;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sandbox_net::{Error, PoolError};
use serde_json::json;

/// An answer without a program.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    why: String,
    /// Seconds after which the same request may pass.
    retry: Option<u64>,
    /// The instance that has the session.
    instance: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, why: impl Into<String>) -> Self {
        Self {
            status,
            code,
            why: why.into(),
            retry: None,
            instance: None,
        }
    }

    /// The request says something that cannot be done.
    pub(crate) fn bad(code: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, why)
    }

    /// The policy of a request allows more than its tenant's.
    pub(crate) fn widens(rules: &str) -> Self {
        let why = format!(
            "the policy of the request allows what the tenant's does not, as far as can be shown: \
             {rules}; a request can only narrow"
        );
        Self::new(StatusCode::FORBIDDEN, "policy-widens", why)
    }

    /// As many as may, now.
    pub(crate) fn busy(code: &'static str, why: impl Into<String>, after: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, why).retry(after)
    }

    /// The server ends.
    pub(crate) fn draining() -> Self {
        let why = "this instance ends and takes no more programs: ask another one";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", why).retry(1)
    }

    /// The session lives elsewhere.
    pub(crate) fn misdirected(instance: &str, here: &str) -> Self {
        let why = format!(
            "the session belongs to the instance '{instance}', and this is '{here}': route by the \
             part of the id before the dot"
        );
        Self {
            instance: Some(instance.to_owned()),
            ..Self::new(StatusCode::MISDIRECTED_REQUEST, "other-instance", why)
        }
    }

    /// There is no such session for this tenant.
    pub(crate) fn no_session() -> Self {
        let why = "there is no such session: it has ended, was idle too long, or never was";
        Self::new(StatusCode::NOT_FOUND, "no-session", why)
    }

    pub(crate) fn retry(mut self, after: u64) -> Self {
        self.retry = Some(after);
        self
    }

    pub(crate) fn text(&self) -> &str {
        &self.why
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::Pool(PoolError::Busy { .. }) | Error::Busy { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "busy")
            }
            Error::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            Error::Pool(PoolError::Closed) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            Error::Files(source) if is_full(source) => {
                (StatusCode::INSUFFICIENT_STORAGE, "disk-full")
            }
            // The sandbox's own disk: the host's would have a number.
            Error::File { source, .. } if is_quota(source) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "files")
            }
            Error::Files(_) | Error::Pool(_) => (StatusCode::SERVICE_UNAVAILABLE, "no-sandbox"),
            Error::File { source, .. } if is_full(source) => {
                (StatusCode::INSUFFICIENT_STORAGE, "disk-full")
            }
            Error::File { .. } => (StatusCode::BAD_REQUEST, "file"),
            Error::Setting { .. }
            | Error::Environment(_)
            | Error::Variable { .. }
            | Error::Argument => (StatusCode::BAD_REQUEST, "setting"),
            Error::HostMemory => (StatusCode::BAD_REQUEST, "host-memory"),
            Error::SessionEnded { .. } => (StatusCode::GONE, "session-ended"),
            Error::SessionBusy => (StatusCode::CONFLICT, "session-busy"),
            Error::Start(_) => (StatusCode::SERVICE_UNAVAILABLE, "start"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let failure = Self::new(status, code, error.to_string());
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => failure.retry(1),
            _ => failure,
        }
    }
}

/// Whether the sandbox has as much as it may.
fn is_quota(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::QuotaExceeded && error.raw_os_error().is_none()
}

/// Whether a disk, or what may be used of it, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": self.why, "code": self.code});
        let mut response = (self.status, Json(body)).into_response();
        let fields = response.headers_mut();
        if let Some(after) = self.retry {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let instance = self.instance.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(instance)) = instance {
            fields.insert(crate::router::INSTANCE, instance);
        }
        response
    }
}
