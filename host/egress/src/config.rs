//! Settings and bounds of the transport.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::account::HostMemory;
use crate::nameservers::{NameServers, NameServersError};
use crate::resolve::{Resolve, SystemResolver};
use crate::tls::{Roots, TlsConfig, TlsConfigError, read_certificates};

/// Why the operator's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EgressConfigError {
    /// The certificates to trust are invalid.
    #[error("the certificates to trust can't be used: {0}")]
    Certificate(#[source] TlsConfigError),
    /// The DNS servers cannot be used.
    #[error("the DNS servers can't be used: {0}")]
    NameServers(#[source] NameServersError),
}

/// The operator's settings for a sandbox's traffic. Each bound is enforced exactly: with zero, every
/// connection, request or head fails.
#[derive(Clone)]
#[non_exhaustive]
pub struct EgressConfig {
    /// Trusted roots and TLS protocol settings.
    pub tls: TlsConfig,
    /// Resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// The longest that name resolution and the TCP handshake may take together, and the longest
    /// that a TLS handshake may take.
    pub connect_timeout: Duration,
    /// The longest that one request may take in all: resolving, connecting and TLS for a new
    /// connection, the request, and the response to its last byte. Time between two calls of the
    /// guest is not counted.
    pub request_deadline: Duration,
    /// How long an unused connection is kept for the next request, if it is kept (see
    /// [`Reuse`](crate::Reuse)), and how long an unused HTTP/2 session is.
    pub idle_timeout: Duration,
    /// How many unused connections are kept for one endpoint, besides sessions.
    pub max_idle_per_endpoint: usize,
    /// How many TCP connections may be open at once, including idle ones. Each [`Client`] has its
    /// own limit.
    ///
    /// [`Client`]: crate::Client
    pub max_connections: usize,
    /// The most bytes of memory that the network of one [`Client`] may hold at once: connections and
    /// sessions, heads, bodies in transit, options and answers. `None` means
    /// [`Budgets::HOST_MEMORY`](sandbox_net_policy::Budgets::HOST_MEMORY).
    ///
    /// [`Client`]: crate::Client
    pub max_host_memory: Option<u64>,
    /// The account of all clients of a process together, if there is one: each byte that counts for
    /// `max_host_memory` also counts there.
    pub total_host_memory: Option<HostMemory>,
    /// The most bytes that a request head may have as HTTP/1.1 text.
    pub max_request_head: usize,
    /// The most bytes that a response head may have, including its final blank line. In HTTP/2, the
    /// header list as RFC 9113 section 6.5.2 counts it.
    pub max_response_head: usize,
    /// Whether to accept a response body that only the end of the connection ends, if a TLS
    /// connection ended without `close_notify`. RFC 9112 section 9.8 calls such a body incomplete,
    /// because an attacker on the path can truncate it; some simple servers never send
    /// `close_notify`.
    pub accept_tls_truncation: bool,
}

impl std::fmt::Debug for EgressConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressConfig")
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_deadline", &self.request_deadline)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_idle_per_endpoint", &self.max_idle_per_endpoint)
            .field("max_connections", &self.max_connections)
            .field("max_host_memory", &self.max_host_memory)
            .field("total_host_memory", &self.total_host_memory)
            .field("max_request_head", &self.max_request_head)
            .field("max_response_head", &self.max_response_head)
            .field("accept_tls_truncation", &self.accept_tls_truncation)
            .finish_non_exhaustive()
    }
}

impl EgressConfig {
    /// The default of the most TCP connections that may be open at once.
    pub const MAX_CONNECTIONS: usize = 1024;
    /// The default of the most bytes of a response head.
    pub const MAX_RESPONSE_HEAD: usize = 256 * 1024;

    /// The settings of an operator, who may trust more `authorities` than the platform does (a PEM or
    /// DER file each) and may choose the DNS servers.
    ///
    /// ```
    /// use sandbox_net_egress::{EgressConfig, EgressConfigError};
    ///
    /// let nothing: [&[u8]; 0] = [];
    /// let servers = ["192.0.2.1:53".parse().unwrap()];
    /// assert!(EgressConfig::configured(nothing, Some(&servers)).is_ok());
    ///
    /// let not_pem = [b"rubbish"];
    /// let refused = EgressConfig::configured(not_pem, None);
    /// assert!(matches!(refused, Err(EgressConfigError::Certificate(_))));
    /// ```
    ///
    /// # Errors
    ///
    /// A file that holds no certificate of an authority; an empty list of servers.
    pub fn configured<Pem: AsRef<[u8]>>(
        authorities: impl IntoIterator<Item = Pem>,
        dns_servers: Option<&[SocketAddr]>,
    ) -> Result<Self, EgressConfigError> {
        let mut trusted = Vec::new();
        for pem in authorities {
            let read = read_certificates(pem.as_ref());
            trusted.extend(read.map_err(EgressConfigError::Certificate)?);
        }
        let tls = match trusted.is_empty() {
            true => TlsConfig::platform(),
            false => TlsConfig::new(Roots::Platform, trusted),
        };
        let mut config = Self::new(tls.map_err(EgressConfigError::Certificate)?);
        if let Some(servers) = dns_servers {
            let servers = NameServers::new(servers.iter().copied());
            config.resolver = Arc::new(servers.map_err(EgressConfigError::NameServers)?);
        }
        Ok(config)
    }

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
            total_host_memory: None,
            max_request_head: 256 * 1024,
            max_response_head: Self::MAX_RESPONSE_HEAD,
            accept_tls_truncation: false,
        }
    }
}
