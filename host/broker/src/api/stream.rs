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
        Err(message) => {
            let error = ErrorJson::malformed(message);
            return refuse(shared, connection, head, &error).await;
        }
    };
    if let Err(error) = wanted.check() {
        let url = head.single(URL).ok().flatten().unwrap_or_default();
        let url = String::from_utf8_lossy(url);
        let method = Some(wanted.head.method.as_slice());
        shared.gateway.malformed(Stage::Request, &url, method);
        let error = shared.error(&EgressError::Invalid(error));
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

/// The request that a call describes.
struct Wanted {
    origin: Origin,
    head: RequestHead,
    timeout: Option<Duration>,
}

impl Wanted {
    fn read(head: &Head) -> Result<Self, String> {
        let url = text(head, URL)?.ok_or_else(|| format!("the field {URL} is missing"))?;
        let (origin, path) = target::url(url)?;
        let seconds = text(head, TIMEOUT)?.map(|seconds| {
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
        let method = text(head, METHOD)?.unwrap_or(match head.kind {
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
            timeout: seconds.transpose()?,
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
