//! Sets a store of the embedder's own right, in one call.

use std::io;
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, Store};

use crate::ctx::SandboxNetView;
use crate::limiter::{GuestLimits, Limiter};

/// How often a running guest yields, so that its limits and its neighbours get their turn.
const TICK: Duration = Duration::from_millis(2);
/// Bounds the guest of a store: its memory, its tables, its resources and the bytes of one call; and
/// lets it yield at each tick of the epoch, so that a timeout around a call takes effect and other tasks
/// get their turn. Call it before anything is instantiated. It replaces the store's limiter and its
/// epoch callback.
///
/// The engine's epoch has to advance: see [`keep_ticking`]. A store whose engine has no epoch
/// interruption gets the other bounds only.
///
/// ```
/// use sandbox_net_wasi::{GuestLimits, SandboxNetView, prepare_store};
/// use wasmtime::{Engine, Store};
///
/// fn store<T: SandboxNetView + 'static>(engine: &Engine, state: T) -> Store<T> {
///     let mut store = Store::new(engine, state);
///     prepare_store(&mut store, GuestLimits::default());
///     store
/// }
/// ```
pub fn prepare_store<T: SandboxNetView + 'static>(store: &mut Store<T>, limits: GuestLimits) {
    let view = store.data_mut().sandbox_net();
    view.table.set_max_capacity(limits.resources);
    *view.ctx.limiter() = Limiter::new(limits);
    store.limiter(|state| state.sandbox_net().ctx.limiter());
    store.set_hostcall_fuel(limits.hostcall_fuel);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
}

/// Advances the epoch of an engine every two milliseconds, from a thread that ends with the engine.
///
/// # Errors
///
/// If the thread can't be started.
pub fn keep_ticking(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let thread = thread::Builder::new().name("sandbox-net epoch".to_owned());
    thread.spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}
