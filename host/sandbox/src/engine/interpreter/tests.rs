//! The tests of live instances: they are frozen and copied.

use sandbox_net_wasi::{HOSTCALL_FUEL, SandboxNetCtx};
use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi_http::WasiHttpCtx;

use super::*;
use crate::Sandbox;
use crate::engine::{Files, Limits};

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
        };
        let mut store = Store::new(interpreter.instances.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let instance = interpreter.instantiate(&mut store).await.unwrap();
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
