//! Which instance gets which image: the one that is being made within [`with_image`].

use std::sync::Arc;
#[cfg(unix)]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::{Config, MemoryType};

use super::parts::Image;
#[cfg(unix)]
use super::spares::Lease;

tokio::task_local! {
    /// It is set while the future is polled, whichever thread that is on.
    static MAKING: Beginning;
}

/// How the instance that is being made begins.
#[derive(Clone)]
pub(super) struct Beginning(Arc<Making>);

struct Making {
    image: Arc<Image>,
    is_taken: AtomicBool,
    /// Whether it is to be frozen.
    freezes: bool,
    /// The memory that was made.
    #[cfg(unix)]
    addresses: OnceLock<Arc<Lease>>,
}

/// Makes the memories of an engine that [`configure`] has set up: from an image within
/// [`with_image`], and ordinary ones otherwise.
///
/// Each has the guard pages and the reservation that the engine's code counts on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageMemory;

/// Lets an engine make its memories by [`ImageMemory`]. Modules with data of their own copy it.
pub fn configure(config: &mut Config) -> &mut Config {
    // Wasmtime would map data of modules over memory that is not its own.
    config
        .memory_init_cow(false)
        .with_host_memory(Arc::new(ImageMemory));
    #[cfg(not(unix))]
    config
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_may_move(true)
        .gc_heap_reservation(0)
        .gc_heap_guard_size(0)
        .gc_heap_may_move(true);
    config
}

/// Makes the instance whose memory is to begin as `image`. `work` instantiates one component that was
/// made for it, and nothing else.
///
/// # Errors
///
/// That of `work`; and if its memory was not made by [`ImageMemory`], as in an engine whose instances are
/// pooled. Nothing of the instance has run then.
pub async fn with_image<T>(
    image: &Arc<Image>,
    work: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    Beginning::of(image, false).instance(work).await
}

impl Beginning {
    pub(super) fn of(image: &Arc<Image>, freezes: bool) -> Self {
        Self(Arc::new(Making {
            image: Arc::clone(image),
            is_taken: AtomicBool::new(false),
            freezes,
            #[cfg(unix)]
            addresses: OnceLock::new(),
        }))
    }

    /// As [`with_image`].
    pub(super) async fn instance<T>(
        &self,
        work: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let made = MAKING.scope(self.clone(), work).await?;
        wasmtime::ensure!(
            self.0.is_taken.load(Ordering::Relaxed),
            "the engine does not make memories from images: use the allocation strategy OnDemand"
        );
        Ok(made)
    }

    /// Where the memory is that was made.
    #[cfg(unix)]
    pub(super) fn addresses(&self) -> Option<Arc<Lease>> {
        self.0.addresses.get().cloned()
    }
}

/// The image of a memory that begins with `minimum` bytes, if the instance that is being made has one.
pub(super) fn image_of(ty: &MemoryType, minimum: usize) -> Option<Arc<Image>> {
    let found = MAKING.try_with(|Beginning(making)| {
        let is_its = !ty.is_64() && !ty.is_shared() && minimum == making.image.minimum();
        // An instance has one memory; what is made beside it, such as for garbage, is no part of it.
        let takes = is_its && !making.is_taken.swap(true, Ordering::Relaxed);
        takes.then(|| Arc::clone(&making.image))
    });
    found.ok().flatten()
}

/// The memory of the instance that is being made has these addresses. Returns whether it is to be frozen.
#[cfg(unix)]
pub(super) fn made(addresses: &Arc<Lease>) -> bool {
    let told = MAKING.try_with(|Beginning(making)| {
        let told = making.addresses.set(Arc::clone(addresses));
        debug_assert!(told.is_ok());
        making.freezes
    });
    told.unwrap_or(false)
}
