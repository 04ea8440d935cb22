//! Decides whether a request that failed before its response may be sent again.

use crate::body_kind::BodyKind;
use crate::error::EgressError;
use sandbox_net_policy::RequestLine;

/// A request without a response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: EgressError,
    pub(crate) delivery: Delivery,
}

impl Failure {
    /// A failure after which the request is not sent again.
    pub(crate) fn last(error: EgressError) -> Self {
        Self {
            error,
            delivery: Delivery::Final,
        }
    }
}

/// How far a failed request may have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The peer cannot have executed it: it took no byte, or, in HTTP/2, it says so (RFC 9113
    /// section 8.7).
    Nothing,
    /// The peer may have received it, and sent no byte back.
    Unanswered,
    /// The peer sent something back, or the request itself is invalid.
    Final,
}

impl Delivery {
    /// Whether a request that failed on a reused connection may be sent again on a new one: only if
    /// the peer cannot have executed it, or if executing it twice has the same effect as once (RFC
    /// 9110 section 9.2.2) and the peer hung up without an answer.
    pub(crate) fn allows_retry(self, request: &RequestLine, kind: BodyKind) -> bool {
        const IDEMPOTENT: [&[u8]; 5] = [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"];
        match self {
            Self::Nothing => true,
            Self::Unanswered => kind.is_empty() && IDEMPOTENT.contains(&request.method.as_slice()),
            Self::Final => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::{Endpoint, Origin, Scheme};

    #[test]
    fn only_what_does_no_harm_is_sent_again() {
        use BodyKind::{Chunked, None, Sized};
        use Delivery::{Final, Nothing, Unanswered};
        for (delivery, method, kind, expected) in [
            (Nothing, "POST", None, true),
            (Nothing, "POST", Sized(5), true),
            (Unanswered, "GET", None, true),
            (Unanswered, "PUT", Sized(0), true),
            (Unanswered, "PUT", Sized(5), false),
            (Unanswered, "DELETE", Chunked, false),
            (Unanswered, "POST", None, false),
            (Unanswered, "PATCH", None, false),
            (Unanswered, "get", None, false),
            (Final, "GET", None, false),
        ] {
            let request = RequestLine {
                origin: Origin {
                    scheme: Scheme::Http,
                    endpoint: Endpoint::new("api.test", 80).unwrap(),
                },
                method: method.into(),
                path: b"/".to_vec(),
                fields: Vec::new(),
            };
            let allowed = delivery.allows_retry(&request, kind);
            assert_eq!(allowed, expected, "{delivery:?} {method} {kind:?}");
        }
    }
}
