//! Settings and bounds of the transport.

use std::sync::Arc;
use std::time::Duration;

use crate::resolve::{Resolve, SystemResolver};
use crate::tls::TlsConfig;

/// What the operator settles for a sandbox's traffic. Each bound is enforced as it is written: one of
/// zero leaves nothing, so that every connection, request or head fails by it.
#[derive(Clone)]
pub struct EgressConfig {
    /// Trusted roots and TLS protocol settings.
    pub tls: TlsConfig,
    /// Who resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// The longest that name resolution and the TCP handshake may take together, and the longest
    /// that a TLS handshake may take.
    pub connect_timeout: Duration,
    /// The longest that one exchange may take in all: resolving, connecting and TLS for a new
    /// connection, the request, and the response to its last byte. Time that passes between two
    /// calls of the guest is not counted.
    pub request_deadline: Duration,
    /// How long a connection without an exchange is kept for the next one, where it is kept (see
    /// [`Reuse`](crate::Reuse)), and how long an HTTP/2 session is.
    pub idle_timeout: Duration,
    /// How many connections without an exchange are kept for one endpoint, beside sessions.
    pub max_idle_per_endpoint: usize,
    /// How many TCP connections may be open at once, idle ones included. One [`Client`] has this
    /// many for itself.
    ///
    /// [`Client`]: crate::Client
    pub max_connections: usize,
    /// The most bytes of memory that the network of one [`Client`] may hold at once: connections and
    /// sessions, heads, bodies on their way, options and answers. `None` stands for
    /// [`Budgets::HOST_MEMORY`](sandbox_net_policy::Budgets::HOST_MEMORY).
    ///
    /// [`Client`]: crate::Client
    pub max_host_memory: Option<u64>,
    /// The most bytes that a request head may have as HTTP/1.1 text.
    pub max_request_head: usize,
    /// The most bytes that a response head may have, its final blank line included. In HTTP/2,
    /// the header list as RFC 9113 section 6.5.2 counts it.
    pub max_response_head: usize,
    /// Whether a response body whose only end mark is the end of the connection is accepted when
    /// a TLS connection ended without `close_notify`. RFC 9112 section 9.8 calls such a body
    /// incomplete, since anyone on the way can cut it; some simple servers never say goodbye.
    pub accept_tls_truncation: bool,
}

impl EgressConfig {
    /// The most TCP connections that may be open at once, unless set.
    pub const MAX_CONNECTIONS: usize = 1024;
    /// The most bytes of a response head, unless set.
    pub const MAX_RESPONSE_HEAD: usize = 256 * 1024;

    /// The default bounds, with the system's resolver.
    #[must_use]
    pub fn new(tls: TlsConfig) -> Self {
        Self {
            tls,
            resolver: Arc::new(SystemResolver::default()),
            connect_timeout: Duration::from_secs(30),
            request_deadline: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(60),
            max_idle_per_endpoint: 8,
            max_connections: Self::MAX_CONNECTIONS,
            max_host_memory: None,
            max_request_head: 256 * 1024,
            max_response_head: Self::MAX_RESPONSE_HEAD,
            accept_tls_truncation: false,
        }
    }
}
