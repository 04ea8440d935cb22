//! Delivers an interruption to the guest that it is meant for.
//!
//! The guest calls this at an epoch: it does not execute then, so that its memory can be written to.

use sandbox_net_python::image::LiveMemory;
use sandbox_net_python::interrupt;
use sandbox_net_python::manifest::Signals;
use wasmtime::{AsContextMut, StoreContextMut};

use super::linker::StoreState;

/// Delivers what was asked for. A guest calls it at each epoch.
pub(crate) fn deliver(mut store: StoreContextMut<'_, StoreState>) {
    if store.data().interrupt.take() {
        with(&mut store, |memory, store, signals| {
            interrupt::interrupt(memory, store, signals);
        });
    }
}

/// Takes back what was asked for and has had no effect, once the guest is at rest.
pub(crate) fn withdraw(mut store: impl AsContextMut<Data = StoreState>) {
    let mut store = store.as_context_mut();
    store.data().interrupt.take();
    with(&mut store, |memory, store, signals| {
        interrupt::withdraw(memory, store, signals);
    });
}

fn with(
    store: &mut StoreContextMut<'_, StoreState>,
    work: impl FnOnce(&LiveMemory, &mut StoreContextMut<'_, StoreState>, &Signals),
) {
    let live = store.data().live.clone();
    if let Some((memory, signals)) = live.as_ref().and_then(|live| live.signals()) {
        work(memory, store, signals);
    }
}
