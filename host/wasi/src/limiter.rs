//! The bounds of a guest, and what keeps its memory and tables within them.

use wasmtime::ResourceLimiter;

/// Bytes that a guest may pass to the host in one call: the largest honest call passes certificates
/// of 1 MiB.
///
/// The arguments of a call are copied before the interface sees them and can refuse them. So an
/// embedder with a store of its own passes this to
/// [`Store::set_hostcall_fuel`](wasmtime::Store::set_hostcall_fuel), whose default is 128 MiB;
/// [`prepare_store`](crate::prepare_store) does it.
pub const HOSTCALL_FUEL: usize = 4 << 20;

/// Memory that a guest may have.
const MEMORY: usize = 1 << 30;
/// Resources that a guest may hold; the adapter's own bound is well below it.
const RESOURCES: usize = 1 << 16;
/// Elements that a table of a guest may have; one of Python's has about 13,000 functions.
const TABLE_ELEMENTS: usize = 1 << 20;

/// The bounds of one guest in a store of your own; [`prepare_store`](crate::prepare_store) sets them. The defaults are those
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

impl Limiter {
    pub(crate) fn new(limits: GuestLimits) -> Self {
        Self { limits, held: 0 }
    }
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
