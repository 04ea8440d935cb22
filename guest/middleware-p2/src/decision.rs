//! Reads a request of `wasi:http@0.2`, has it judged, and makes it what was judged.

use sandbox_net_judge::{Asked, Refusal, decide, words_of_wasi_http};

use crate::bindings::wasi::http::types::{self, ErrorCode, OutgoingRequest};

words_of_wasi_http!();

/// Decides, and makes the request what was decided about.
///
/// # Errors
///
/// The error that the guest gets instead of a response.
pub(crate) fn judged(request: &OutgoingRequest) -> Result<(), ErrorCode> {
    let allowed = decide(Asked {
        is_https: is_https(request.scheme()),
        authority: request.authority(),
        method: named(request.method()),
        path: request.path_with_query(),
        fields: request.headers().entries(),
    });
    let allowed = allowed.map_err(told)?;
    let scheme = match allowed.is_https {
        true => types::Scheme::Https,
        false => types::Scheme::Http,
    };
    request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(&allowed.authority)))
        .and_then(|()| request.set_path_with_query(Some(&allowed.path)))
        .map_err(|()| told(Refusal::Denied))
}
