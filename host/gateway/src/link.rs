//! A program's connection, as the gateway passes it around.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use sandbox_net_egress::{Connection, EgressError, TlsInfo, TlsProfile};
use sandbox_net_policy::{Origin, Scheme, TlsOverrides};

use crate::admission::Admission;
use crate::judgement::RequestContext;
use crate::meter::Opened;
use crate::other_port::OtherPort;
use crate::task::Task;

/// A connection, shared by its guest and by changes of the policy.
pub(crate) type SharedConnection = Arc<tokio::sync::Mutex<Connection>>;

/// A connection attempt under way; dropping it ends it.
pub type Connecting = Task<Result<Link, EgressError>>;
/// A TLS handshake under way; dropping it ends it.
pub type Handshake = Task<Result<(), EgressError>>;

/// A connection that was made, and what it may carry.
#[derive(Clone)]
pub struct Link {
    pub(crate) connection: SharedConnection,
    pub(crate) origin: Origin,
    pub(crate) address: Option<SocketAddr>,
    /// The port that a hook chose for it.
    pub(crate) other_port: Option<OtherPort>,
    pub(crate) tls: Arc<OnceLock<Arc<TlsInfo>>>,
    /// The profile of its TLS; the host's own until TLS begins.
    pub(crate) profile: Arc<TlsProfile>,
    /// Its place among the guest's connections. Only the guest's own handle has it, so that the
    /// place is free as soon as that is closed.
    pub(crate) admission: Option<Arc<Admission>>,
    /// Whether it has carried a request.
    pub(crate) opened: Arc<Opened>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("origin", &self.origin)
            .field("address", &self.address)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Whether it speaks TLS, or is about to.
    pub fn is_tls(&self) -> bool {
        self.origin.scheme == Scheme::Https
    }

    /// The connection for one request, which may end a moment later than its handle.
    pub fn for_request(&self) -> Self {
        Self {
            admission: None,
            ..self.clone()
        }
    }

    /// The connection, replacing another one.
    pub fn in_place_of(self, other: &Self) -> Self {
        Self {
            admission: other.admission.clone(),
            ..self
        }
    }

    /// The TLS settings that the policy has to grant.
    pub(crate) fn asked(&self) -> TlsOverrides {
        self.profile.request()
    }

    /// What its requests are judged by.
    pub(crate) fn context(&self) -> RequestContext {
        RequestContext {
            origin: self.origin.clone(),
            tls: self.asked(),
            other_port: self.other_port.clone(),
        }
    }

    /// The address that was dialled for it, checked by the policy. `None` if the socket does not
    /// tell, as after a reset.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The result of its handshake, once it is done.
    pub fn tls_info(&self) -> Option<&TlsInfo> {
        self.tls.get().map(Arc::as_ref)
    }
}
