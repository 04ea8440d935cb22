//! Takes the snapshot: the memory of a distribution with the shim, and the modules that programs need of
//! it, already imported.
//!
//! An instance of the compiled runtime begins with the distribution's own memory and runs one turn that
//! installs the shim. What that turn leaves in the C library (open preopens, the "a turn was run" flag)
//! is zeroed, as the distribution's manifest says, so that `run` finds an interpreter in which nothing has
//! run yet. The adapters keep what they know outside of the memory, or where they find it only through
//! what is outside: a new instance begins without it.

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::at_rest::AtRest;
use crate::build_error::BuildError;
use crate::componentize::Capability;
use crate::image::{Image, ImageWriter, with_image};
use crate::immortals::{self, Immortals};
use crate::manifest::Prepare;
use crate::no_network::without_network;
use crate::shim;

/// Where the shim's files are while the turn runs.
const SHIM_DIR: &str = "/shim";

/// Makes an interpreter that was started with its library in an archive use the directory.
pub(super) const LIBRARY: &str = include_str!("library.py");

/// What the turn needs to know of the distribution.
pub(super) struct Preparation<'a> {
    /// The runtime, compiled.
    pub(super) runtime: &'a Component,
    /// The memory with which it begins.
    pub(super) base: &'a Arc<Image>,
    pub(super) recipe: &'a Prepare,
    /// A host directory with the standard library, and where the guest sees it.
    pub(super) library: (&'a Path, &'a str),
    /// Whether to include the replacements of sockets.
    pub(super) capability: Capability,
}

/// The state of the interpreter's host.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Runs the turn and writes the resulting memory.
pub(super) async fn snapshot(
    preparation: Preparation<'_>,
    into: ImageWriter,
) -> Result<(), BuildError> {
    let files = tempfile::tempdir()?;
    shim::write_to(files.path(), preparation.capability)?;
    // `/home` must exist for the interpreter to make it its working directory.
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("home"))?;

    let engine = preparation.runtime.engine();
    let state = State {
        wasi: wasi(&preparation, files.path(), root.path())?,
        table: ResourceTable::new(),
    };
    let mut store = Store::new(engine, state);
    // Others have their turn in between, and whoever waits can stop it.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    let linker = linker(preparation.runtime).map_err(BuildError::snapshot)?;
    let instance = linker.instantiate_async(&mut store, preparation.runtime);
    let instance = with_image(preparation.base, instance).await;
    let instance = instance.map_err(BuildError::snapshot)?;

    let mut interpreter = AtRest::new(&mut store, instance);
    let at_rest = interpreter.stack_pointer().await;
    let at_rest = at_rest.map_err(BuildError::snapshot)?;
    turn(&mut interpreter, &[LIBRARY, shim::BOOTSTRAP].concat()).await?;
    // Only now the garbage of the first turn is gone.
    turn(&mut interpreter, shim::SETTLE).await?;
    let now = interpreter.stack_pointer().await;
    if now.map_err(BuildError::snapshot)? != at_rest {
        let why = "the interpreter is not at rest after the turn";
        return Err(BuildError::Snapshot(why.into()));
    }
    let objects = Immortals::read(&root.path().join(immortals::FILE))?;
    let reset = &preparation.recipe.reset;
    interpreter.write(into, reset, &objects).await?;
    Ok(())
}

async fn turn(interpreter: &mut AtRest<'_, State>, source: &str) -> Result<(), BuildError> {
    let status = interpreter.turn(source.as_bytes()).await;
    match status.map_err(BuildError::snapshot)? {
        0 => Ok(()),
        status => Err(BuildError::Snapshot(format!(
            "the shim could not be installed: the turn ended with status {status}"
        ))),
    }
}

/// Nothing here talks to a network: where the shim would, it traps.
fn linker(runtime: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(runtime.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    without_network(&mut linker, runtime)?;
    Ok(linker)
}

fn wasi(preparation: &Preparation<'_>, shim: &Path, root: &Path) -> Result<WasiCtx, BuildError> {
    let (library, guest) = preparation.library;
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&["python"]).inherit_stderr();
    let mounts = [
        (root, "/", FsPerms::ReadWrite),
        (library, guest, FsPerms::ReadOnly),
        (shim, SHIM_DIR, FsPerms::ReadOnly),
    ];
    for (host, guest, perms) in mounts {
        wasi.preopened_dir(host, guest, perms)
            .map_err(BuildError::snapshot)?;
    }
    Ok(wasi.build())
}
