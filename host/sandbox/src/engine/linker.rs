//! Links a run of the interpreter: WASI without `wasi:sockets`, and `sandbox:net` as its only
//! network.

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::files::{FilesView, HasFiles, OpenFiles};
use super::filesystem::{HasPreopens, PreopensView};
use super::{Limits, Preopen};
use sandbox_net_wasi::{SandboxNetCtx, SandboxNetCtxView, SandboxNetView};

/// What the store of one run holds.
pub(crate) struct StoreState {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) net: SandboxNetCtx,
    pub(crate) limits: Limits,
    /// The only directories that the guest starts with.
    pub(crate) preopens: Vec<Preopen>,
    pub(crate) files: Files,
}

/// What else a run has of the filesystem.
#[derive(Default)]
pub(crate) struct Files {
    context: WasiFilesystemCtx,
    open: OpenFiles,
}

impl WasiView for StoreState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl SandboxNetView for StoreState {
    fn sandbox_net(&mut self) -> SandboxNetCtxView<'_> {
        SandboxNetCtxView {
            ctx: &mut self.net,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for StoreState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: self.net.outgoing_handler(),
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl StoreState {
    fn preopens(&mut self) -> PreopensView<'_> {
        PreopensView {
            preopens: &self.preopens,
            table: &mut self.table,
            open: &mut self.files.open,
        }
    }

    fn files(&mut self) -> FilesView<'_> {
        let Files { context, open } = &mut self.files;
        FilesView::new(context, &mut self.table, open)
    }
}

/// Everything that our components, or components that use `wasi:http`, may import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<StoreState>> {
    let mut linker = Linker::new(engine);
    add_wasi(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    sandbox_net_wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Adds WASI interface by interface, without `wasi:sockets`, so that it cannot be called.
fn add_wasi(l: &mut Linker<StoreState>) -> wasmtime::Result<()> {
    use wasmtime_wasi::cli::WasiCli;
    use wasmtime_wasi::clocks::WasiClocks;
    use wasmtime_wasi::p2::bindings::io;
    use wasmtime_wasi::random::WasiRandom;

    io::error::add_to_linker::<StoreState, HasTable>(l, |t| &mut t.table)?;
    io::poll::add_to_linker::<StoreState, HasTable>(l, |t| &mut t.table)?;
    io::streams::add_to_linker::<StoreState, HasTable>(l, |t| &mut t.table)?;
    clocks::wall_clock::add_to_linker::<StoreState, WasiClocks>(l, StoreState::clocks)?;
    clocks::monotonic_clock::add_to_linker::<StoreState, WasiClocks>(l, StoreState::clocks)?;
    filesystem::preopens::add_to_linker::<StoreState, HasPreopens>(l, StoreState::preopens)?;
    filesystem::types::add_to_linker::<StoreState, HasFiles>(l, StoreState::files)?;
    random::random::add_to_linker::<StoreState, WasiRandom>(l, |t| t.wasi.random())?;
    random::insecure::add_to_linker::<StoreState, WasiRandom>(l, |t| t.wasi.random())?;
    random::insecure_seed::add_to_linker::<StoreState, WasiRandom>(l, |t| t.wasi.random())?;
    cli::exit::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::environment::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::stdin::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::stdout::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::stderr::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::terminal_input::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::terminal_output::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stdin::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stdout::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stderr::add_to_linker::<StoreState, WasiCli>(l, StoreState::cli)?;
    Ok(())
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}
