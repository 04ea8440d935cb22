//! A program that only passes calls on to the adapter, so that a test acts as the program.

use std::sync::LazyLock;

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wasmtime::component::{Component, ComponentNamedList, HasSelf, Instance, Lift, Linker, Lower};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::frames::Reply;
use crate::mock::{Host, bindings};

const ADAPTER: &[u8] = include_bytes!("../../../adapter/sandbox_net_preview1.wasm");

const WORLD: &str = "
    package test:program;

    world program {
        export poke: func(address: u32, bytes: list<u8>);
        export peek: func(address: u32, size: u32) -> list<u8>;
        export pages: func() -> u32;
        export grow: func(pages: u32) -> u32;
        export fd-write: func(fd: u32, buffers: u32, count: u32, written: u32) -> u32;
        export fd-read: func(fd: u32, buffers: u32, count: u32, read: u32) -> u32;
        export fd-fdstat-get: func(fd: u32, status: u32) -> u32;
    }
";

/// The control channel.
pub const CONTROL: u32 = 0xFFFF_FFFE;
/// The pages of memory that a program starts with.
pub const PAGES: u32 = 128;
/// The places of the results of calls, the lists of buffers, the buffers, and what `poke` writes.
const RESULT: u32 = 64;
const LIST: u32 = 0x1000;
pub const DATA: u32 = 0x10_0000;
const SCRATCH: u32 = 0x50_0000;

/// The core module. It has the imports and exports of a re-encoded preview1 program.
fn program(most_pages: u32) -> String {
    format!(
        r#"(module
            (type $transfer (func (param i32 i32 i32 i32) (result i32)))
            (type $status (func (param i32 i32) (result i32)))
            (import "sandbox_net_preview1" "fd_write" (func $write (type $transfer)))
            (import "sandbox_net_preview1" "fd_read" (func $read (type $transfer)))
            (import "sandbox_net_preview1" "fd_fdstat_get" (func $fdstat (type $status)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write1 (type $transfer)))
            (import "wasi_snapshot_preview1" "fd_read" (func $read1 (type $transfer)))
            (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat1 (type $status)))
            (export "wasi_snapshot_preview1#fd_write" (func $write1))
            (export "wasi_snapshot_preview1#fd_read" (func $read1))
            (export "wasi_snapshot_preview1#fd_fdstat_get" (func $fdstat1))
            (memory (export "memory") {PAGES} {most_pages})
            (func (export "cabi_export_realloc") (type $transfer) i32.const {SCRATCH})
            (func (export "poke") (param i32 i32 i32)
                local.get 0 local.get 1 local.get 2 memory.copy)
            (func (export "peek") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0))
                (i32.store (i32.const 20) (local.get 1))
                i32.const 16)
            (func (export "pages") (result i32) memory.size)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "fd-write") (type $transfer)
                local.get 0 local.get 1 local.get 2 local.get 3 call $write)
            (func (export "fd-read") (type $transfer)
                local.get 0 local.get 1 local.get 2 local.get 3 call $read)
            (func (export "fd-fdstat-get") (type $status)
                local.get 0 local.get 1 call $fdstat)
        )"#
    )
}

fn encode(most_pages: u32) -> Vec<u8> {
    let mut module = wat::parse_str(program(most_pages)).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("program.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .adapter(
            "wasi_snapshot_preview1",
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )
        .unwrap()
        .adapter("sandbox_net_preview1", ADAPTER)
        .unwrap()
        .encode()
        .unwrap()
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Config::new()).unwrap());
static ROOMY: LazyLock<Component> = LazyLock::new(|| component(65536));

fn component(most_pages: u32) -> Component {
    Component::new(&ENGINE, encode(most_pages)).unwrap()
}

/// A running program.
pub struct Guest {
    store: Store<Host>,
    instance: Instance,
    pub stdout: MemoryOutputPipe,
}

impl Guest {
    /// A program whose memory may grow without limit.
    pub async fn new() -> Guest {
        Guest::start(&ROOMY).await
    }

    /// A program whose memory has at most this many pages.
    pub async fn with_most_pages(pages: u32) -> Guest {
        Guest::start(&component(pages)).await
    }

