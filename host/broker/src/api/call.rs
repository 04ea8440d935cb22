//! `POST /api/proxy`: a whole request and its whole response, as JSON.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use sandbox_net_egress::account::Reservation;
use sandbox_net_egress::{BodyKind, EgressError, Fields, Phase, ResponseHead};
use sandbox_net_gateway::{Body, Request, RequestHead, Stage};
use sandbox_net_policy::syntax::check_head;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{answer, body, fail};
use crate::error_json::ErrorJson;
use crate::http::{Connection, Head};
use crate::reply::After;
use crate::shared::Shared;
use crate::target;

/// The longest timeout that makes a difference: the deadline of requests is earlier.
const LONGEST: f64 = 86_400.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    headers: Headers,
    body: Option<String>,
    body_base64: Option<String>,
    timeout: Option<f64>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Fields as an object, or as pairs that keep order and duplicates.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "headers are an object of texts, or a list of pairs of texts"
)]
enum Headers {
    Pairs(Vec<(String, String)>),
    Object(serde_json::Map<String, Value>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}

/// Why a call has no response.
enum Failure {
    Call(ErrorJson),
    Egress(EgressError),
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        Self::Egress(error)
    }
}

fn malformed(message: impl Into<String>) -> Failure {
    Failure::Call(ErrorJson::malformed(message))
}

pub(super) async fn proxy(shared: &Shared, connection: &mut Connection, head: &Head) -> After {
    let body = match body(shared, connection, head).await {
        Ok(body) => body,
        Err(after) => return after,
    };
    match connection
        .unless_gone(carried_out(shared, &body.bytes))
        .await
    {
        None => After::Reset,
        Some(Ok((value, _held))) => answer(connection, head, &value).await,
        Some(Err(Failure::Egress(error))) => fail(connection, head, &shared.error(&error)).await,
        Some(Err(Failure::Call(error))) => {
            shared.metrics.error(error.code);
            fail(connection, head, &error).await
        }
    }
}

/// The response as JSON, and the memory that it takes.
async fn carried_out(shared: &Shared, text: &[u8]) -> Result<(Value, Reservation), Failure> {
    let wrong = |error| malformed(format!("the body is not what this path takes: {error}"));
    let call: Call = serde_json::from_slice(text).map_err(wrong)?;
    let timeout = call.timeout.map(|seconds| match seconds > 0.0 {
        true => Ok(Duration::from_secs_f64(seconds.min(LONGEST))),
        false => Err(malformed("the timeout is not a number of seconds above 0")),
    });
    let timeout = timeout.transpose()?;
    // The text, what it holds, and the body once more.
    let mut held = reserve(shared, text.len() * 2)?;
    let (request, body) = request(shared, call)?;
    let sent = response(shared, request, body, &mut held);
    let value = match timeout {
        None => sent.await?,
        Some(limit) => tokio::time::timeout(limit, sent)
            .await
            .map_err(|_| EgressError::Timeout(Phase::Head))??,
    };
    Ok((value, held))
}

fn reserve(shared: &Shared, bytes: usize) -> Result<Reservation, EgressError> {
    let reserved = shared.gateway.memory().reserve(bytes);
    reserved.map_err(EgressError::Limit)
}

/// The request that a call describes.
fn request(shared: &Shared, call: Call) -> Result<(Request, Body), Failure> {
    let bytes = match (call.body, call.body_base64) {
        (Some(_), Some(_)) => {
            return Err(malformed(
                "the call has both 'body' and 'body_base64': give one",
            ));
        }
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(text)) => {
            let decoded = STANDARD.decode(text);
            Some(decoded.map_err(|_| malformed("'body_base64' is not base64"))?)
        }
        (None, None) => None,
    };
    let fields = fields(call.headers)?;
    let invalid = |message: String| {
        let method = Some(call.method.as_bytes());
        shared.gateway.malformed(Stage::Request, &call.url, method);
        Failure::Egress(EgressError::Invalid(message))
    };
    let (origin, path) = target::url(&call.url).map_err(invalid)?;
    let head = RequestHead {
        method: call.method.clone().into_bytes(),
        path: path.into_bytes(),
        fields,
    };
    if let Err(error) = check_head(&head.method, &head.path, &head.fields) {
        return Err(invalid(error.to_string()));
    }
    let kind = match &bytes {
        Some(bytes) => BodyKind::Sized(bytes.len() as u64),
        None => BodyKind::None,
    };
    let body = Full::new(Bytes::from(bytes.unwrap_or_default()));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    Ok((Request::new(origin, head, kind), body))
}

fn fields(headers: Headers) -> Result<Fields, Failure> {
    match headers {
        Headers::Pairs(pairs) => Ok(pairs
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
            .collect()),
        Headers::Object(object) => object
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(value) => Ok((name.into_bytes(), value.into_bytes())),
                _ => Err(malformed("a header's value is not a text")),
            })
            .collect(),
    }
}

/// The whole response, in memory that is taken as it comes.
async fn response(
    shared: &Shared,
    request: Request,
    body: Body,
    held: &mut Reservation,
) -> Result<Value, Failure> {
    let response = shared.gateway.fetch(request, body).await?;
    let head = response.head.map_err(EgressError::Protocol)?;
    let (mut body, mut whole) = (response.body, Vec::new());
    let most = shared.limits.api_body;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if whole.len() + data.len() > most {
            let message = format!("the response is larger than {most} bytes: use /api/stream");
            return Err(Failure::Call(ErrorJson::too_large(502, message)));
        }
        // Once as it is, once as base64, and once as text.
        held.grow(data.len() * 4).map_err(EgressError::Limit)?;
        whole.extend_from_slice(&data);
    }
    Ok(json(&head, &whole))
}

fn json(head: &ResponseHead, body: &[u8]) -> Value {
    let headers: Vec<_> = head
        .fields
        .iter()
        .map(|(name, value)| [latin1(name), latin1(value)])
        .collect();
    json!({
        "status": head.status,
        "reason": latin1(&head.reason),
        "headers": headers,
        "body_base64": STANDARD.encode(body),
    })
}

/// Each byte as one character, as Python's own HTTP client reads heads.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
