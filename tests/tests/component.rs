//! The component itself: its imports, what crosses its boundary, and how it runs on a host that is
//! not `Sandbox`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net::egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net::policy::Policy;
use sandbox_net::{
    AuditLog, Capability, Engine, Gateway, GuestLimits, Sandbox, SandboxNetCtx, SandboxNetCtxView,
    SandboxNetView, Verdict, add_all_to_linker, configure, exit_code, keep_ticking, prepare_store,
};
use sandbox_net_tests::{Forbidden, HttpServer};
use tokio::sync::OnceCell;
use wasmparser::{Parser, Payload};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Caller, Config, OptLevel, RegallocAlgorithm, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

async fn component(capability: Capability) -> Vec<u8> {
    let engine = Engine::shared().await.expect("the default distribution");
    let file = engine.component(capability).await.expect("a component");
    std::fs::read(file).expect("the component's file")
}

/// The interfaces that the component imports, without their versions.
fn imports(component: &[u8]) -> BTreeSet<String> {
    let mut depth = 0;
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a valid component") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.expect("an import").name.0.to_owned();
                    names.insert(name.split('@').next().unwrap_or_default().to_owned());
                }
            }
            _ => {}
        }
    }
    names
}

#[tokio::test]
async fn with_the_network_the_component_imports_the_client_and_no_sockets() {
    let imports = imports(&component(Capability::Network).await);
    assert!(imports.contains("sandbox:net/client"), "{imports:?}");
    for name in &imports {
        let allowed = [
            "sandbox:net/",
            "wasi:cli/",
            "wasi:clocks/",
            "wasi:filesystem/",
        ];
        let allowed = allowed.iter().chain(&["wasi:io/", "wasi:random/"]);
        assert!(allowed.into_iter().any(|a| name.starts_with(a)), "{name}");
    }
}

#[tokio::test]
async fn without_a_rule_nothing_of_the_network_is_imported_and_the_socket_module_is_the_stock_one()
{
    let imports = imports(&component(Capability::None).await);
    assert!(!imports.is_empty());
    for name in &imports {
        let network = ["sandbox:net", "wasi:sockets", "wasi:http"];
        assert!(!network.iter().any(|n| name.starts_with(n)), "{name}");
    }

    let code = "import _socket, os; print(getattr(_socket.__spec__, 'origin', 'none'))\n\
                try: os.write(-2, bytes(16))\n\
                except OSError as e: print(os.strerror(e.errno))";
    let stock = Sandbox::builder().build().await.expect("a sandbox");
    let outcome = stock.run(code).await.expect("a run");
    assert_eq!(outcome.stdout_text(), "built-in\nBad file descriptor\n");

    // Control: with a rule the stand-in exists, and the descriptor takes a frame.
    let networked = Sandbox::builder().allow("https://a.test").build().await;
    let outcome = networked
        .expect("a sandbox")
        .run(code)
        .await
        .expect("a run");
    assert_eq!(outcome.stdout_text(), "sandbox-net\n", "{outcome:?}");
}

/// The same code serves both kinds of programs, so the host answers for the descriptor.
#[tokio::test]
async fn without_a_network_the_channels_descriptor_is_none_for_any_call() {
    let code = "import os\n\
                for call in lambda: os.write(-2, b''), lambda: os.read(-2, 1), lambda: os.fstat(-2):\n\
                \x20   for _ in range(2):\n\
                \x20       try: print(call())\n\
                \x20       except OSError as e: print(os.strerror(e.errno))";
    let plain = Sandbox::builder().build().await.expect("a sandbox");
    let outcome = plain.run(code).await.expect("a run");
    let expected = "Bad file descriptor\n".repeat(6);
    assert_eq!(outcome.stdout_text(), expected, "{outcome:?}");
}

/// The minimum that CPython needs to start, for either kind of linker.
fn wasi(engine: &Engine, code: &str, stdout: &MemoryOutputPipe) -> WasiCtxBuilder {
    let (library, guest) = engine.library();
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&["python", "-c", code]).stdout(stdout.clone());
    let mounted = wasi.preopened_dir(library, guest, FsPerms::ReadOnly);
    mounted.expect("the standard library");
    wasi
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_exceptions(true)
        // Compiled once and run once.
        .cranelift_opt_level(OptLevel::None)
        .max_wasm_stack(8 << 20)
        .async_stack_size(10 << 20);
    config
}

#[tokio::test]
async fn the_descriptor_that_arrives_at_the_import_boundary_is_0xfffffffe() {
    let python = Engine::shared().await.expect("the default distribution");
    let (library, _) = python.library();
    let core = library.parent().expect("the entry").join("core.wasm");
    let mut config = config();
    config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    let engine = wasmtime::Engine::new(&config).expect("an engine");
    let module = wasmtime::Module::from_file(&engine, core).expect("the core module");

    let written = Arc::new(Mutex::new(Vec::new()));
    let seen = written.clone();
    let mut linker = wasmtime::Linker::<WasiP1Ctx>::new(&engine);
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |ctx| ctx).expect("preview1");
    linker.allow_shadowing(true);
    linker
        .func_wrap(
            "wasi_snapshot_preview1",
            "fd_write",
            move |_: Caller<'_, WasiP1Ctx>, fd: u32, _: u32, _: u32, _: u32| -> u32 {
                const EBADF: u32 = 8;
                seen.lock().expect("the list").push(fd);
                EBADF
            },
        )
        .expect("fd_write");
    linker
        .func_wrap("host", "call", |_: u32, _: u32, _: u32, _: u32| -> i32 {
            -1
        })
        .expect("host.call");

    let code = "import os\n\
                for data in b'x', b'yz':\n\
                \x20   try: os.write(-2, data)\n\
                \x20   except OSError: pass\n\
                try: os.write(0xFFFFFFFE, b'x')\n\
                except OverflowError: pass\n\
                else: os._exit(1)";
    let stdout = MemoryOutputPipe::new(4096);
    let mut store = Store::new(&engine, wasi(&python, code, &stdout).build_p1());
    let instance = linker.instantiate_async(&mut store, &module).await;
    let instance = instance.expect("an instance");
    let run = instance.get_typed_func::<(), i32>(&mut store, "run");
    let code = run.expect("run").call_async(&mut store, ()).await;
    assert_eq!(code.expect("an exit code"), 0);
    assert_eq!(*written.lock().expect("the list"), [0xFFFF_FFFE; 2]);
}

