//! Sets a store of the embedder's own right, in one call.

use std::io;
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter, Store};

use crate::ctx::{HOSTCALL_FUEL, SandboxNetView};

/// How often a running guest yields, so that its limits and its neighbours get their turn.
const TICK: Duration = Duration::from_millis(2);
/// Memory that a guest may have.
const MEMORY: usize = 1 << 30;
/// Resources that a guest may hold; the adapter's own bound is well below it.
const RESOURCES: usize = 1 << 16;
/// Elements that a table of a guest may have; one of Python's has about 13,000 functions.
const TABLE_ELEMENTS: usize = 1 << 20;

/// The bounds of one guest in a store of your own; [`prepare_store`] sets them. The defaults are those
/// of a sandbox.
///
/// ```
/// let mut limits = sandbox_net_wasi::GuestLimits::default();
/// limits.memory = 256 << 20;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestLimits {
    /// The most bytes of all linear memories together: 1 GiB.
    pub memory: usize,
    /// The most elements of a table: 1,048,576.
    pub table_elements: usize,
    /// The most resources at once, such as connections, exchanges, streams, files and pollables: 65,536.
    pub resources: usize,
    /// The most bytes that one call may pass to the host: [`HOSTCALL_FUEL`].
    pub hostcall_fuel: usize,
}

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            table_elements: TABLE_ELEMENTS,
            resources: RESOURCES,
            hostcall_fuel: HOSTCALL_FUEL,
        }
    }
}

/// Limits a guest's memory and tables, and counts what it has.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    limits: GuestLimits,
    held: usize,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let held = self.held.saturating_add(more);
        let fits = held <= self.limits.memory;
        if fits {
            self.held = held;
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.limits.table_elements)
    }
}

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
    *view.ctx.limiter() = Limiter { limits, held: 0 };
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
