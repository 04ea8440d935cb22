//! What a program wants to do, and at which stage it is decided.

use serde::{Deserialize, Serialize};

use crate::target::{Endpoint, Origin};
use crate::tls::TlsOverrides;

/// The stage of a request at which a decision is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// `connect`: a host and port, before any name is resolved.
    Connect,
    /// `start-tls`: the connection is to carry https.
    Tls,
    /// `request`: method, path and fields.
    Request,
    /// `tunnel`: a host and port, to which bytes go that nobody reads.
    Tunnel,
}

impl Stage {
    /// Returns the name used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Tunnel => "tunnel",
        }
    }
}

/// What a program wants to do, as the policy is asked: one for each [`Stage`].
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// Resolve a host and open a connection to it. Some scheme has to be allowed there; it is not
    /// known yet which one it will be.
    Connect {
        /// Where to.
        endpoint: &'a Endpoint,
    },
    /// Speak TLS on a connection, which makes its scheme https.
    Tls {
        /// The endpoint of the connection.
        endpoint: &'a Endpoint,
        /// The server name that the guest gives, which has to be the host of the connection. An
        /// empty one counts as missing if that host is an address (RFC 6066 section 3).
        server_name: Option<&'a str>,
        /// The TLS settings that the guest requests.
        tls: TlsOverrides,
    },
    /// Send a request.
    Request {
        /// The origin of the connection.
        origin: &'a Origin,
        /// The method.
        method: &'a [u8],
        /// The path and query, in origin form.
        path: &'a [u8],
        /// The fields: names and values.
        fields: &'a [(Vec<u8>, Vec<u8>)],
    },
    /// Open a tunnel, whose bytes nobody reads. Only native programs can: the interface of
    /// components has no such call.
    Tunnel {
        /// Where to.
        endpoint: &'a Endpoint,
    },
}

impl Operation<'_> {
    /// The stage at which it is decided.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Connect { .. } => Stage::Connect,
            Self::Tls { .. } => Stage::Tls,
            Self::Request { .. } => Stage::Request,
            Self::Tunnel { .. } => Stage::Tunnel,
        }
    }
}
