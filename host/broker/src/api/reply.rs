//! What the calls of the API have in common: their bodies, and their answers.

use sandbox_net_egress::{EgressError, Limit};

use crate::error_json::ErrorJson;
use crate::http::{BodyFault, Connection, Head, Own, WholeBody};
use crate::reply::{After, say};
use crate::shared::Shared;

/// Answers with an error. Another call may follow if this one has no body that is left unread.
pub(super) async fn refuse(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    error: &ErrorJson,
) -> After {
    shared.metrics.error(error.code);
    let persists = head.kind.is_empty();
    After::answer(say(connection, Some(head), error, persists).await)
}

pub(super) async fn wrong_method(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    method: &str,
) -> After {
    let error = ErrorJson::malformed(format!("the method of this path is {method}")).status(405);
    shared.metrics.error(error.code);
    let own = Own::json(405).with("Allow", method);
    let persists = head.kind.is_empty();
    let body = error.body();
    let written = connection.answer(own, &body, Some(head), persists);
    After::answer(written.await)
}

/// Answers with an error after the call's body was read.
pub(super) async fn fail(connection: &mut Connection, head: &Head, error: &ErrorJson) -> After {
    After::answer(say(connection, Some(head), error, true).await)
}

/// Answers with JSON after the call's body was read.
pub(super) async fn answer(
    connection: &mut Connection,
    head: &Head,
    value: &serde_json::Value,
) -> After {
    let mut text = value.to_string();
    text.push('\n');
    let written = connection.answer(Own::json(200), text.as_bytes(), Some(head), true);
    After::answer(written.await)
}

/// The whole body of a call, or what follows from its lack.
pub(super) async fn body(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
) -> Result<WholeBody, After> {
    let most = shared.limits.api_body;
    let read = connection.whole_body(head, most, shared.gateway.memory());
    let fault = match read.await {
        Ok(body) => return Ok(body),
        Err(fault) => fault,
    };
    let error = match fault {
        BodyFault::Cut => return Err(After::Reset),
        BodyFault::Malformed(_) => ErrorJson::malformed(fault.to_string()),
        BodyFault::Slow => ErrorJson::malformed(fault.to_string()).status(408),
        BodyFault::TooLarge => ErrorJson::too_large(
            413,
            format!("the call's body is larger than {most} bytes: use /api/stream"),
        ),
        BodyFault::NoMemory => shared.error(&EgressError::Limit(Limit::HostMemory)),
    };
    shared.metrics.error(error.code);
    Err(After::answer(
        say(connection, Some(head), &error, false).await,
    ))
}
