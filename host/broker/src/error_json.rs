//! The errors that clients are told, as JSON: the variants of `error-code` in `wit/types.wit`, and the
//! broker's own.

use serde_json::{Map, Value, json};

use sandbox_net_egress::{
    CertificateFault, DnsFailure, EgressError, Limit, ProtocolFailure, TlsFailure,
};
use sandbox_net_gateway::Bounds;

/// An error that a client is told, and the status of the answer that carries it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorJson {
    pub(crate) status: u16,
    /// The word for programs.
    pub(crate) code: &'static str,
    value: Value,
}

impl ErrorJson {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::with(status, code, message, [])
    }

    fn with<const N: usize>(
        status: u16,
        code: &'static str,
        message: impl Into<String>,
        more: [(&str, Value); N],
    ) -> Self {
        let mut object = Map::new();
        object.insert("code".into(), code.into());
        object.extend(more.map(|(key, value)| (key.to_owned(), value)));
        object.insert("message".into(), message.into().into());
        Self {
            status,
            code,
            value: object.into(),
        }
    }

    /// The call lacks the run's token.
    pub(crate) fn unauthorized(is_proxy: bool) -> Self {
        let (status, field) = match is_proxy {
            true => (407, "Proxy-Authorization"),
            false => (401, "Authorization"),
        };
        let message = format!(
            "the call lacks the broker's token: send it in {field}, as 'Bearer TOKEN' or as Basic with \
             the user sandbox-net"
        );
        Self::new(status, "unauthorized", message)
    }

    /// The call comes from where none may come from.
    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(403, "forbidden", message)
    }

    /// A head or a body is larger than its bound.
    pub(crate) fn too_large(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, "too-large", message)
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(404, "not-found", message)
    }

    /// The call is not what the API takes.
    pub(crate) fn no_random_numbers() -> Self {
        Self::malformed("the system has no random numbers").status(500)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "malformed", message)
    }

    /// The same error with another status.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// What happened to a connection or to a request.
    pub(crate) fn egress(error: &EgressError, bounds: &Bounds) -> Self {
        let message = error.to_string();
        match error {
            EgressError::Denied(denial) => Self::with(
                403,
                "denied",
                message,
                [
                    ("reason", denial.reason.as_str().into()),
                    ("rule", denial.rule.as_str().into()),
                ],
            ),
            EgressError::Dns(failure) => {
                Self::with(502, "dns", message, [("failure", dns(*failure).into())])
            }
            EgressError::Refused => Self::new(502, "refused", message),
            EgressError::Unreachable => Self::new(502, "unreachable", message),
            EgressError::Reset => Self::new(502, "reset", message),
            EgressError::Timeout(phase) => {
                Self::with(504, "timeout", message, [("phase", phase.as_str().into())])
            }
            EgressError::Tls(failure) => Self::tls(failure, message),
            EgressError::Protocol(ProtocolFailure { fault, .. }) => {
                Self::new(502, "protocol", fault.to_string())
            }
            EgressError::Limit(limit) => Self::limit(*limit, bounds),
            EgressError::Closed => Self::new(502, "closed", message),
            EgressError::Invalid(_) => Self::new(400, "invalid", message),
        }
    }

    fn tls(failure: &TlsFailure, message: String) -> Self {
        let certificate = match failure {
            TlsFailure::Certificate { fault, .. } => certificate(*fault).into(),
            TlsFailure::Other(_) => Value::Null,
        };
        Self::with(502, "tls", message, [("certificate", certificate)])
    }

    fn limit(limit: Limit, bounds: &Bounds) -> Self {
        let budget = bounds.of(limit.as_str());
        let can_be_raised = budget.as_ref().is_some_and(|budget| !budget.fixed);
        Self::with(
            403,
            "limit",
            limit.to_string(),
            [
                ("limit", limit.as_str().into()),
                ("value", budget.map(|budget| budget.value).into()),
                ("can_be_raised", can_be_raised.into()),
            ],
        )
    }

    /// The error alone, for whoever asks later.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The sentence for people.
    pub(crate) fn message(&self) -> &str {
        self.value["message"].as_str().unwrap_or_default()
    }

    /// The body of an answer, which ends with a line feed.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut text = json!({ "error": self.value }).to_string();
        text.push('\n');
        text.into_bytes()
    }
}

fn dns(failure: DnsFailure) -> &'static str {
    match failure {
        DnsFailure::NotFound => "not-found",
        DnsFailure::Temporary => "temporary",
        DnsFailure::Failed => "failed",
    }
}

/// The name of a fault in the interface, such as `name-mismatch`.
fn certificate(fault: CertificateFault) -> String {
    let mut name = String::new();
    for (index, letter) in format!("{fault:?}").chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests;
