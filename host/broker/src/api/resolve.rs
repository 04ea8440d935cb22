//! `POST /api/resolve`: the addresses of a host, as far as the caller may be told.

use sandbox_net_egress::EgressError;
use sandbox_net_gateway::Looking;
use sandbox_net_policy::Host;
use serde::Deserialize;
use serde_json::json;

use super::reply::{answer, body, fail};
use crate::error_json::ErrorJson;
use crate::http::{Connection, Head};
use crate::reply::After;
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    host: String,
}

pub(super) async fn resolve(shared: &Shared, connection: &mut Connection, head: &Head) -> After {
    let body = match body(shared, connection, head).await {
        Ok(body) => body,
        Err(after) => return after,
    };
    let question: Question = match serde_json::from_slice(&body.bytes) {
        Ok(question) => question,
        Err(error) => {
            let error =
                ErrorJson::malformed(format!("the body is not what this path takes: {error}"));
            shared.metrics.error(error.code);
            return fail(connection, head, &error).await;
        }
    };
    match connection.unless_gone(found(shared, &question.host)).await {
        None => After::Reset,
        Some(Ok(addresses)) => answer(connection, head, &addresses).await,
        Some(Err(error)) => fail(connection, head, &shared.error(&error)).await,
    }
}

async fn found(shared: &Shared, name: &str) -> Result<serde_json::Value, EgressError> {
    let host = Host::parse(name).map_err(|error| {
        shared.gateway.malformed_lookup(name);
        EgressError::Invalid(error.to_string())
    })?;
    // A name that leads nowhere but into tunnels is looked up when one is made. The client makes it by
    // that name.
    let policy = shared.gateway.policy();
    if policy.names_tunnel_to(&host) && policy.answer_lookup(host.clone()).is_err() {
        return Ok(json!({ "addresses": [] }));
    }
    let found = match shared.gateway.lookup(host)? {
        Looking::Done(found) => found,
        Looking::Asking(asking) => asking.await?,
    };
    Ok(json!({ "addresses": found.addresses() }))
}