    async fn start(component: &Component) -> Guest {
        let mut linker = Linker::new(&ENGINE);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        bindings::sandbox::net::client::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)
            .unwrap();
        let stdout = MemoryOutputPipe::new(4096);
        let wasi = WasiCtx::builder().stdout(stdout.clone()).build();
        let mut store = Store::new(&ENGINE, Host::new(wasi));
        let instance = linker
            .instantiate_async(&mut store, component)
            .await
            .unwrap();
        Guest {
            store,
            instance,
            stdout,
        }
    }

    /// The host of this program.
    pub fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    async fn invoke<P, R>(&mut self, name: &str, parameters: P) -> R
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.try_invoke(name, parameters).await.unwrap()
    }

    async fn try_invoke<P, R>(&mut self, name: &str, parameters: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)?;
        function.call_async(&mut self.store, parameters).await
    }

    /// Puts bytes into the program's memory.
    pub async fn poke(&mut self, address: u32, bytes: &[u8]) {
        self.invoke("poke", (address, bytes)).await
    }

    /// Reads bytes of the program's memory.
    pub async fn peek(&mut self, address: u32, size: u32) -> Vec<u8> {
        let (bytes,): (Vec<u8>,) = self.invoke("peek", (address, size)).await;
        bytes
    }

    async fn peek_u32(&mut self, address: u32) -> u32 {
        u32::from_le_bytes(self.peek(address, 4).await.try_into().unwrap())
    }

    /// The size of the program's memory.
    pub async fn pages(&mut self) -> u32 {
        let (pages,): (u32,) = self.invoke("pages", ()).await;
        pages
    }

    /// Grows the program's memory as the program itself would.
    pub async fn grow(&mut self, pages: u32) {
        let (before,): (u32,) = self.invoke("grow", (pages,)).await;
        assert_ne!(before, u32::MAX, "the memory is at its limit");
    }

    /// Calls `fd_write` or `fd_read` with raw addresses; returns the error number.
    pub async fn raw(&mut self, name: &str, fd: u32, list: u32, count: u32, result: u32) -> u32 {
        let (errno,): (u32,) = self.invoke(name, (fd, list, count, result)).await;
        errno
    }

    /// Lists buffers: addresses and sizes.
    pub async fn list(&mut self, buffers: &[(u32, u32)]) -> (u32, u32) {
        let list: Vec<u8> = buffers
            .iter()
            .flat_map(|(address, size)| [address.to_le_bytes(), size.to_le_bytes()])
            .flatten()
            .collect();
        self.poke(LIST, &list).await;
        (LIST, buffers.len() as u32)
    }

    /// Calls `fd_write` with several buffers; returns how much was written, or the error number.
    pub async fn write(&mut self, fd: u32, parts: &[&[u8]]) -> Result<u32, u32> {
        self.poke(DATA, &parts.concat()).await;
        let mut address = DATA;
        let mut buffers = Vec::new();
        for part in parts {
            buffers.push((address, part.len() as u32));
            address += part.len() as u32;
        }
        let (list, count) = self.list(&buffers).await;
        match self.raw("fd-write", fd, list, count, RESULT).await {
            0 => Ok(self.peek_u32(RESULT).await),
            errno => Err(errno),
        }
    }

    /// Calls `fd_read` into several buffers; returns what was read, or the error number.
    pub async fn read(&mut self, fd: u32, sizes: &[u32]) -> Result<Vec<u8>, u32> {
        let mut address = DATA;
        let mut buffers = Vec::new();
        for size in sizes {
            buffers.push((address, *size));
            address += size;
        }
        let (list, count) = self.list(&buffers).await;
        match self.raw("fd-read", fd, list, count, RESULT).await {
            0 => {
                let count = self.peek_u32(RESULT).await;
                Ok(self.peek(DATA, count).await)
            }
            errno => Err(errno),
        }
    }

    /// Calls `fd_fdstat_get`; returns the structure, or the error number.
    pub async fn fdstat(&mut self, fd: u32) -> Result<Vec<u8>, u32> {
        let (errno,): (u32,) = self.invoke("fd-fdstat-get", (fd, RESULT)).await;
        match errno {
            0 => Ok(self.peek(RESULT, 24).await),
            errno => Err(errno),
        }
    }

    /// Writes a frame in one piece and reads its reply to the end.
    pub async fn send(&mut self, frame: &[u8]) -> Reply {
        assert_eq!(self.write(CONTROL, &[frame]).await, Ok(frame.len() as u32));
        self.reply().await
    }

    /// Writes a frame of these parts and reads its reply to the end.
    pub async fn call(&mut self, command: u8, id: u32, arg: u32, payload: &[u8]) -> Reply {
        self.send(&crate::frames::frame(command, id, arg, payload))
            .await
    }

    /// Reads a reply to its end.
    pub async fn reply(&mut self) -> Reply {
        let mut whole = Vec::new();
        loop {
            let piece = self.read(CONTROL, &[0x10_0000]).await.unwrap();
            if piece.is_empty() {
                return Reply::parse(&whole);
            }
            whole.extend(piece);
        }
    }
}
