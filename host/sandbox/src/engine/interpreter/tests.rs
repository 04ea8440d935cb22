//! The tests of live instances: they are frozen and copied.

use std::time::{Duration, Instant};

use sandbox_net_wasi::{HOSTCALL_FUEL, SandboxNetCtx};
use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi_http::WasiHttpCtx;

use super::*;
use crate::Sandbox;
use crate::engine::{Clock, Files, Interrupt, Limits, deliver, withdraw};

/// An instance between two turns.
struct Live {
    store: Store<StoreState>,
    instance: Instance,
    printed: MemoryOutputPipe,
}

impl Live {
    async fn begin(sandbox: &Sandbox, interpreter: &Interpreter) -> Self {
        let printed = MemoryOutputPipe::new(1 << 20);
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&["python"]).stdout(printed.clone());
        let wasi = wasi.inherit_stderr().build();
        let state = StoreState {
            table: ResourceTable::new(),
            wasi,
            http: WasiHttpCtx::new(),
            net: SandboxNetCtx::new(sandbox.gateway.next_run()),
            limits: Limits::new(1 << 30).beginning_with(interpreter.memory_beyond()),
            preopens: sandbox.preopens(None),
            files: Files::default(),
            clock: Clock::after(Duration::ZERO),
            interrupt: Interrupt::new(interpreter.instances.engine()),
            live: None,
        };
        let mut store = Store::new(interpreter.instances.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            deliver(store);
            Ok(UpdateDeadline::Yield(1))
        });
        let instance = interpreter.instantiate_to_freeze(&mut store).await.unwrap();
        Self {
            store,
            instance,
            printed,
        }
    }

    /// Returns what has been printed after this turn.
    async fn turn(&mut self, code: &str) -> String {
        let turn = self
            .instance
            .get_typed_func::<(&[u8],), (i32,)>(&mut self.store, "turn")
            .unwrap();
        let turn = turn.call_async(&mut self.store, (code.as_bytes(),)).await;
        let (status,) = turn.unwrap();
        let printed = String::from_utf8(self.printed.contents().to_vec()).unwrap();
        assert_eq!(status, 0, "{printed}");
        printed
    }
}

/// Interrupts it while it executes `code`; returns what it has printed.
async fn interrupted(live: &mut Live, code: &str) -> String {
    let interrupt = live.store.data().interrupt.clone();
    let asks = async {
        // It has begun by then, or is interrupted at its beginning.
        tokio::time::sleep(Duration::from_millis(200)).await;
        interrupt.ask();
    };
    let turn = live.turn(code);
    let (printed, ()) = tokio::join!(turn, asks);
    printed
}

async fn sandbox() -> Sandbox {
    Sandbox::builder().build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_live_instance_go_their_own_ways() {
    let sandbox = sandbox().await;
    let interpreter = sandbox.interpreter().await.unwrap();
    let mut parent = Live::begin(&sandbox, &interpreter).await;
    parent.turn("x = [1]; x.append(2)").await;
    let frozen = interpreter.freeze(&mut parent.store, &parent.instance);
    let frozen = frozen.await.unwrap();
    let mut first = Live::begin(&sandbox, &frozen).await;
    let mut second = Live::begin(&sandbox, &frozen).await;
    assert_eq!(first.turn("x.append(3); print(x)").await, "[1, 2, 3]\n");
    assert_eq!(second.turn("x.append(4); print(x)").await, "[1, 2, 4]\n");
    assert_eq!(parent.turn("print(x)").await, "[1, 2]\n");
    // A copy can be copied.
    let again = frozen.freeze(&mut first.store, &first.instance);
    let again = again.await.unwrap();
    drop((parent, first, frozen));
    let mut third = Live::begin(&sandbox, &again).await;
    assert_eq!(third.turn("x.append(5); print(x)").await, "[1, 2, 3, 5]\n");
    assert_eq!(second.turn("").await, "[1, 2, 4]\n");
}

/// Prints what ended a statement, and then nothing that came after it.
const TOLD: &str = "
try:
    STATEMENT
    print('went on')
except BaseException as error:
    print(type(error).__name__)
";

#[tokio::test(flavor = "multi_thread")]
async fn what_executes_or_waits_gets_a_keyboard_interrupt() {
    let sandbox = sandbox().await;
    let interpreter = sandbox.interpreter().await.unwrap();
    let mut live = Live::begin(&sandbox, &interpreter).await;
    let begun = Instant::now();
    let mut expected = String::new();
    for statement in [
        "while True: pass",
        "sum(1 for _ in iter(int, 1))",
        "import time; time.sleep(600)",
        "import select; select.select([], [], [], 600)",
        "import threading; threading.Event().wait(600)",
        "import queue; queue.Queue().get(timeout=600)",
        "import asyncio; asyncio.run(asyncio.sleep(600))",
    ] {
        let printed = interrupted(&mut live, &TOLD.replace("STATEMENT", statement)).await;
        expected += "KeyboardInterrupt\n";
        assert_eq!(printed, expected, "{statement}");
    }
    assert!(begun.elapsed() < Duration::from_secs(300));
    // Its own handler decides what an interrupt is.
    let handler = "
import signal, time
signal.signal(signal.SIGINT, lambda *_: print('handled'))
begun = time.monotonic()
time.sleep(0.4)
print(time.monotonic() - begun >= 0.4)
_ = signal.signal(signal.SIGINT, signal.default_int_handler)
";
    expected += "handled\nTrue\n";
    assert_eq!(interrupted(&mut live, handler).await, expected);
    // What comes too late is taken back.
    live.store.data().interrupt.ask();
    withdraw(&mut live.store);
    expected += "1\n";
    assert_eq!(live.turn("print(1)").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_an_answer_gets_a_keyboard_interrupt() {
    // It takes connections, and answers nothing.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let sandbox = Sandbox::builder()
        .allow(format!("http://{address}"))
        .build()
        .await
        .unwrap();
    let interpreter = sandbox.interpreter().await.unwrap();
    let mut live = Live::begin(&sandbox, &interpreter).await;
    let mut expected = String::new();
    for statement in [
        format!("import urllib.request; urllib.request.urlopen('http://{address}/')"),
        format!(
            "import socket; s = socket.create_connection(('127.0.0.1', {})); \
             s.sendall(b'GET / HTTP/1.1\\r\\nhost: {address}\\r\\n\\r\\n'); s.recv(1)",
            address.port()
        ),
    ] {
        let printed = interrupted(&mut live, &TOLD.replace("STATEMENT", &statement)).await;
        expected += "KeyboardInterrupt\n";
        assert_eq!(printed, expected, "{statement}");
    }
}
