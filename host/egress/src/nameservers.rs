//! Resolves names by name servers that the operator chooses.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;

use crate::error::DnsFailure;
use crate::resolve::Resolve;

/// Queries given name servers by DNS over UDP, and over TCP if an answer does not fit. It ignores
/// the machine's own configuration, including hosts file and search list. Answers are not cached:
/// each dial gets what the servers answer now.
#[derive(Clone)]
pub struct NameServers {
    resolver: TokioResolver,
}

/// The list of name servers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameServersError {
    /// The list is empty.
    #[error("no name server is given")]
    Empty,
    /// The resolver does not accept it.
    #[error("the name servers cannot be used: {0}")]
    Setup(#[source] Box<NetError>),
}

impl std::fmt::Debug for NameServers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameServers").finish_non_exhaustive()
    }
}

impl NameServers {
    /// A resolver that queries these servers, in this order.
    ///
    /// # Errors
    ///
    /// An empty list.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Result<Self, NameServersError> {
        let servers: Vec<_> = servers.into_iter().map(name_server).collect();
        if servers.is_empty() {
            return Err(NameServersError::Empty);
        }
        let config = ResolverConfig::from_name_servers(servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.cache_size = 0;
        let resolver = builder
            .build()
            .map_err(|e| NameServersError::Setup(Box::new(e)))?;
        Ok(Self { resolver })
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .into_iter()
        .map(|mut connection| {
            connection.port = address.port();
            connection
        })
        .collect();
    NameServerConfig::new(address.ip(), true, connections)
}

impl Resolve for NameServers {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(async move {
            // The final dot makes the name absolute, so no search list is tried. The name is ASCII
            // already; parsed as an internationalised name it could not have an underscore.
            let name = Name::from_ascii(format!("{name}.")).map_err(|_| DnsFailure::Failed)?;
            let answer = self.resolver.lookup_ip(name).await;
            Ok(answer.map_err(|error| failure(&error))?.iter().collect())
        })
    }
}

fn failure(error: &NetError) -> DnsFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => response_failure(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => response_failure(*code),
        NetError::Timeout | NetError::Busy | NetError::Io(_) | NetError::NoConnections => {
            DnsFailure::Temporary
        }
        _ => DnsFailure::Failed,
    }
}

fn response_failure(code: ResponseCode) -> DnsFailure {
    match code {
        ResponseCode::NoError | ResponseCode::NXDomain => DnsFailure::NotFound,
        ResponseCode::ServFail => DnsFailure::Temporary,
        _ => DnsFailure::Failed,
    }
}
