//! A hostile component: it passes any core value on to `sandbox:net/client`, without the adapter
//! and the stand-ins for `_socket`. The test chooses the values, forged handles included.

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;

use sandbox_net::egress::{EgressConfig, NameServers, Roots, TlsConfig, read_certificates};
use sandbox_net::policy::Policy;
use sandbox_net::{
    AuditLog, Gateway, SandboxNetCtx, SandboxNetCtxView, SandboxNetView, add_to_linker,
};
use wasmtime::component::{
    Component, ComponentNamedList, Instance, Lift, Linker, Lower, ResourceTable,
};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::world::{World, document};

/// The calls are made with addresses and lengths in the component's own memory.
const WORLD: &str = "
    package test:hostile;

    world hostile {
        import wasi:io/poll@0.2.12;
        import sandbox:net/client@0.1.0;
        export poke: func(address: u32, bytes: list<u8>);
        export peek: func(address: u32, size: u32) -> list<u8>;
        export connect: func(host: u32, length: u32, port: u32);
        export resolve: func(host: u32, length: u32);
        export answer: func(lookup: u32);
        export addresses: func(lookup: u32);
        export drop-lookup: func(lookup: u32);
        export wait: func(kind: u32, handle: u32);
        export status: func(connection: u32);
        export start-tls: func(connection: u32, name: u32, length: u32,
            verification: u32);
        export request: func(connection: u32, method: u32, method-length: u32, path: u32,
            path-length: u32, fields: u32, count: u32, kind: u32, size: u64);
        export head: func(exchange: u32);
        export body: func(exchange: u32);
        export finish: func(exchange: u32);
        export close: func(connection: u32);
        export drop-exchange: func(exchange: u32);
    }
";

/// The places of results of imported calls, of the host's texts, and of the test's values.
const RESULT: u32 = 1024;
const TEXTS: u32 = 0x1_0000;
const VALUES: u32 = 0x10_0000;

