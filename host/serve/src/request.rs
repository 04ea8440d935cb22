//! What clients send: programs, turns and sessions as JSON, of which every key is enforced.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::failure::Failure;
use crate::few;

/// The body of `POST /v1/run`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunRequest {
    pub(crate) code: String,
    #[serde(default, deserialize_with = "few::words")]
    pub(crate) arguments: Vec<String>,
    #[serde(default, deserialize_with = "few::variables")]
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: Option<Content>,
    #[serde(default, deserialize_with = "few::files")]
    pub(crate) files: BTreeMap<String, Content>,
    #[serde(default, deserialize_with = "few::object_or_none")]
    pub(crate) policy: Option<PolicyRequest>,
    #[serde(default, deserialize_with = "few::object")]
    pub(crate) limits: Limits,
}

/// The body of `POST /v1/sessions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionRequest {
    #[serde(deserialize_with = "few::words")]
    pub(crate) arguments: Vec<String>,
    #[serde(deserialize_with = "few::variables")]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(deserialize_with = "few::files")]
    pub(crate) files: BTreeMap<String, Content>,
    #[serde(deserialize_with = "few::object_or_none")]
    pub(crate) policy: Option<PolicyRequest>,
    #[serde(deserialize_with = "few::object")]
    pub(crate) limits: Limits,
}

/// The body of `POST /v1/sessions/{id}/turns`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnRequest {
    pub(crate) code: String,
    #[serde(default, deserialize_with = "few::files")]
    pub(crate) files: BTreeMap<String, Content>,
    #[serde(default, deserialize_with = "few::object")]
    pub(crate) limits: TurnLimits,
}

/// Rules and budgets that narrow those of the tenant.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PolicyRequest {
    #[serde(deserialize_with = "few::words")]
    pub(crate) allow: Vec<String>,
    #[serde(deserialize_with = "few::words")]
    pub(crate) deny: Vec<String>,
    #[serde(deserialize_with = "few::object")]
    pub(crate) budgets: BudgetsRequest,
}

/// The budgets of one program, or of one session.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BudgetsRequest {
    pub(crate) requests: Option<u64>,
    pub(crate) requests_per_second: Option<u32>,
    pub(crate) connections: Option<u32>,
    pub(crate) bytes_up: Option<u64>,
    pub(crate) bytes_down: Option<u64>,
    pub(crate) hosts: Option<u32>,
    pub(crate) lookups: Option<u64>,
}

/// Limits of one program, or of a session. Of two limits the smaller one counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) seconds: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) memory: Option<u64>,
    pub(crate) requests: Option<u64>,
    pub(crate) output: Option<u64>,
}

/// Limits of one turn.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TurnLimits {
    pub(crate) seconds: Option<f64>,
    pub(crate) requests: Option<u64>,
    pub(crate) output: Option<u64>,
}

/// A text, or bytes in base64.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// The text itself.
    Text(String),
    /// `{"base64": "…"}`.
    #[serde(deserialize_with = "few::object")]
    Encoded(Encoded),
}

/// Bytes in base64.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encoded {
    base64: String,
}

impl Content {
    /// The bytes.
    ///
    /// # Errors
    ///
    /// 400 if they are not in base64; `what` names them.
    pub(crate) fn bytes(self, what: &str) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Encoded(Encoded { base64 }) => STANDARD.decode(base64).map_err(|error| {
                Failure::bad("base64", format!("{what}: it is no base64: {error}"))
            }),
        }
    }
}

/// A limit in seconds.
///
/// # Errors
///
/// 400 if it is negative, zero or too large.
pub(crate) fn seconds(key: &str, limit: Option<f64>) -> Result<Option<Duration>, Failure> {
    let Some(limit) = limit else {
        return Ok(None);
    };
    match Duration::try_from_secs_f64(limit) {
        Ok(time) if !time.is_zero() => Ok(Some(time)),
        Ok(_) => Err(Failure::bad(
            "limit",
            format!("limits: {key} is zero: raise it, or omit it"),
        )),
        Err(_) => {
            let why = format!(
                "limits: {key} is {limit}, which is negative or too large: write seconds above zero"
            );
            Err(Failure::bad("limit", why))
        }
    }
}
