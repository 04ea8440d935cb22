//! The state that an embedder keeps in a store, and how the interface gets to it.

use wasmtime::component::{HasData, Linker, ResourceTable};

use sandbox_net_gateway::Gateway;

use crate::outgoing_handler::OutgoingHandler;

/// Bytes that a guest may pass to the host in one call: the largest honest call passes certificates
/// of 1 MiB.
///
/// The arguments of a call are copied before the interface sees them and can refuse them. So an
/// embedder with a store of its own passes this to
/// [`Store::set_hostcall_fuel`](wasmtime::Store::set_hostcall_fuel), whose default is 128 MiB.
pub const HOSTCALL_FUEL: usize = 4 << 20;

/// The network state of one store, on which `sandbox:net/client` acts.
#[derive(Debug)]
pub struct SandboxNetCtx {
    handler: OutgoingHandler,
}

impl SandboxNetCtx {
    /// A context whose guest reaches what `gateway` allows.
    pub fn new(gateway: Gateway) -> Self {
        Self {
            handler: OutgoingHandler::new(gateway),
        }
    }

    /// Returns the handler to pass to [`wasmtime_wasi_http::WasiHttpCtxView`] as its hooks if
    /// `wasi:http` is linked too: both interfaces then use the same policy.
    pub fn outgoing_handler(&mut self) -> &mut OutgoingHandler {
        &mut self.handler
    }

    /// The gateway of the guest.
    pub fn gateway(&self) -> &Gateway {
        self.handler.gateway()
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

/// The type parameter of the generated `add_to_linker` functions.
struct SandboxNet;

impl HasData for SandboxNet {
    type Data<'a> = SandboxNetCtxView<'a>;
}

/// Adds `sandbox:net/client` to `linker`.
///
/// The engine must have async support; `wasi:io` and `wasi:clocks` come from
/// [`wasmtime_wasi::p2::add_to_linker_async`] or from parts of it. The store's hostcall fuel should
/// be [`HOSTCALL_FUEL`].
///
/// # Errors
///
/// If the linker already has the interface.
pub fn add_to_linker<T: SandboxNetView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    crate::bindings::types::add_to_linker::<T, SandboxNet>(linker, T::sandbox_net)?;
    crate::bindings::wit::add_to_linker::<T, SandboxNet>(linker, T::sandbox_net)
}
