//! An interpreter: code, the memory with which it begins, and what it may import.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_python::image::{self, Pages, freeze};
use sandbox_net_python::manifest::Signals;
use sandbox_net_python::{Capability, Image};
use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{Store, format_err};

use super::linker::{self, StoreState};
use super::live::Live;

/// An interpreter, ready to be instantiated. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Interpreter {
    instances: InstancePre<StoreState>,
    image: Arc<Image>,
    /// How it is interrupted, where that is known.
    signals: Option<Signals>,
    /// What its monotonic clock begins with.
    clock: Duration,
    /// Whether the others learn of its instance.
    teaches: bool,
}

/// Links the code with what programs of this capability may import.
pub(super) fn link(
    runtime: &Component,
    capability: Capability,
) -> wasmtime::Result<InstancePre<StoreState>> {
    linker::linker(runtime, capability)?.instantiate_pre(runtime)
}

impl Interpreter {
    pub(super) fn new(
        instances: InstancePre<StoreState>,
        image: Arc<Image>,
        signals: Option<Signals>,
    ) -> Self {
        Self {
            instances,
            image,
            signals,
            clock: Duration::ZERO,
            teaches: false,
        }
    }

    /// The same, for an instance of which the others [learn](Self::learn).
    pub(crate) fn teaching(self) -> Self {
        Self {
            teaches: true,
            ..self
        }
    }

    /// Its copies' monotonic clock begins with this.
    pub(crate) fn with_clock(self, clock: Duration) -> Self {
        Self { clock, ..self }
    }

    /// What its monotonic clock begins with.
    pub(crate) fn clock(&self) -> Duration {
        self.clock
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
        self.instance(store, false).await
    }

    /// Makes an instance that is to be [frozen](Self::freeze), perhaps often.
    pub(crate) async fn instantiate_to_freeze(
        &self,
        store: &mut Store<StoreState>,
    ) -> wasmtime::Result<Instance> {
        self.instance(store, true).await
    }

    async fn instance(
        &self,
        store: &mut Store<StoreState>,
        freezes: bool,
    ) -> wasmtime::Result<Instance> {
        let made = image::instantiate(&self.image, freezes, &self.instances, store).await;
        let (instance, memory) = made?;
        let signals = self.signals;
        store.data_mut().live = memory.map(|memory| Live::new(memory, signals));
        Ok(instance)
    }

    /// Later instances get the pages of memory at once that the one in this store has written to, if it is one
    /// that teaches.
    pub(crate) fn learn(&self, store: &Store<StoreState>) {
        if self.teaches
            && let Some(live) = &store.data().live
        {
            live.memory().teach(store, &self.image);
        }
    }

    /// The pages of memory that the instance in this store has written to.
    pub(crate) fn written(&self, store: &Store<StoreState>) -> Pages {
        let live = store.data().live.as_ref();
        live.map_or_else(Pages::default, |live| {
            live.memory().written(store, &self.image)
        })
    }

    /// Gets pages of memory at once that the instance in this store is about to write to.
    pub(crate) fn expect(&self, store: &mut Store<StoreState>, pages: &Pages) {
        if let Some(live) = store.data().live.clone() {
            live.memory().expect(store, pages);
        }
    }

    /// Returns an interpreter whose instances begin as this one's `instance` is now, which goes on
    /// unchanged.
    ///
    /// # Errors
    ///
    /// If the instance is not at rest, or has ended.
    pub(crate) async fn freeze(
        &self,
        store: &mut Store<StoreState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self> {
        let live = store.data().live.clone();
        let live = live.ok_or_else(|| format_err!("this platform has no live copies"))?;
        let image = freeze(store, instance, live.memory(), &self.image).await?;
        Ok(Self {
            instances: self.instances.clone(),
            image: Arc::new(image),
            signals: self.signals,
            clock: store.data().clock.shows(),
            teaches: false,
        })
    }
}

#[cfg(test)]
mod tests;
