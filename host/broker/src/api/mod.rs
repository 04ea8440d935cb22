//! The broker's API: calls with a path for their target.

mod call;
mod reply;
mod resolve;
mod stream;
mod tell;

use self::reply::{refuse, wrong_method};
use crate::error_json::ErrorJson;
use crate::http::{Connection, Head};
use crate::reply::After;
use crate::shared::Shared;

/// Carries out a call.
pub(crate) async fn call(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    path: &str,
) -> After {
    let route = path.split('?').next().unwrap_or_default();
    let method = match route {
        "/api/resolve" | "/api/proxy" | "/api/stream" => "POST",
        "/health" | "/metrics" | "/policy" => "GET",
        _ if route.starts_with(tell::CONNECTIONS) => "GET",
        _ => {
            let error = ErrorJson::not_found("the broker has no such path");
            return refuse(shared, connection, head, &error).await;
        }
    };
    if head.method != method.as_bytes() {
        return wrong_method(shared, connection, head, method).await;
    }
    match route {
        "/api/resolve" => resolve::resolve(shared, connection, head).await,
        "/api/proxy" => call::proxy(shared, connection, head).await,
        "/api/stream" => stream::stream(shared, connection, head).await,
        _ => tell::tell(shared, connection, head, route).await,
    }
}
