//! What the broker tells about itself: health, metrics, policy, and why connections ended.

use serde_json::{Value, json};

use super::reply::{answer, body, refuse};
use crate::error_json::ErrorJson;
use crate::http::{Connection, Head, Own};
use crate::reply::After;
use crate::shared::Shared;

/// The path of connections, before their IDs.
pub(super) const CONNECTIONS: &str = "/api/connections/";

pub(super) async fn tell(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    route: &str,
) -> After {
    if let Err(after) = body(shared, connection, head).await {
        return after;
    }
    match route {
        "/health" => health(shared, connection, head).await,
        "/metrics" => metrics(shared, connection, head).await,
        "/policy" => answer(connection, head, &policy(shared)).await,
        _ => {
            let id = route.strip_prefix(CONNECTIONS).unwrap_or_default();
            match shared.errors.error(id) {
                Some(error) => answer(connection, head, &json!({ "error": error })).await,
                None => {
                    let error = ErrorJson::not_found("the broker knows no such connection");
                    refuse(shared, connection, head, &error).await
                }
            }
        }
    }
}

async fn health(shared: &Shared, connection: &mut Connection, head: &Head) -> After {
    let (status, value) = match shared.fault() {
        None => (200, json!({ "status": "ok" })),
        Some(why) => (503, json!({ "status": "denying", "reason": why })),
    };
    let text = format!("{value}\n");
    let written = connection.answer(Own::json(status), text.as_bytes(), Some(head), true);
    After::answer(written.await)
}

async fn metrics(shared: &Shared, connection: &mut Connection, head: &Head) -> After {
    let usage = shared.gateway.usage();
    let text = shared.metrics.text(&usage, shared.fault().is_none());
    let own = Own::new(200, "text/plain; version=0.0.4; charset=utf-8");
    let written = connection.answer(own, text.as_bytes(), Some(head), true);
    After::answer(written.await)
}

/// What the caller may reach. Secrets are told by the placeholders that stand for them.
fn policy(shared: &Shared) -> Value {
    let policy = shared.gateway.policy();
    let allow: Vec<_> = policy.allow_rules().map(|rule| rule.as_str()).collect();
    let ask: Vec<_> = policy.ask_rules().map(|rule| rule.as_str()).collect();
    let grants = policy.tunnel_grants().filter(|grant| {
        let endpoint = grant.endpoint();
        endpoint.is_some_and(|endpoint| policy.names_tunnel(&endpoint))
    });
    let tunnel: Vec<_> = grants.map(|grant| grant.as_str()).collect();
    let secrets = shared.placeholders.iter();
    let secrets: serde_json::Map<String, Value> = secrets
        .map(|(variable, placeholder)| (variable.clone(), placeholder.clone().into()))
        .collect();
    json!({
        "allow": allow,
        "ask": ask,
        "tunnel": tunnel,
        "reports_only": policy.reports_only(),
        "placeholders": secrets,
        "budgets": shared.gateway.usage(),
    })
}
