//! The requests that no policy of these tests allows, and what answers them.

/// A request: method, scheme, authority, path, fields and body, as `guest/client` reads them.
///
/// `ALLOWED` and `OTHER` stand for the addresses of the two servers.
pub(crate) struct Attack {
    pub(crate) request: &'static str,
    /// What the guest is told.
    pub(crate) error: &'static str,
    /// Where it goes without the policy.
    pub(crate) reaches: Reaches,
}

/// Where a request goes without the policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaches {
    /// To the server at `ALLOWED`.
    Allowed,
    /// To the server at `ALLOWED`, on the hosts of these names.
    AllowedOn(&'static [&'static str]),
    /// To the server at `OTHER`.
    Other,
    /// To the server at `OTHER`, on the hosts of these names.
    OtherOn(&'static [&'static str]),
    /// Nowhere: each host refuses it by itself.
    Nowhere,
}

impl Reaches {
    /// Whether this host refuses the request by itself.
    pub(crate) fn nowhere(self, host: &str) -> bool {
        !self.allowed(host) && !self.other(host)
    }

    /// Whether the request reaches the server at `ALLOWED` on this host.
    pub(crate) fn allowed(self, host: &str) -> bool {
        self == Self::Allowed || matches!(self, Self::AllowedOn(names) if names.contains(&host))
    }

    /// Whether the request reaches the server at `OTHER` on this host.
    pub(crate) fn other(self, host: &str) -> bool {
        self == Self::Other || matches!(self, Self::OtherOn(names) if names.contains(&host))
    }
}

const WASMTIME: &[&str] = &["wasmtime 0.2", "wasmtime 0.3"];
const NODE_P2: &[&str] = &["Node 0.2"];
const NODE_P3: &[&str] = &["Node 0.3"];

const DENIED: &str = "ErrorCode::HttpRequestDenied";
const INVALID: &str = "ErrorCode::HttpRequestUriInvalid";

const fn denied(request: &'static str, reaches: Reaches) -> Attack {
    Attack {
        request,
        error: DENIED,
        reaches,
    }
}

const fn invalid(request: &'static str, reaches: Reaches) -> Attack {
    Attack {
        request,
        error: INVALID,
        reaches,
    }
}

/// They are for the policy `GET,POST http://ALLOWED/v1/**`.
pub(crate) const ATTACKS: &[Attack] = {
    use Reaches::{Allowed, AllowedOn, Nowhere, Other, OtherOn};
    &[
        // Another host or port, in every spelling that a host may take for it.
        denied("GET\thttp\tOTHER\t/v1/x", Other),
        denied("GET\thttp\tOTHER\t/v1/x\thost: ALLOWED", Nowhere),
        denied("GET\thttp\tlocalhost:OTHER_PORT\t/v1/x", Other),
        denied(
            "GET\thttp\t[::ffff:127.0.0.1]:OTHER_PORT\t/v1/x",
            OtherOn(WASMTIME),
        ),
        denied("GET\thttp\tlocalhost:ALLOWED_PORT\t/v1/x", Allowed),
        invalid("GET\thttp\tALLOWED@OTHER\t/v1/x", OtherOn(NODE_P3)),
        invalid("GET\thttp\t127.1:OTHER_PORT\t/v1/x", Other),
        invalid("GET\thttp\t0x7f000001:OTHER_PORT\t/v1/x", Other),
        invalid("GET\thttp\t2130706433:OTHER_PORT\t/v1/x", Other),
        invalid("GET\thttp\t\t/v1/x", Nowhere),
        // Another scheme.
        denied("GET\thttps\tALLOWED\t/v1/x", Nowhere),
        denied("GET\thttps\tOTHER\t/v1/x", Nowhere),
        invalid("GET\t\tALLOWED\t/v1/x", AllowedOn(NODE_P3)),
        invalid("GET\tgopher\tALLOWED\t/v1/x", Nowhere),
        // Another method.
        denied("DELETE\thttp\tALLOWED\t/v1/x", Allowed),
        denied("PROPFIND\thttp\tALLOWED\t/v1/x", Allowed),
        denied("get\thttp\tALLOWED\t/v1/x", Allowed),
        denied("TRACE\thttp\tALLOWED\t/v1/x", Allowed),
        denied("CONNECT\thttp\tOTHER\t/v1/x", OtherOn(WASMTIME)),
        // Another path, in every reading.
        denied("GET\thttp\tALLOWED\t/v2/x", Allowed),
        denied("GET\thttp\tALLOWED\t", Nowhere),
        denied("GET\thttp\tALLOWED\t/?/v1/x", Allowed),
        denied("GET\thttp\tALLOWED\t/v1/../v2/x", Allowed),
        denied("GET\thttp\tALLOWED\t/v1/%2e%2e/v2/x", Allowed),
        denied("GET\thttp\tALLOWED\t/v1/%2E%2E%2Fv2/x", Allowed),
        denied("GET\thttp\tALLOWED\t/v1/..;/v2/x", Allowed),
        denied("GET\thttp\tALLOWED\t//v1/x", Allowed),
        denied("GET\thttp\tALLOWED\t/V1/x", Allowed),
        denied("POST\thttp\tALLOWED\t/v2/x\t=a body", Allowed),
        // Fields that mean another method, path or host, or another frame.
        denied(
            "POST\thttp\tALLOWED\t/v1/x\tX-HTTP-Method-Override: DELETE",
            Allowed,
        ),
        denied("GET\thttp\tALLOWED\t/v1/x\tX-Original-URL: /v2", Allowed),
        denied(
            "GET\thttp\tALLOWED\t/v1/x\tX_Forwarded_Host: other.test",
            Allowed,
        ),
        denied(
            "GET\thttp\tALLOWED\t/v1/x\tproxy-authorization: Basic eA==",
            AllowedOn(NODE_P2),
        ),
        denied("GET\thttp\tALLOWED\t/v1/x\texpect: 100-continue", Allowed),
        denied("GET\thttp\tALLOWED\t/v1/x\ttrailer: x", AllowedOn(WASMTIME)),
        denied("GET\thttp\tALLOWED\t/v1/x\tte: gzip", Allowed),
    ]
};

/// Requests that the policy allows, with the status that answers them.
pub(crate) const HONEST: &[&str] = &[
    "GET\thttp\tALLOWED\t/v1/x",
    "GET\thttp\tALLOWED\t/v1/a/b?c=%2e%2e/d",
    "POST\thttp\tALLOWED\t/v1/x\t=a body",
    "POST\thttp\tALLOWED\t/v1/x\tcontent-length: 6\t=a body",
    "GET\thttp\tALLOWED\t/v1/x\tx-api-key: k\taccept: text/html",
    "GET\thttp\tALLOWED\t/v1/x\tte: trailers",
];
