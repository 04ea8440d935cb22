//! Why a broker does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use sandbox_net_egress::EgressConfigError;
use sandbox_net_gateway::VaultError;
use sandbox_net_policy::{
    DocumentError, FieldGrantsError, RuleError, TlsGrantsError, TunnelGrantError,
};

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("the policy {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not a policy.
    #[error("{}: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: DocumentError,
    },
    /// A single rule is invalid.
    #[error("the rule '{}' is invalid: {source}", rule.escape_debug())]
    Rule {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// A grant of TLS settings is invalid.
    #[error("the grant '{}' is invalid: {source}", grant.escape_debug())]
    TlsGrant {
        /// The grant.
        grant: String,
        /// What is wrong with it.
        source: TlsGrantsError,
    },
    /// A grant of fields is invalid.
    #[error("the grant '{}' is invalid: {source}", grant.escape_debug())]
    FieldGrant {
        /// The grant.
        grant: String,
        /// What is wrong with it.
        source: FieldGrantsError,
    },
    /// A tunnel is invalid.
    #[error("the tunnel '{}' is invalid: {source}", grant.escape_debug())]
    Tunnel {
        /// The tunnel.
        grant: String,
        /// What is wrong with it.
        source: TunnelGrantError,
    },
    /// The parts do not make a policy.
    #[error("the policy can't be used: {0}")]
    Fault(String),
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The secrets of the policy are not available.
    #[error(transparent)]
    Secrets(#[from] VaultError),
    /// The certificates or the DNS servers cannot be used.
    #[error(transparent)]
    Egress(#[from] EgressConfigError),
    /// The audit log cannot be written.
    #[error("the audit log {} cannot be opened: {source}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else listens on the address.
    #[error(
        "another program listens on {0}, perhaps another broker: stop it, or choose another port"
    )]
    AddressInUse(SocketAddr),
    /// Other machines could call.
    #[error(
        "{0} is not a loopback address: whoever reaches it and learns the token could use this \
         network, and the token crosses the wire unencrypted; listen on 127.0.0.1, or ask for it with \
         listen_anywhere (--listen-anywhere)"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else listens on the socket.
    #[error(
        "another program listens on the socket {}, perhaps another broker: stop it, or choose another \
         path", .0.display()
    )]
    SocketInUse(PathBuf),
    /// The socket cannot be listened on.
    #[error("cannot listen on the socket {}: {why}", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A listener that was handed over cannot be used.
    #[error("a listener that was handed over can't be used: {0}")]
    Listener(#[source] io::Error),
    /// There is nothing to listen on.
    #[error("the broker has nothing to listen on: give it an address, a socket or a listener")]
    NoListener,
    /// The certificate authority of the run cannot be made.
    #[error("the certificate authority of this run can't be made: {0}")]
    Authority(String),
    /// There are no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(#[source] io::Error),
}
