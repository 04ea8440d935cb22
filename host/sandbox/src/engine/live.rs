//! An instance that lives, for those who look at its memory from outside.

use std::sync::Arc;

use sandbox_net_python::image::LiveMemory;
use sandbox_net_python::manifest::Signals;

/// An instance that lives. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Live {
    memory: Arc<LiveMemory>,
    signals: Option<Signals>,
}

impl Live {
    pub(super) fn new(memory: LiveMemory, signals: Option<Signals>) -> Self {
        let memory = Arc::new(memory);
        Self { memory, signals }
    }

    pub(super) fn memory(&self) -> &LiveMemory {
        &self.memory
    }

    /// Its memory, and where in it the interpreter looks for signals.
    pub(super) fn signals(&self) -> Option<(&LiveMemory, &Signals)> {
        Some((&self.memory, self.signals.as_ref()?))
    }
}