/// What an embedder keeps in its own store.
struct Embedder {
    wasi: WasiCtx,
    table: ResourceTable,
    net: SandboxNetCtx,
}

impl WasiView for Embedder {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl SandboxNetView for Embedder {
    fn sandbox_net(&mut self) -> SandboxNetCtxView<'_> {
        SandboxNetCtxView {
            ctx: &mut self.net,
            table: &mut self.table,
        }
    }
}

/// An engine of the embedder's own, with the component compiled once and a linker for it.
async fn embedded() -> (wasmtime::Engine, Component, Linker<Embedder>) {
    static COMPILED: OnceCell<Component> = OnceCell::const_new();
    let compile = async || {
        let mut config = config();
        let engine = wasmtime::Engine::new(configure(&mut config)).expect("an engine");
        let python = Engine::shared().await.expect("the default distribution");
        let compiled = python.compiled_component(Capability::Network, &engine);
        compiled.await.expect("a component")
    };
    let component = COMPILED.get_or_init(compile).await.clone();
    let engine = component.engine().clone();
    keep_ticking(&engine).expect("a thread");
    let mut linker = Linker::new(&engine);
    add_all_to_linker(&mut linker).expect("the interfaces");
    (engine, component, linker)
}

#[tokio::test]
async fn an_embedder_runs_the_component_with_wasmtime_and_four_calls_alone() {
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let python = Engine::shared().await.expect("the default distribution");
    let (engine, component, linker) = embedded().await;
    let rule = server.origin().parse().expect("a rule");
    let policy = Policy::allow([rule]);
    let tls = TlsConfig::new(Roots::Bundled, []).expect("roots");
    let config = EgressConfig::new(tls);
    let audit = AuditLog::new();
    let code = format!(
        "import urllib.request as u\n\
         print(u.urlopen('{}/get').status)\n\
         try: u.urlopen('{}/')\n\
         except OSError as error: print(type(error.reason).__name__)",
        server.origin(),
        forbidden.origin(),
    );
    let stdout = MemoryOutputPipe::new(4096);
    let state = Embedder {
        wasi: wasi(&python, &code, &stdout).build(),
        table: ResourceTable::new(),
        net: SandboxNetCtx::new(Gateway::new(policy, config, audit.clone())),
    };
    let mut store = Store::new(&engine, state);
    prepare_store(&mut store, GuestLimits::default());
    let instance = linker.instantiate_async(&mut store, &component).await;
    let instance = instance.expect("an instance");
    let run = instance.get_typed_func::<(), (i32,)>(&mut store, "run");
    let code = exit_code(run.expect("run").call_async(&mut store, ()).await);
    assert_eq!(code.expect("an exit code"), 0);
    assert_eq!(stdout.contents(), "200\nPermissionError\n");
    assert_eq!(forbidden.connections().await, 0);
    let denied = audit.decisions().into_iter();
    assert_eq!(denied.filter(|d| d.verdict == Verdict::Deny).count(), 1);
}

/// The state of a guest that runs `code` without a network.
fn offline(python: &Engine, code: &str, stdout: &MemoryOutputPipe) -> Embedder {
    let tls = TlsConfig::new(Roots::Bundled, []).expect("roots");
    let gateway = Gateway::new(Policy::deny_all(), EgressConfig::new(tls), AuditLog::new());
    Embedder {
        wasi: wasi(python, code, stdout).build(),
        table: ResourceTable::new(),
        net: SandboxNetCtx::new(gateway),
    }
}

#[tokio::test]
async fn a_store_that_was_prepared_bounds_memory_recursion_and_time() {
    let python = Engine::shared().await.expect("the default distribution");
    let (engine, component, linker) = embedded().await;
    let run = async |code: &str, limits: GuestLimits| {
        let stdout = MemoryOutputPipe::new(4096);
        let mut store = Store::new(&engine, offline(&python, code, &stdout));
        prepare_store(&mut store, limits);
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let run = instance.get_typed_func::<(), (i32,)>(&mut store, "run")?;
        let code = exit_code(run.call_async(&mut store, ()).await)?;
        Ok::<_, wasmtime::Error>((code, stdout.contents()))
    };
    let greedy = "try: bytes(400 << 20)\nexcept MemoryError: print('no room')\nelse: print('room')";
    let mut limits = GuestLimits::default();
    let ended = run(greedy, limits).await.expect("a run");
    assert_eq!(ended, (0, "room\n".into()), "the control");
    limits.memory = 256 << 20;
    let ended = run(greedy, limits).await.expect("a run");
    assert_eq!(ended, (0, "no room\n".into()));

    let deep = "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(900))";
    let ended = run(deep, limits).await.expect("a run");
    assert_eq!(ended, (0, "900\n".into()));

    // A guest that never waits yields all the same, so that a timeout around it holds.
    let endless = run("while True: pass", limits);
    let ended = tokio::time::timeout(Duration::from_secs(2), endless).await;
    assert!(ended.is_err());
}
