//! The `lookup` resource.

use std::pin::Pin;

use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::runtime::poll_noop;

use super::types::{ErrorCode, IpAddress};
use super::{convert, wit};
use crate::ctx::SandboxNetCtxView;
use sandbox_net_egress::EgressError;
use sandbox_net_gateway::{Found, Looking, Task};

/// The host's side of a `lookup`: how far it is.
#[derive(Debug)]
pub struct HostLookup(LookupState);

#[derive(Debug)]
enum LookupState {
    Asking(Task<Result<Found, EgressError>>),
    Over(Result<Found, EgressError>),
}

impl HostLookup {
    pub(super) fn new(looking: Looking) -> Self {
        Self(match looking {
            Looking::Done(found) => LookupState::Over(Ok(found)),
            Looking::Asking(task) => LookupState::Asking(task),
        })
    }

    /// How it ended, if it has.
    fn poll(&mut self) -> Option<Result<Found, EgressError>> {
        let ended = match &mut self.0 {
            LookupState::Over(result) => return Some(result.clone()),
            LookupState::Asking(task) => poll_noop(Pin::new(task))?,
        };
        self.0 = LookupState::Over(ended.clone());
        Some(ended)
    }
}

#[async_trait]
impl Pollable for HostLookup {
    async fn ready(&mut self) {
        if let LookupState::Asking(task) = &mut self.0 {
            self.0 = LookupState::Over(task.await);
        }
    }
}

impl wit::HostLookup for SandboxNetCtxView<'_> {
    fn subscribe(
        &mut self,
        lookup: Resource<HostLookup>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, lookup)
    }

    fn status(
        &mut self,
        lookup: Resource<HostLookup>,
    ) -> wasmtime::Result<Option<Result<(), ErrorCode>>> {
        let ended = self.table.get_mut(&lookup)?.poll();
        let bounds = self.ctx.gateway().bounds();
        let told = |error| convert::error(error, bounds);
        Ok(ended.map(|result| result.map(drop).map_err(told)))
    }

    fn addresses(&mut self, lookup: Resource<HostLookup>) -> wasmtime::Result<Vec<IpAddress>> {
        let found = match self.table.get_mut(&lookup)?.poll() {
            Some(Ok(found)) => found,
            Some(Err(_)) | None => return Ok(Vec::new()),
        };
        let addresses = found.addresses().iter().copied();
        Ok(addresses.map(convert::address).collect())
    }

    fn drop(&mut self, lookup: Resource<HostLookup>) -> wasmtime::Result<()> {
        self.table.delete(lookup)?;
        Ok(())
    }
}
