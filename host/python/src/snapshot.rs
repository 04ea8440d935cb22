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

use wasmtime::component::{Component, Instance, Linker, ResourceTable, TypedFunc, WasmList};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::build_error::BuildError;
use crate::componentize::{Capability, WASM_PAGE};
use crate::image::{Image, ImageWriter, with_image};
use crate::immortal::{Immortal, TELL};
use crate::manifest::{MemoryRange, Prepare};
use crate::no_network::without_network;
use crate::shim;

/// Where the shim's files are while the turn runs.
const SHIM_DIR: &str = "/shim";
/// How much of the memory is looked at at once.
const PIECE: usize = 4 << 20;

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

    let mut interpreter = Interpreter { store, instance };
    let at_rest = interpreter.stack_pointer().await?;
    interpreter
        .turn(&[LIBRARY, shim::BOOTSTRAP].concat())
        .await?;
    interpreter.turn(TELL).await?;
    let immortal = Immortal::read(root.path())?;
    if interpreter.stack_pointer().await? != at_rest {
        let why = "the interpreter is not at rest after the turn";
        return Err(BuildError::Snapshot(why.into()));
    }
    let reset = &preparation.recipe.reset;
    interpreter.write(into, reset, &immortal).await
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

/// The instance whose memory becomes the image.
struct Interpreter {
    store: Store<State>,
    instance: Instance,
}

impl Interpreter {
    fn function<P, R>(&mut self, name: &str) -> Result<TypedFunc<P, R>, BuildError>
    where
        P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
        R: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
    {
        let function = self.instance.get_typed_func(&mut self.store, name);
        function.map_err(BuildError::snapshot)
    }

    async fn stack_pointer(&mut self) -> Result<u32, BuildError> {
        let function = self.function::<(), (u32,)>("stack-pointer")?;
        let called = function.call_async(&mut self.store, ()).await;
        let (pointer,) = called.map_err(BuildError::snapshot)?;
        Ok(pointer)
    }

    async fn turn(&mut self, source: &str) -> Result<(), BuildError> {
        let turn = self.function::<(&[u8],), (i32,)>("turn")?;
        let called = turn.call_async(&mut self.store, (source.as_bytes(),)).await;
        match called.map_err(BuildError::snapshot)? {
            (0,) => Ok(()),
            (status,) => Err(BuildError::Snapshot(format!(
                "the shim could not be installed: the turn ended with status {status}"
            ))),
        }
    }

    async fn write(
        mut self,
        mut into: ImageWriter,
        reset: &[MemoryRange],
        immortal: &Immortal,
    ) -> Result<(), BuildError> {
        let pages = self.function::<(), (u32,)>("memory-pages")?;
        let called = pages.call_async(&mut self.store, ()).await;
        let (pages,) = called.map_err(BuildError::snapshot)?;
        let view = self.function::<(u32, u32), (WasmList<u8>,)>("memory-view")?;
        let size = pages as usize * WASM_PAGE;
        for start in (0..size).step_by(PIECE) {
            let length = PIECE.min(size - start);
            let piece = (start as u32, length as u32);
            let called = view.call_async(&mut self.store, piece).await;
            let (list,) = called.map_err(BuildError::snapshot)?;
            let bytes = list.as_le_slice(&self.store);
            let mut wiped = wiped(bytes, start, reset);
            immortal.mark(start, bytes, &mut wiped);
            into.append(wiped.as_deref().unwrap_or(bytes))?;
        }
        Ok(into.finish()?)
    }
}

/// The piece of memory that begins at `start` with zeros in these ranges, if any is in it.
fn wiped(piece: &[u8], start: usize, ranges: &[MemoryRange]) -> Option<Vec<u8>> {
    let end = start + piece.len();
    let mut wiped = None;
    for range in ranges {
        let from = range.address as usize;
        let to = from + range.length as usize;
        let (from, to) = (from.max(start), to.min(end));
        if from < to {
            let copy = wiped.get_or_insert_with(|| piece.to_vec());
            copy[from - start..to - start].fill(0);
        }
    }
    wiped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_zeroed_in_each_piece_that_it_is_in() {
        let ranges = [MemoryRange {
            address: 6,
            length: 4,
        }];
        let piece = [1; 4];
        assert_eq!(wiped(&piece, 0, &ranges), None);
        assert_eq!(wiped(&piece, 4, &ranges), Some(vec![1, 1, 0, 0]));
        assert_eq!(wiped(&piece, 8, &ranges), Some(vec![0, 0, 1, 1]));
        assert_eq!(wiped(&piece, 12, &ranges), None);
    }
}
