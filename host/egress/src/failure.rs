//! Exchanges that failed before their response: may the request be sent again?

use crate::body_kind::BodyKind;
use crate::error::EgressError;
use sandbox_net_policy::RequestLine;

/// An exchange without a response.
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

/// How far a failed request can have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The peer cannot have executed it: no byte of it was taken, or, in HTTP/2, the peer says so
    /// (RFC 9113 section 8.7).
    Nothing,
    /// The peer may have got it, and sent no byte back.
    Unanswered,
    /// The peer sent something back, or the request itself is at fault.
    Final,
}

impl Delivery {
    /// Whether a request that failed on a connection with a past may be sent again on a new one:
    /// only where the peer cannot have executed it, or where executing it twice is no different
    /// from once (RFC 9110 section 9.2.2) and the peer hung up without a word.
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
