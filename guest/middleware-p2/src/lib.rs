//! The policy as middleware for WASI 0.2: a component that exports `wasi:http/outgoing-handler` and imports the
//! host's.
//!
//! Every request is decided before anything of it goes on. What goes on is the guest's request with
//! scheme, authority and path as they were read by the policy. `sandbox_net_judge` has the policy, which is
//! part of the component.

mod bindings;
mod decision;

use bindings::exports::wasi::http::outgoing_handler::Guest;
use bindings::wasi::http::outgoing_handler::handle;
use bindings::wasi::http::types::{
    ErrorCode, FutureIncomingResponse, OutgoingRequest, RequestOptions,
};

struct Middleware;

impl Guest for Middleware {
    fn handle(
        request: OutgoingRequest,
        options: Option<RequestOptions>,
    ) -> Result<FutureIncomingResponse, ErrorCode> {
        decision::judged(&request)?;
        handle(request, options)
    }
}

bindings::export!(Middleware with_types_in bindings);
