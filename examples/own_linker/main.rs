//! A host with a wasmtime engine and a linker of its own, and an interface of its own beside
//! `sandbox:net`.
//!
//! Two guests run by the same linker. Python reaches the network through `sandbox:net`, as far as the
//! policy allows, and prints what it found. It can import nothing but what is built into it, so a second
//! component, a plugin, uses the host's own interface: it gets each line that Python printed, and pins it
//! to the host's board.

use sandbox_net::egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net::policy::Policy;
use sandbox_net::wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use sandbox_net::wasmtime::{Config, Engine, OptLevel, Result, Store, bail, ensure};
use sandbox_net::{
    AuditLog, Capability, Gateway, GuestLimits, SandboxNetCtx, SandboxNetCtxView, SandboxNetView,
};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use bindings::Plugin;
use bindings::example::desk::board;

/// The host's own interface. The generated code uses the wasmtime that sandbox-net uses.
#[allow(
    missing_docs,
    missing_debug_implementations,
    reason = "it is generated"
)]
mod bindings {
    sandbox_net::wasmtime::component::bindgen!({
        inline: "
            package example:desk;

            interface board {
                pin: func(note: string);
            }

            world plugin {
                import board;
                export take: func(note: string);
            }
        ",
        exports: { default: async },
        wasmtime_crate: sandbox_net::wasmtime,
    });
}

/// What Python runs: it prints a line for each URL.
const PROGRAM: &str = include_str!("visit.py");

/// What each guest's store holds.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    net: SandboxNetCtx,
    board: Vec<String>,
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

impl board::Host for State {
    fn pin(&mut self, note: String) {
        self.board.push(note);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(rule) = args.next() else {
        bail!("usage: own_linker RULE [URL]...");
    };
    let urls: Vec<String> = args.collect();

    // Two steps make an engine fit for Python: the settings, and the clock that limits its time.
    let mut config = Config::new();
    // Compiling is quicker so, and the interpreter slower.
    config.cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(sandbox_net::configure(&mut config))?;
    sandbox_net::keep_ticking(&engine)?;

    // One linker has all that the guests may import: WASI without sockets, `wasi:http`, `sandbox:net`, and
    // the interface of this host.
    let mut linker = Linker::<State>::new(&engine);
    sandbox_net::add_all_to_linker(&mut linker)?;
    board::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;

    let policy = Policy::allow([rule.parse()?]);
    let printed = run_python(&engine, &linker, policy, &urls).await?;
    for note in run_plugin(&engine, &linker, &printed).await? {
        println!("pinned: {note}");
    }
    Ok(())
}

/// Returns what the Python program printed.
async fn run_python(
    engine: &Engine,
    linker: &Linker<State>,
    policy: Policy,
    urls: &[String],
) -> Result<String> {
    // The component is made and compiled once on a machine; `sandbox-net componentize` writes the same one.
    let python = sandbox_net::Engine::shared().await?;
    let component = python.compiled_component(Capability::Network, engine);
    let component = component.await?;

    let stdout = MemoryOutputPipe::new(1 << 20);
    let (library, guest) = python.library();
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&["python", "-c", PROGRAM]).args(urls);
    wasi.preopened_dir(library, guest, FsPerms::ReadOnly)?;
    let mut store = store(engine, wasi.stdout(stdout.clone()).build(), policy)?;
    let instance = linker.instantiate_async(&mut store, &component).await?;
    let run = instance.get_typed_func::<(), (i32,)>(&mut store, "run")?;
    let code = sandbox_net::exit_code(run.call_async(&mut store, ()).await)?;
    ensure!(code == 0, "the program ended with {code}");
    Ok(String::from_utf8(stdout.contents().to_vec())?)
}

/// Gives each line to the plugin; returns what it pinned. It has no network at all.
async fn run_plugin(engine: &Engine, linker: &Linker<State>, text: &str) -> Result<Vec<String>> {
    let component = Component::new(engine, wat::parse_str(include_str!("plugin.wat"))?)?;
    let wasi = WasiCtxBuilder::new().build();
    let mut store = store(engine, wasi, Policy::deny_all())?;
    let plugin = Plugin::instantiate_async(&mut store, &component, linker).await?;
    for line in text.lines() {
        plugin.call_take(&mut store, line).await?;
    }
    Ok(store.into_data().board)
}

/// A store in which the guest's memory, its tables and its time are bounded.
fn store(engine: &Engine, wasi: WasiCtx, policy: Policy) -> Result<Store<State>> {
    let egress = EgressConfig::new(TlsConfig::new(Roots::Platform, [])?);
    let gateway = Gateway::new(policy, egress, AuditLog::new());
    let state = State {
        table: ResourceTable::new(),
        wasi,
        net: SandboxNetCtx::new(gateway),
        board: Vec::new(),
    };
    let mut store = Store::new(engine, state);
    // Without it the guest would trap at the first tick.
    sandbox_net::prepare_store(&mut store, GuestLimits::default());
    Ok(store)
}
