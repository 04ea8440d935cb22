//! `POST /api/stream`: a request and its response with bodies of any size.
//!
//! The head of the request is in fields of the call, and the head of the response in fields of the
//! answer; the bodies are the call's and the answer's own.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_egress::{BodyKind, EgressError, Fields, Phase, ResponseHead};
use sandbox_net_gateway::{Completion, Outgoing, RequestHead, Stage};
use sandbox_net_policy::Origin;
use sandbox_net_policy::syntax::check_head;

use super::reply::refuse;
use crate::error_json::ErrorJson;
use crate::forward::settle;
use crate::http::{AnswerHead, Connection, Head, Own};
use crate::reply::{After, say};
use crate::shared::Shared;
use crate::target;

const URL: &str = "x-sandbox-net-url";
const METHOD: &str = "x-sandbox-net-method";
const TIMEOUT: &str = "x-sandbox-net-timeout";
/// Before the name of each field of the request, and of the response.
const FIELD: &[u8] = b"X-Sandbox-Net-Field-";

pub(super) async fn stream(shared: &Shared, connection: &mut Connection, head: &Head) -> After {
    let wanted = match Wanted::read(head) {
        Ok(wanted) => wanted,
        Err(fault) => {
            let message = match fault {
                Fault::Call(message) => message,
                Fault::Url(message) => {
                    record(shared, head);
                    message
                }
            };
            let error = ErrorJson::malformed(message);
            return refuse(shared, connection, head, &error).await;
        }
    };
    if let Err(message) = wanted.check() {
        record(shared, head);
        let error = shared.error(&EgressError::Invalid(message));
        let persists = head.kind.is_empty();
        return After::answer(say(connection, Some(head), &error, persists).await);
    }
    let Wanted {
        origin,
        head: own,
        timeout,
    } = wanted;
    let completion = Completion::new();
    let send = |body| {
        let (gateway, completion) = (shared.gateway.clone(), Arc::clone(&completion));
        let kind = head.kind;
        async move {
            let sent = async {
                let outgoing = Outgoing {
                    link: Shared::reach(&gateway, origin, None).await?,
                    head: own,
                    kind,
                    completion,
                    takes_unframed: false,
                    between_bytes: None,
                };
                gateway.send(outgoing, body).await
            };
            match timeout {
                None => sent.await,
                Some(limit) => tokio::time::timeout(limit, sent)
                    .await
                    .unwrap_or(Err(EgressError::Timeout(Phase::Head))),
            }
        }
    };
    let exchanged = connection.exchange(head, &completion, told, send).await;
    completion.cancel();
    settle(shared, connection, head, exchanged).await
}

/// Records that what is asked for is no request, as at the other ways to ask.
fn record(shared: &Shared, head: &Head) {
    let field = |name| head.single(name).ok().flatten();
    let url = String::from_utf8_lossy(field(URL).unwrap_or_default());
    let method = field(METHOD);
    shared.gateway.malformed(Stage::Request, &url, method);
}

/// What is wrong with a call.
enum Fault {
    /// It is not what this path takes.
    Call(String),
    /// The URL that it asks for is none.
    Url(String),
}

/// The request that a call describes.
struct Wanted {
    origin: Origin,
    head: RequestHead,
    timeout: Option<Duration>,
}

impl Wanted {
    fn read(head: &Head) -> Result<Self, Fault> {
        let url = text(head, URL).map_err(Fault::Call)?;
        let url = url.ok_or_else(|| Fault::Call(format!("the field {URL} is missing")))?;
        let (origin, path) = target::url(url).map_err(Fault::Url)?;
        let seconds = text(head, TIMEOUT).map_err(Fault::Call)?;
        let seconds = seconds.map(|seconds| {
            let number: Option<f64> = seconds.parse().ok();
            number
                .filter(|number| *number > 0.0 && *number < 1e9)
                .map(Duration::from_secs_f64)
                .ok_or_else(|| format!("the field {TIMEOUT} is not a number of seconds above 0"))
        });
        let mut fields = Fields::new();
        for (name, value) in &head.fields {
            let (start, rest) = name.split_at(name.len().min(FIELD.len()));
            if start.eq_ignore_ascii_case(FIELD) {
                fields.push((rest.to_vec(), value.clone()));
            }
        }
        // The call's own expectation is the request's, too.
        if head.expects_continue {
            fields.push((b"Expect".into(), b"100-continue".into()));
        }
        let method = text(head, METHOD).map_err(Fault::Call)?;
        let method = method.unwrap_or(match head.kind {
            BodyKind::None => "GET",
            _ => "POST",
        });
        Ok(Self {
            origin,
            head: RequestHead {
                method: method.as_bytes().to_vec(),
                path: path.into_bytes(),
                fields,
            },
            timeout: seconds.transpose().map_err(Fault::Call)?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let RequestHead {
            method,
            path,
            fields,
        } = &self.head;
        check_head(method, path, fields).map_err(|error| error.to_string())
    }
}

/// The value of a field that occurs once at most.
fn text<'a>(head: &'a Head, name: &'static str) -> Result<Option<&'a str>, String> {
    match head.single(name) {
        Ok(Some(value)) => std::str::from_utf8(value)
            .map(Some)
            .map_err(|_| format!("the field {name} is not a text in UTF-8")),
        Ok(None) => Ok(None),
        Err(_) => Err(format!("the field {name} occurs more than once")),
    }
}

/// The answer that has the response's head in its fields.
fn told(response: &ResponseHead, call: &Head) -> AnswerHead {
    let mut own = Own::new(200, "application/octet-stream")
        .with("X-Sandbox-Net-Status", &response.status.to_string());
    let reason = (b"X-Sandbox-Net-Reason".to_vec(), response.reason.clone());
    own.fields.push(reason);
    let named = |(name, value): &(Vec<u8>, Vec<u8>)| ([FIELD, name].concat(), value.clone());
    own.fields.extend(response.fields.iter().map(named));
    AnswerHead::own(own, None, Some(call), true)
}
