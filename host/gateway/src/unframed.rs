//! Passes on responses whose head the host does not accept as they come, so that the guest's own
//! HTTP client handles them as it does natively.

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::malformed::for_guest;
use crate::request::Response;
use crate::response::{Masking, TrackedBody, Tracking};
use sandbox_net_egress::{EgressError, ProtocolFailure, ProtocolFault};
use sandbox_net_policy::{Checked, RequestLine};

/// Passes the response on, masked like any other, and follows it to the end. It is recorded as an
/// error, without a status if no head has one.
///
/// # Errors
///
/// What is wrong with the response, if a secret could not be masked in it.
pub(super) fn unframed(
    answer: sandbox_net_egress::Unframed,
    line: &Checked<RequestLine>,
    tracking: Tracking,
) -> Result<Response, EgressError> {
    let sandbox_net_egress::Unframed {
        mut failure,
        body,
        peer,
        tls,
    } = answer;
    let shared = &tracking.shared;
    let mask = shared.vault.mask(&line.origin, &tracking.carried);
    if mask.is_some() && !is_legible(&failure) {
        let told = (&*tracking.record, &*tracking.completion);
        let error = EgressError::Protocol(failure);
        return Err(for_guest(error, &line.origin, shared, told));
    }
    let mask = mask.map(|mask| Masking::new(mask, shared)).transpose()?;
    if let ProtocolFault::Ambiguous { status, .. } = failure.fault {
        tracking.record.answered(peer, tls, status);
    }
    tracking.record.unframed(peer, tls);
    // The bytes come in the body, like all others.
    failure.received = Bytes::new();
    let body = TrackedBody::new(body, mask, None, tracking);
    Ok(Response {
        head: Err(failure),
        body: body.boxed_unsync(),
    })
}

/// Whether the bytes contain the whole head, or whole lines of it, of a final response that names
/// no coding: a coding could hide a secret, as chunks could split it.
fn is_legible(failure: &ProtocolFailure) -> bool {
    let ProtocolFailure { fault, received } = failure;
    let is_whole = match fault {
        ProtocolFault::Head(_) => true,
        ProtocolFault::HeadCut => received.ends_with(b"\n"),
        _ => false,
    };
    let status = received.get(8..).unwrap_or_default().trim_ascii_start();
    let is_final = matches!(status.first(), Some(b'2'..=b'9'));
    let coding = b"encoding";
    let names_coding = head_of(received)
        .windows(coding.len())
        .any(|part| part.eq_ignore_ascii_case(coding));
    is_whole && is_final && !names_coding
}

/// What comes before the blank line.
fn head_of(bytes: &[u8]) -> &[u8] {
    let first = |end: &[u8]| bytes.windows(end.len()).position(|part| part == end);
    let end = [first(b"\n\n"), first(b"\n\r\n")]
        .into_iter()
        .flatten()
        .min();
    &bytes[..end.unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_that_says_all_and_names_no_coding_can_be_masked() {
        use ProtocolFault::{Head, HeadCut, NotHttp, Switched};
        for (fault, received, expected) in [
            (HeadCut, "HTTP/1.1 200 OK\r\nX-A: 1\r\n", true),
            (HeadCut, "HTTP/1.1 200 OK", false),
            (HeadCut, "HTTP/1.1 200 OK\r\nX-A: hal", false),
            (HeadCut, "HTTP/1.1", false),
            (Head("x"), "HTTP/1.1 200 OK\r\nno colon\r\n\r\nbody", true),
            (Head("x"), "HTTP/1.1 100 Go\r\nno colon\r\n\r\n", false),
            (
                Head("x"),
                "HTTP/1.1 200 OK\r\nno colon\r\n\r\nencoding",
                true,
            ),
            (Head("x"), "HTTP/1.1 200 OK\nno colon\n\nencoding", true),
            (
                Head("x"),
                "HTTP/1.1 200 OK\r\nContent-Encoding : gzip\r\n\r\n",
                false,
            ),
            (
                Head("x"),
                "HTTP/1.1 200 OK\r\nx:1\rtransfer-encoding:chunked\r\n\r\n",
                false,
            ),
            (
                Head("x"),
                "HTTP/1.0 200 OK\r\nCONTENT-ENCODING: br\r\nb ad: 1\r\n\r\n",
                false,
            ),
            (NotHttp, "HTTP/1.2 200 OK\r\n\r\n", false),
            (Switched, "HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        ] {
            let received = Bytes::from(received);
            let failure = ProtocolFailure { fault, received };
            assert_eq!(is_legible(&failure), expected, "{failure:?}");
        }
    }
}
