//! Links a run of the interpreter: WASI without `wasi:sockets`, and `sandbox:net` as its only
//! network.

use sandbox_net_python::{Capability, without_network};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::bindings::{filesystem, io};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::clock::Clock;
use super::files::{FilesView, HasFiles, OpenFiles};
use super::filesystem::{HasPreopens, PreopensView};
use super::interrupt::Interrupt;
use super::live::Live;
use super::waits::{HasWaits, WaitsView};
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
    /// Its monotonic clock.
    pub(crate) clock: Clock,
    /// Ends what the guest does.
    pub(crate) interrupt: Interrupt,
    /// The instance, once there is one.
    pub(crate) live: Option<Live>,
}

/// What else a run has of the filesystem.
#[derive(Default)]
pub(crate) struct Files {
    context: WasiFilesystemCtx,
    open: OpenFiles,
}

impl Files {
    /// The files and directories that are open, besides those that the run started with.
    pub(crate) fn open(&self) -> usize {
        self.open.in_use()
    }
}

impl Files {
    /// How often the guest has looked for files of its own disk.
    pub(crate) fn lookups(&self) -> usize {
        self.open.lookups()
    }
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

    fn waits(&mut self) -> WaitsView<'_> {
        WaitsView {
            table: &mut self.table,
            interrupt: &self.interrupt,
        }
    }

    fn files(&mut self) -> FilesView<'_> {
        let Files { context, open } = &mut self.files;
        FilesView::new(context, &mut self.table, open)
    }
}

/// What an interpreter may import. Without a network nothing of `sandbox:net` is there.
pub(super) fn linker(
    runtime: &Component,
    capability: Capability,
) -> wasmtime::Result<Linker<StoreState>> {
    let mut linker = Linker::new(runtime.engine());
    let l = &mut linker;
    sandbox_net_wasi::add_wasi_without_files(l)?;
    l.allow_shadowing(true);
    io::poll::add_to_linker::<StoreState, HasWaits>(l, StoreState::waits)?;
    l.allow_shadowing(false);
    filesystem::preopens::add_to_linker::<StoreState, HasPreopens>(l, StoreState::preopens)?;
    filesystem::types::add_to_linker::<StoreState, HasFiles>(l, StoreState::files)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    match capability {
        Capability::Network => {
            l.root().func_wrap("network", |_, (): ()| Ok((true,)))?;
            sandbox_net_wasi::add_to_linker(l)?;
        }
        Capability::None => without_network(l, runtime)?,
    }
    Ok(linker)
}
