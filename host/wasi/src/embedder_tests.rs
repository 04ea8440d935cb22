//! What an embedder's own linker and store get.

use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net_gateway::{AuditLog, Gateway};
use sandbox_net_policy::Policy;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Memory, MemoryType, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::{
    GuestLimits, SandboxNetCtx, SandboxNetCtxView, SandboxNetView, add_all_to_linker,
    add_to_linker, prepare_store,
};

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    net: SandboxNetCtx,
}

impl State {
    fn new() -> Self {
        let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
        let gateway = Gateway::new(Policy::deny_all(), config, AuditLog::new());
        Self {
            table: ResourceTable::new(),
            wasi: WasiCtx::default(),
            net: SandboxNetCtx::new(gateway),
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl SandboxNetView for State {
    fn sandbox_net(&mut self) -> SandboxNetCtxView<'_> {
        SandboxNetCtxView {
            ctx: &mut self.net,
            table: &mut self.table,
        }
    }
}

#[test]
fn an_interface_that_a_linker_already_has_is_refused_in_words() {
    let engine = Engine::default();
    for (first, second, words) in [
        (
            add_to_linker as fn(&mut Linker<State>) -> _,
            add_to_linker as fn(&mut Linker<State>) -> _,
            "already has the interface sandbox:net: add it once",
        ),
        (
            add_all_to_linker,
            add_to_linker,
            "already has the interface sandbox:net: add it once",
        ),
        (
            add_to_linker,
            add_all_to_linker,
            "already has the interface sandbox:net: add it once",
        ),
        (
            add_all_to_linker,
            add_all_to_linker,
            "already has interfaces of WASI",
        ),
        (
            wasmtime_wasi::p2::add_to_linker_async,
            add_all_to_linker,
            "already has interfaces of WASI",
        ),
    ] {
        let mut linker = Linker::<State>::new(&engine);
        first(&mut linker).unwrap();
        let error = second(&mut linker).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // Another linker is another matter, and so is WASI without us.
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    add_to_linker(&mut linker).unwrap();
}

#[test]
fn one_call_bounds_the_memory_and_the_resources_of_a_store() {
    let engine = Engine::default();
    let limits = GuestLimits {
        memory: 128 << 10,
        resources: 2,
        ..GuestLimits::default()
    };
    let mut store = Store::new(&engine, State::new());
    prepare_store(&mut store, limits);
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    memory.grow(&mut store, 1).unwrap();
    assert!(memory.grow(&mut store, 1).is_err());
    assert!(Memory::new(&mut store, MemoryType::new(1, None)).is_err());
    let table = store.data_mut().sandbox_net().table;
    table.push(1u8).unwrap();
    table.push(2u8).unwrap();
    assert!(table.push(3u8).is_err());
    assert_eq!(store.hostcall_fuel(), limits.hostcall_fuel);

    // The control: without it a store has no bounds of this kind.
    let mut free = Store::new(&engine, State::new());
    let memory = Memory::new(&mut free, MemoryType::new(1, None)).unwrap();
    memory.grow(&mut free, 10).unwrap();
    assert!(free.hostcall_fuel() > limits.hostcall_fuel);
}
