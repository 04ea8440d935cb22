//! The state that an embedder keeps in a store, and how the interface gets to it.

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use sandbox_net_gateway::Gateway;

use crate::limiter::Limiter;
use crate::outgoing_handler::OutgoingHandler;

/// The network state of one store, on which `sandbox:net/client` acts.
///
/// ```
/// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
/// use sandbox_net_gateway::{AuditLog, Gateway};
/// use sandbox_net_policy::Policy;
/// use sandbox_net_wasi::SandboxNetCtx;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = Policy::allow(["https://api.example.com".parse()?]);
/// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
/// let context = SandboxNetCtx::new(Gateway::new(policy, config, AuditLog::new()));
/// assert!(!context.gateway().policy().denies_everything());
/// # Ok(())
/// # }
/// ```
pub struct SandboxNetCtx {
    handler: OutgoingHandler,
    http: WasiHttpCtx,
    limiter: Limiter,
}

impl std::fmt::Debug for SandboxNetCtx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxNetCtx")
            .field("handler", &self.handler)
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

impl SandboxNetCtx {
    /// A context whose guest reaches what `gateway` allows.
    pub fn new(gateway: Gateway) -> Self {
        Self {
            handler: OutgoingHandler::new(gateway),
            http: WasiHttpCtx::new(),
            limiter: Limiter::default(),
        }
    }

    /// Returns the handler to pass to [`wasmtime_wasi_http::WasiHttpCtxView`] as its hooks if
    /// `wasi:http` is linked too: both interfaces then use the same policy.
    pub fn outgoing_handler(&mut self) -> &mut OutgoingHandler {
        &mut self.handler
    }

    pub(crate) fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    /// The gateway of the guest.
    pub fn gateway(&self) -> &Gateway {
        self.handler.gateway()
    }

    /// Decides and records what the guest does from now on by another gateway of the same sandbox, such as
    /// [`Gateway::next_run`]. What is under way keeps the one that it began with.
    pub fn set_gateway(&mut self, gateway: Gateway) {
        self.handler = OutgoingHandler::new(gateway);
    }
}

/// Access to the network state and the resource table of a store, in the style of
/// [`wasmtime_wasi::WasiView`].
pub trait SandboxNetView: Send {
    /// The view of the state inside `self`.
    fn sandbox_net(&mut self) -> SandboxNetCtxView<'_>;
}

/// A view of the network state, on which the interface is implemented.
#[derive(Debug)]
pub struct SandboxNetCtxView<'a> {
    /// The network state.
    pub ctx: &'a mut SandboxNetCtx,
    /// The table of the guest's resources.
    pub table: &'a mut ResourceTable,
}

impl<'a> SandboxNetCtxView<'a> {
    /// The view that `wasi:http` works on, for an implementation of
    /// [`wasmtime_wasi_http::WasiHttpView`]: its requests go through the same gateway.
    #[must_use]
    pub fn http(self) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView {
            ctx: &mut self.ctx.http,
            table: self.table,
            hooks: &mut self.ctx.handler,
        }
    }
}
