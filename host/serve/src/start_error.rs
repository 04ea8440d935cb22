//! Why a server does not start.

use std::io;
use std::net::SocketAddr;

use sandbox_net::Error;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("the server can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file that the configuration names cannot be read or written.
    #[error("'{path}' can't be used: {source}")]
    File {
        /// The file.
        path: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Nothing can be sent to the collector of the audit log.
    #[error("audit: logs: '{address}' can't be used: {source}")]
    Collector {
        /// Its address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// There are no random numbers for the name of this instance.
    #[error("the name of this instance can't be made: {0}: name it with 'instance'")]
    Random(io::Error),
    /// The sandboxes of a tenant cannot be made.
    #[error("tenant '{tenant}': {source}")]
    Tenant {
        /// Its name.
        tenant: String,
        /// What is wrong.
        source: Box<Error>,
    },
    /// The snapshot cannot be used.
    #[error(transparent)]
    Snapshot(Box<Error>),
}
