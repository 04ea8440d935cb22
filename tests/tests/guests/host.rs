//! Runs a command of WASI, a component, with `sandbox:net` as this host implements it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sandbox_net::egress::EgressConfig;
use sandbox_net::policy::Policy;
use sandbox_net::{
    AuditLog, Gateway, SandboxNetCtx, SandboxNetCtxView, SandboxNetView, add_to_linker,
};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, OptLevel, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The most that a guest prints.
const OUTPUT: usize = 1 << 20;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    // Compiled once and run once.
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    Engine::new(&config).expect("an engine")
});

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    net: SandboxNetCtx,
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

/// How a command ended.
pub(crate) struct Ended {
    /// Whether it says that all went well.
    pub(crate) is_ok: bool,
    /// What it printed.
    pub(crate) printed: String,
    /// What was decided.
    pub(crate) audit: AuditLog,
}

/// A file below `guest/`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../guest")
        .join(name)
}

/// Runs the component in a file under a policy.
pub(crate) async fn run(
    component: &Path,
    arguments: &[String],
    policy: Policy,
    config: EgressConfig,
) -> Ended {
    let component = Component::from_file(&ENGINE, component).expect("a component");
    let mut linker = Linker::<State>::new(&ENGINE);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
    add_to_linker(&mut linker).expect("the interface");
    let (audit, stdout) = (AuditLog::new(), MemoryOutputPipe::new(OUTPUT));
    let mut wasi = WasiCtx::builder();
    wasi.arg("guest").args(arguments).stdout(stdout.clone());
    let state = State {
        wasi: wasi.build(),
        table: ResourceTable::new(),
        net: SandboxNetCtx::new(Gateway::new(policy, config, audit.clone())),
    };
    let mut store = Store::new(&ENGINE, state);
    let command = Command::instantiate_async(&mut store, &component, &linker).await;
    let command = command.expect("a command of WASI");
    let ended = command.wasi_cli_run().call_run(&mut store).await;
    let printed = String::from_utf8_lossy(&stdout.contents()).into_owned();
    Ended {
        is_ok: ended
            .unwrap_or_else(|trap| panic!("a trap: {trap:?}\n{printed}"))
            .is_ok(),
        printed,
        audit,
    }
}
