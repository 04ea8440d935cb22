//! Passes on requests with a URL for their target, as proxies do (RFC 9112 section 3.2.2).

use std::sync::Arc;

use sandbox_net_egress::{BodyKind, EgressError};
use sandbox_net_gateway::{Completion, Outgoing, RequestHead, Stage};
use sandbox_net_policy::syntax::check_head;

use crate::error_json::ErrorJson;
use crate::http::{AnswerHead, Connection, Exchanged, Head, without_hops};
use crate::reply::{After, say};
use crate::shared::Shared;
use crate::target;

/// Sends the request to the URL's origin, and its response back.
pub(crate) async fn forward(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    url: &str,
) -> After {
    let mut fields = without_hops(&head.fields);
    fields.retain(|(name, _)| !name.to_ascii_lowercase().starts_with(b"proxy-"));
    let (origin, path) = match target::url(url) {
        Ok(target) if !url.contains('#') => target,
        Ok(_) => return invalid(shared, connection, head, "the URL has a fragment").await,
        Err(message) => return invalid(shared, connection, head, &message).await,
    };
    let own = RequestHead {
        method: head.method.clone(),
        path: path.into_bytes(),
        fields,
    };
    if let Err(error) = check_head(&own.method, &own.path, &own.fields) {
        return invalid(shared, connection, head, &error.to_string()).await;
    }
    let completion = Completion::new();
    let send = |body| {
        let (gateway, completion) = (shared.gateway.clone(), Arc::clone(&completion));
        let kind = head.kind;
        async move {
            let outgoing = Outgoing {
                link: Shared::reach(&gateway, origin, None).await?,
                head: own,
                kind,
                completion,
                takes_unframed: false,
                between_bytes: None,
            };
            gateway.send(outgoing, body).await
        }
    };
    let exchanged = connection
        .exchange(head, &completion, AnswerHead::proxied, send)
        .await;
    completion.cancel();
    settle(shared, connection, head, exchanged).await
}

/// What follows from how a request ended.
pub(crate) async fn settle(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    exchanged: Exchanged,
) -> After {
    let error = match exchanged {
        Exchanged::Whole { persists: true } => return After::Next,
        Exchanged::Whole { persists: false } => return After::Close,
        Exchanged::Gone => return After::Reset,
        Exchanged::Broken(error) => {
            shared.error(&error);
            return After::Reset;
        }
        Exchanged::Faulty(fault) => ErrorJson::malformed(fault.to_string()),
        Exchanged::Refused(EgressError::Protocol(failure)) => {
            // The response is not HTTP: what came of it is not passed on.
            shared.error(&EgressError::Protocol(failure))
        }
        Exchanged::Refused(error) => shared.error(&error),
    };
    let persists = head.kind == BodyKind::None;
    After::answer(say(connection, Some(head), &error, persists).await)
}

async fn invalid(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    message: &str,
) -> After {
    let target = String::from_utf8_lossy(&head.target);
    shared
        .gateway
        .malformed(Stage::Request, &target, Some(&head.method));
    let error = shared.error(&EgressError::Invalid(message.to_owned()));
    After::answer(say(connection, Some(head), &error, false).await)
}
