//! Interrupts a running interpreter as `SIGINT` does: Python code gets a `KeyboardInterrupt`, or what its own
//! handler makes of it.
//!
//! Nothing sends signals to a guest. Its host writes into its memory what CPython's own handler of signals
//! writes, while the guest waits for its host.

use wasmtime::{AsContext, AsContextMut};

use crate::image::LiveMemory;
use crate::manifest::Signals;

/// The first words of `_PyRuntime`, as numbers of little-endian memory: `xdebugpy`.
const COOKIE: [u32; 2] = [u32::from_le_bytes(*b"xdeb"), u32::from_le_bytes(*b"ugpy")];

/// Lets the interpreter raise `KeyboardInterrupt` when it next executes Python code. Returns whether it
/// will: not where its memory is not that of an interpreter that is known.
///
/// The guest can write to all of this itself. It harms nobody but itself by that.
pub fn interrupt(memory: &LiveMemory, mut store: impl AsContextMut, signals: &Signals) -> bool {
    let mut trip = || {
        is_known(memory, &store, signals)?;
        let thread = memory.read(&store, signals.main_thread)?;
        let breaker = thread.checked_add(signals.eval_breaker)?;
        let bits = memory.read(&store, breaker)?;
        memory.write(&mut store, signals.tripped, 1)?;
        memory.write(&mut store, signals.is_tripped, 1)?;
        memory.write(&mut store, breaker, bits | signals.pending)
    };
    trip().is_some()
}

/// Takes an interrupt back that no Python code has noticed yet.
pub fn withdraw(memory: &LiveMemory, mut store: impl AsContextMut, signals: &Signals) {
    if is_known(memory, &store, signals).is_some() {
        // Without it the other two words lead to nothing.
        let _ = memory.write(&mut store, signals.tripped, 0);
    }
}

fn is_known(memory: &LiveMemory, store: impl AsContext, signals: &Signals) -> Option<()> {
    let second = signals.runtime.checked_add(4)?;
    let found = [
        memory.read(&store, signals.runtime)?,
        memory.read(&store, second)?,
    ];
    (found == COOKIE).then_some(())
}
