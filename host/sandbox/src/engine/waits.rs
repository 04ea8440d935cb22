//! Implements `wasi:io/poll` for a guest whose waits can be ended.

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;

use super::interrupt::Interrupt;

/// What `wasi:io/poll` needs of a run.
pub(super) struct WaitsView<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) interrupt: &'a Interrupt,
}

pub(super) struct HasWaits;

impl HasData for HasWaits {
    type Data<'a> = WaitsView<'a>;
}

impl poll::Host for WaitsView<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let last = pollables.len().saturating_sub(1) as u32;
        let ready = self.interrupt.or(self.table.poll(pollables)).await;
        // Something has to be ready. It is the last one, a clock where there is one.
        ready.unwrap_or_else(|| Ok(vec![last]))
    }
}

impl poll::HostPollable for WaitsView<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let ready = self.interrupt.or(self.table.block(pollable)).await;
        ready.unwrap_or(Ok(()))
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.table.ready(pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}