const PROGRAM: &str = r#"(module
    (import "sandbox:net/client@0.1.0" "connect"
        (func $connect (param i32 i32 i32 i32 i64 i32)))
    (import "sandbox:net/client@0.1.0" "resolve" (func $resolve (param i32 i32 i32)))
    (import "sandbox:net/client@0.1.0" "[method]lookup.subscribe"
        (func $subscribe_lookup (param i32) (result i32)))
    (import "sandbox:net/client@0.1.0" "[method]lookup.status" (func $answer (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "[method]lookup.addresses"
        (func $addresses (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "[resource-drop]lookup" (func $drop_lookup (param i32)))
    (import "sandbox:net/client@0.1.0" "[method]connection.subscribe"
        (func $subscribe_connection (param i32) (result i32)))
    (import "sandbox:net/client@0.1.0" "[method]exchange.subscribe"
        (func $subscribe_exchange (param i32) (result i32)))
    (import "sandbox:net/client@0.1.0" "[method]connection.status" (func $status (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "[method]connection.start-tls"
        (func $start_tls
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "sandbox:net/client@0.1.0" "request"
        (func $request (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "sandbox:net/client@0.1.0" "[method]exchange.head" (func $head (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "[method]exchange.body" (func $body (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "[method]exchange.finish-body" (func $finish (param i32 i32)))
    (import "sandbox:net/client@0.1.0" "close" (func $close (param i32)))
    (import "sandbox:net/client@0.1.0" "[resource-drop]exchange" (func $drop_exchange (param i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop_pollable (param i32)))
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 0x10000))
    ;; Each text gets a place of its own; 16 keeps every alignment.
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get 3)) (i32.const 31))
            (i32.const -16)))
        local.get $at)
    (func (export "poke") (param i32 i32 i32)
        (memory.copy (local.get 0) (local.get 1) (local.get 2))
        (global.set $next (i32.const 0x10000)))
    (func (export "peek") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (local.get 1))
        i32.const 16)
    (func (export "connect") (param i32 i32 i32)
        (call $connect (local.get 0) (local.get 1) (local.get 2) (i32.const 0) (i64.const 0)
            (i32.const 1024)))
    (func (export "resolve") (param i32 i32)
        (call $resolve (local.get 0) (local.get 1) (i32.const 1024)))
    (func (export "answer") (param i32) (call $answer (local.get 0) (i32.const 1024)))
    (func (export "addresses") (param i32)
        (call $addresses (local.get 0) (i32.const 1024)))
    (func (export "drop-lookup") (param i32) (call $drop_lookup (local.get 0)))
    (func (export "wait") (param i32 i32)
        (local $pollable i32)
        (if (i32.eqz (local.get 0))
            (then (local.set $pollable (call $subscribe_connection (local.get 1)))))
        (if (i32.eq (local.get 0) (i32.const 1))
            (then (local.set $pollable (call $subscribe_exchange (local.get 1)))))
        (if (i32.eq (local.get 0) (i32.const 2))
            (then (local.set $pollable (call $subscribe_lookup (local.get 1)))))
        (call $block (local.get $pollable))
        (call $drop_pollable (local.get $pollable)))
    (func (export "status") (param i32) (call $status (local.get 0) (i32.const 1024)))
    (func (export "start-tls") (param i32 i32 i32 i32)
        (call $start_tls (local.get 0) (local.get 1) (local.get 2)
            (i32.const 0) ;; all versions
            (local.get 3)
            (i32.const 1) ;; the host's roots
            (i32.const 0) (i32.const 0) ;; no others
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) ;; no certificate
            (i32.const 0) (i32.const 0) ;; no protocols
            (i32.const 0) ;; the usual checks
            (i32.const 1024)))
    (func (export "request") (param i32 i32 i32 i32 i32 i32 i32 i32 i64)
        (call $request (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
            (local.get 5) (local.get 6) (local.get 7) (local.get 8) (i32.const 1024)))
    (func (export "head") (param i32) (call $head (local.get 0) (i32.const 1024)))
    (func (export "body") (param i32) (call $body (local.get 0) (i32.const 1024)))
    (func (export "finish") (param i32) (call $finish (local.get 0) (i32.const 1024)))
    (func (export "close") (param i32) (call $close (local.get 0)))
    (func (export "drop-exchange") (param i32) (call $drop_exchange (local.get 0)))
)"#;

fn encode() -> Vec<u8> {
    let mut module = wat::parse_str(PROGRAM).expect("a module");
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    resolve.push_dir(&wit).expect("the interface");
    let package = resolve.push_str("hostile.wit", WORLD).expect("a package");
    let world = resolve.select_world(&[package], Some("hostile"));
    let world = world.expect("a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the world's description");
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder.expect("a module").encode().expect("a component")
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Config::new()).expect("an engine"));
static COMPONENT: LazyLock<Component> =
    LazyLock::new(|| Component::new(&ENGINE, encode()).expect("a component"));

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

/// The component, running under a policy.
pub struct Hostile {
    store: Store<State>,
    instance: Instance,
    /// What was decided.
    pub audit: AuditLog,
}

impl Hostile {
    /// An instance whose policy has these rules.
    pub async fn start(world: &World, rules: &[&str]) -> Self {
        let mut linker = Linker::<State>::new(&ENGINE);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        add_to_linker(&mut linker).expect("the interface");
        let rules = rules.iter().map(|rule| world.fill(rule));
        let policy = Policy::from(document(rules));
        let roots = read_certificates(&world.ca.root_pem()).expect("a certificate");
        let tls = TlsConfig::new(Roots::None, roots).expect("roots");
        let mut config = EgressConfig::new(tls);
        let servers = NameServers::new([world.dns.address()]).expect("a name server");
        config.resolver = std::sync::Arc::new(servers);
        let audit = AuditLog::new();
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            net: SandboxNetCtx::new(Gateway::new(policy, config, audit.clone())),
        };
        let mut store = Store::new(&ENGINE, state);
        let instance = linker.instantiate_async(&mut store, &COMPONENT).await;
        Self {
            instance: instance.expect("an instance"),
            store,
            audit,
        }
    }

    /// Calls an export. A trap is an error; nothing can be called after one.
    pub async fn call<P, R>(&mut self, name: &str, parameters: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        function.call_async(&mut self.store, parameters).await
    }

    /// Puts values into the component's memory, one after the other; returns addresses and lengths.
    pub async fn put<const N: usize>(&mut self, values: [&[u8]; N]) -> [(u32, u32); N] {
        let mut address = VALUES;
        let places = values.map(|value| {
            let place = (address, value.len() as u32);
            address += (value.len() as u32 + 15) & !15;
            place
        });
        for (value, (address, _)) in values.into_iter().zip(places) {
            let poked: wasmtime::Result<()> = self.call("poke", (address, value)).await;
            poked.expect("room in the component's memory");
        }
        places
    }

    async fn peek(&mut self, address: u32, size: u32) -> Vec<u8> {
        let peeked: wasmtime::Result<(Vec<u8>,)> = self.call("peek", (address, size)).await;
        peeked.expect("the component's memory").0
    }

    /// The byte at an offset of the last result.
    pub async fn byte(&mut self, offset: u32) -> u8 {
        self.peek(RESULT + offset, 1).await[0]
    }

    /// The integer at an offset of the last result.
    pub async fn word(&mut self, offset: u32) -> u32 {
        let bytes = self.peek(RESULT + offset, 4).await;
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    /// The last result as a list of addresses.
    pub async fn addresses(&mut self) -> Vec<IpAddr> {
        const SIZE: usize = 18;
        let (address, count) = (self.word(0).await, self.word(4).await);
        let bytes = self.peek(address, count * SIZE as u32).await;
        let read = |one: &[u8]| match one[0] {
            0 => IpAddr::from([one[2], one[3], one[4], one[5]]),
            _ => {
                let group = |at: usize| u16::from_le_bytes([one[2 + 2 * at], one[3 + 2 * at]]);
                IpAddr::from(std::array::from_fn::<u16, 8, _>(group))
            }
        };
        bytes.chunks_exact(SIZE).map(read).collect()
    }

    /// The text whose address is at an offset of the last result.
    pub async fn text(&mut self, offset: u32) -> String {
        let (address, size) = (self.word(offset).await, self.word(offset + 4).await);
        debug_assert!(address >= TEXTS);
        let bytes = self.peek(address, size).await;
        String::from_utf8(bytes).expect("UTF-8")
    }
}
