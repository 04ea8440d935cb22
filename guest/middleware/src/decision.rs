//! Reads a request of `wasi:http@0.3`, has it judged, and makes it what was judged.

use sandbox_net_judge::{Asked, Refusal, decide, words_of_wasi_http};

use crate::bindings::wasi::http::types::{self, ErrorCode, Request};

words_of_wasi_http!();

/// Decides, and makes the request what was decided about.
///
/// # Errors
///
/// The error that the guest gets instead of a response.
pub(crate) fn judged(request: &Request) -> Result<(), ErrorCode> {
    let allowed = decide(Asked {
        is_https: is_https(request.get_scheme()),
        authority: request.get_authority(),
        method: named(request.get_method()),
        path: request.get_path_with_query(),
        fields: request.get_headers().copy_all(),
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
