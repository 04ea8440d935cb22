//! An interpreter: code, the memory with which it begins, and what it may import.

use std::sync::Arc;

use sandbox_net_python::image::with_image;
use sandbox_net_python::{Capability, Image};
use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};

use super::linker::{self, StoreState};

/// An interpreter, ready to be instantiated. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Interpreter {
    instances: InstancePre<StoreState>,
    image: Arc<Image>,
}

/// Links the code with what programs of this capability may import.
pub(super) fn link(
    runtime: &Component,
    capability: Capability,
) -> wasmtime::Result<InstancePre<StoreState>> {
    linker::linker(runtime, capability)?.instantiate_pre(runtime)
}

impl Interpreter {
    pub(super) fn new(instances: InstancePre<StoreState>, image: Arc<Image>) -> Self {
        Self { instances, image }
    }

    /// The memory that an instance begins with.
    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// The bytes of memory that an instance begins with.
    pub(crate) fn memory(&self) -> usize {
        self.image.size()
    }

    /// The part of them that the store's limiter does not hear of.
    pub(crate) fn memory_beyond(&self) -> usize {
        self.image.size() - self.image.minimum()
    }

    /// Makes an instance, in which nothing has run.
    pub(crate) async fn instantiate(
        &self,
        store: &mut Store<StoreState>,
    ) -> wasmtime::Result<Instance> {
        with_image(&self.image, self.instances.instantiate_async(store)).await
    }
}
