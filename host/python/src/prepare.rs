//! Takes the snapshot: a distribution with the shim, and the modules that programs need of it, already
//! imported.
//!
//! It is taken of the *core* module, before it becomes a component, so that it contains no handle
//! of an adapter. The interpreter runs one turn that installs the shim. What that turn leaves in
//! the C library (open preopens, the "a turn was run" flag) is zeroed, as the distribution's manifest
//! says, so that `run` finds an interpreter in which nothing has run yet.

use std::path::Path;

use wasmtime::{Config, Instance, Linker, Module, OptLevel, Store, Val};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

use crate::build_error::BuildError;
use crate::componentize::{Capability, StubImport};
use crate::manifest::Prepare;
use crate::shim;

/// Where the shim's files are while the turn runs.
const SHIM_DIR: &str = "/shim";

/// Makes an interpreter that was started with its library in an archive use the directory.
pub(super) const LIBRARY: &str = include_str!("library.py");

/// What the turn needs to know of the distribution.
pub(super) struct Preparation<'a> {
    pub(super) module: &'a [u8],
    pub(super) stubs: &'a [StubImport],
    pub(super) recipe: &'a Prepare,
    /// A host directory with the standard library, and where the guest sees it.
    pub(super) library: (&'a Path, &'a str),
    /// Whether to include the replacements of sockets.
    pub(super) capability: Capability,
}

/// Runs the turn and returns the module with the resulting state.
pub(super) async fn prepare(preparation: Preparation<'_>) -> Result<Vec<u8>, BuildError> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer
        .instrument(preparation.module)
        .map_err(BuildError::snapshot)?;

    // This code runs once: compile time matters more than speed.
    let mut config = Config::new();
    config
        .wasm_exceptions(true)
        .cranelift_opt_level(OptLevel::None)
        .max_wasm_stack(crate::WASM_STACK)
        .async_stack_size(crate::ASYNC_STACK);
    let engine = wasmtime::Engine::new(&config).map_err(BuildError::snapshot)?;
    let module = {
        let engine = engine.clone();
        tokio::task::spawn_blocking(move || Module::new(&engine, instrumented))
            .await
            .map_err(|e| BuildError::Snapshot(e.to_string()))?
            .map_err(BuildError::snapshot)?
    };

    let files = tempfile::tempdir()?;
    shim::write_to(files.path(), preparation.capability)?;
    // `/home` must exist for the interpreter to make it its working directory.
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("home"))?;

    let mut store = Store::new(&engine, wasi(&preparation, files.path(), root.path())?);
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |ctx| ctx).map_err(BuildError::snapshot)?;
    for import in module.imports() {
        let stub = preparation.stubs.iter();
        let mut stub = stub.filter(|s| s.module == import.module() && s.name == import.name());
        if let (Some(stub), Some(ty)) = (stub.next(), import.ty().func()) {
            let answer = stub.answer;
            let answered = move |_: wasmtime::Caller<'_, _>, _: &[Val], results: &mut [Val]| {
                results.fill(Val::I32(answer));
                Ok(())
            };
            linker
                .func_new(&stub.module, &stub.name, ty.clone(), answered)
                .map_err(BuildError::snapshot)?;
        }
    }
    let instance = linker
        .instantiate_async(&mut store, &module)
        .await
        .map_err(BuildError::snapshot)?;
    run_turn(&mut store, &instance, preparation.recipe).await?;
    wizer
        .snapshot(&context, &mut SnapshotSource { store, instance })
        .await
        .map_err(BuildError::snapshot)
}

fn wasi(preparation: &Preparation<'_>, shim: &Path, root: &Path) -> Result<WasiP1Ctx, BuildError> {
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
    Ok(wasi.build_p1())
}

async fn run_turn(
    store: &mut Store<WasiP1Ctx>,
    instance: &Instance,
    recipe: &Prepare,
) -> Result<(), BuildError> {
    let source = [LIBRARY, shim::BOOTSTRAP].concat();
    let length = i32::try_from(source.len())
        .map_err(|_| BuildError::Snapshot("the bootstrap is too large".into()))?;
    let alloc = instance
        .get_typed_func::<i32, i32>(&mut *store, &recipe.alloc)
        .map_err(BuildError::snapshot)?;
    let turn = instance
        .get_typed_func::<(i32, i32), i32>(&mut *store, &recipe.turn)
        .map_err(BuildError::snapshot)?;
    let memory = instance
        .get_memory(&mut *store, "memory")
        .ok_or_else(|| BuildError::Snapshot("the distribution exports no memory".into()))?;

    let pointer = alloc
        .call_async(&mut *store, length)
        .await
        .map_err(BuildError::snapshot)?;
    memory
        .write(&mut *store, pointer as u32 as usize, source.as_bytes())
        .map_err(|e| BuildError::Snapshot(e.to_string()))?;
    let status = turn
        .call_async(&mut *store, (pointer, length))
        .await
        .map_err(BuildError::snapshot)?;
    if status != 0 {
        return Err(BuildError::Snapshot(format!(
            "the shim could not be installed: the turn ended with status {status}"
        )));
    }
    for range in &recipe.reset {
        let zeros = vec![0; range.length as usize];
        memory
            .write(&mut *store, range.address as usize, &zeros)
            .map_err(|e| BuildError::Snapshot(e.to_string()))?;
    }
    Ok(())
}

/// What Wizer reads of the instance.
struct SnapshotSource {
    store: Store<WasiP1Ctx>,
    instance: Instance,
}

impl InstanceState for SnapshotSource {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name);
        match global.map(|global| global.get(&mut self.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            // Wizer exports each global that it asks for, and checked their types.
            other => unreachable!("wizer asked for the global {name}: {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}
