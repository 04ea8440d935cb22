//! Adds the interfaces to a linker of the embedder's own.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiView, p2::bindings as wasi};
use wasmtime_wasi_http::p2::bindings as http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtxView};

use crate::bindings;
use crate::ctx::{SandboxNetCtxView, SandboxNetView};

/// The type parameter of the generated `add_to_linker` functions.
struct SandboxNet;

impl HasData for SandboxNet {
    type Data<'a> = SandboxNetCtxView<'a>;
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds `sandbox:net/client` to `linker`, and nothing else.
///
/// The engine must have async support; `wasi:io` and `wasi:clocks` come from
/// [`wasmtime_wasi::p2::add_to_linker_async`] or from parts of it. [`prepare_store`](crate::prepare_store)
/// sets the bounds that the store should have. [`add_all_to_linker`] adds everything that a component of
/// ours may import.
///
/// ```
/// use sandbox_net_wasi::SandboxNetView;
/// use wasmtime::component::Linker;
/// use wasmtime_wasi::WasiView;
///
/// fn linker<T>(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<T>>
/// where
///     T: WasiView + SandboxNetView + 'static,
/// {
///     let mut linker = Linker::new(engine);
///     wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
///     sandbox_net_wasi::add_to_linker(&mut linker)?;
///     Ok(linker)
/// }
/// ```
///
/// # Errors
///
/// If the linker already has the interface.
pub fn add_to_linker<T: SandboxNetView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let added = bindings::types::add_to_linker::<T, SandboxNet>(linker, T::sandbox_net)
        .and_then(|()| bindings::wit::add_to_linker::<T, SandboxNet>(linker, T::sandbox_net));
    added.map_err(|error| {
        let already = "the linker already has the interface sandbox:net: add it once to each \
                       linker, by add_to_linker or by add_all_to_linker";
        error.context(already)
    })
}

/// Adds everything that our components, or components that use `wasi:http`, may import: WASI without
/// `wasi:sockets`, `wasi:http`, and `sandbox:net`. Requests of both go through the
/// [gateway](crate::SandboxNetCtx::gateway) of the store's state.
///
/// ```
/// use sandbox_net_wasi::{
///     SandboxNetCtx, SandboxNetCtxView, SandboxNetView, add_all_to_linker,
/// };
/// use wasmtime::component::{Linker, ResourceTable};
/// use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
///
/// struct State {
///     table: ResourceTable,
///     wasi: WasiCtx,
///     net: SandboxNetCtx,
/// }
///
/// impl WasiView for State {
///     fn ctx(&mut self) -> WasiCtxView<'_> {
///         WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
///     }
/// }
///
/// impl SandboxNetView for State {
///     fn sandbox_net(&mut self) -> SandboxNetCtxView<'_> {
///         SandboxNetCtxView { ctx: &mut self.net, table: &mut self.table }
///     }
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let engine = wasmtime::Engine::default();
/// let mut linker = Linker::<State>::new(&engine);
/// add_all_to_linker(&mut linker)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the linker already has one of the interfaces.
pub fn add_all_to_linker<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: WasiView + SandboxNetView + 'static,
{
    add_wasi_without_files(linker)
        .and_then(|()| add_files(linker))
        .and_then(|()| add_http(linker))
        .map_err(|error| {
            let already = "the linker already has interfaces of WASI: add_all_to_linker adds all that \
                           a guest may have, without wasi:sockets";
            error.context(already)
        })?;
    add_to_linker(linker)
}

fn add_http<T: SandboxNetView + 'static>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    fn view<T: SandboxNetView>(state: &mut T) -> WasiHttpCtxView<'_> {
        state.sandbox_net().http()
    }
    let options = http::LinkOptions::default();
    http::http::outgoing_handler::add_to_linker::<T, WasiHttp>(l, view::<T>)?;
    http::http::types::add_to_linker::<T, WasiHttp>(l, &options.into(), view::<T>)
}

fn add_files<T: WasiView + 'static>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    wasi::filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, T::filesystem)?;
    wasi::filesystem::types::add_to_linker::<T, WasiFilesystem>(l, T::filesystem)
}

/// Adds WASI interface by interface, without `wasi:sockets`, so that it cannot be called, and without
/// `wasi:filesystem`, of which a sandbox has its own.
///
/// # Errors
///
/// If the linker already has one of the interfaces.
#[doc(hidden)]
pub fn add_wasi_without_files<T: WasiView + 'static>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    use wasi::{cli, clocks, io, random};

    fn table<T: WasiView>(state: &mut T) -> &mut ResourceTable {
        state.ctx().table
    }
    io::error::add_to_linker::<T, HasTable>(l, table::<T>)?;
    io::poll::add_to_linker::<T, HasTable>(l, table::<T>)?;
    io::streams::add_to_linker::<T, HasTable>(l, table::<T>)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    random::random::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    cli::exit::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::environment::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli)
}
