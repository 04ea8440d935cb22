//! The policy as middleware: a component that exports `wasi:http/client` and imports the host's.
//!
//! Every request is decided before anything of it goes on. What goes on is the guest's request with
//! scheme, authority and path as they were read by the policy. `sandbox_net_judge` has the policy, which is
//! part of the component.

mod bindings;
mod decision;

use bindings::exports::wasi::http::client::Guest;
use bindings::wasi::http::client;
use bindings::wasi::http::types::{ErrorCode, Request, Response};

struct Middleware;

impl Guest for Middleware {
    async fn send(request: Request) -> Result<Response, ErrorCode> {
        decision::judged(&request)?;
        client::send(request).await
    }
}

bindings::export!(Middleware with_types_in bindings);
