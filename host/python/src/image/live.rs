//! The memory of an instance that lives: its host looks into it while the instance waits for the host.

use std::sync::Arc;

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{AsContext, AsContextMut, Result, Store};

#[cfg(unix)]
use super::addresses::Addresses;
use super::creator::Beginning;
use super::pages::Pages;
use super::parts::Image;
#[cfg(unix)]
use super::spares::Lease;

/// The memory of one instance, for the one who has the instance's store.
#[derive(Debug)]
pub struct LiveMemory {
    #[cfg(unix)]
    addresses: Arc<Lease>,
    /// Where the store's data are. Whoever has that store knows that its instance is not executing.
    store: usize,
}

/// Makes an instance whose memory begins as `image`, and that may be looked into where the platform's
/// mappings are known. With `freezes` it is arranged so that it is soon [frozen](super::freeze), which makes
/// it somewhat slower where it grows.
///
/// # Errors
///
/// As for [`with_image`](super::with_image).
pub async fn instantiate<T: Send>(
    image: &Arc<Image>,
    freezes: bool,
    instances: &InstancePre<T>,
    store: &mut Store<T>,
) -> Result<(Instance, Option<LiveMemory>)> {
    let beginning = Beginning::of(image, freezes);
    let instance = beginning
        .instance(instances.instantiate_async(&mut *store))
        .await?;
    let store = place(&*store);
    #[cfg(unix)]
    let memory = beginning
        .addresses()
        .map(|addresses| LiveMemory { addresses, store });
    #[cfg(not(unix))]
    let memory = None;
    Ok((instance, memory))
}

/// No two stores are at the same place.
fn place(store: impl AsContext) -> usize {
    std::ptr::from_ref(store.as_context().data()).addr()
}

#[cfg(unix)]
impl LiveMemory {
    /// Reads the number at an aligned address; none where there is no such address, or the instance is
    /// not of this store.
    pub fn read(&self, store: impl AsContext, address: u32) -> Option<u32> {
        self.of(store)?.read(address as usize)
    }

    /// Writes the number at an aligned address.
    pub fn write(&self, store: impl AsContextMut, address: u32, number: u32) -> Option<()> {
        self.of(store)?.write(address as usize, number)
    }

    /// Lets later instances of `image`, as which this one began, get the pages at their beginning that this one
    /// has used. What ran in it is what runs in all of them.
    pub fn teach(&self, store: impl AsContext, image: &Image) {
        #[cfg(target_os = "linux")]
        if let Some(addresses) = self.of(store)
            && let Ok(written) = addresses.written(image.size())
            && let Ok(mapped) = addresses.mapped(image.size())
        {
            image.learn(written, &mapped);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (store, image);
    }

    /// The pages that were written to since this began as `image`.
    pub fn written(&self, store: impl AsContext, image: &Image) -> Pages {
        #[cfg(target_os = "linux")]
        if let Some(addresses) = self.of(store)
            && let Ok(written) = addresses.written(addresses.size())
        {
            return Pages::of(written, image);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (store, image);
        Pages::default()
    }

    /// Gets pages at once that are about to be written to.
    pub fn expect(&self, store: impl AsContextMut, pages: &Pages) {
        #[cfg(target_os = "linux")]
        if let Some(addresses) = self.of(store) {
            addresses.populate_within(pages.ranges());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (store, pages);
    }

    /// The image of what is in the memory, of `size` bytes; none where that has to be read and copied.
    #[cfg(target_os = "linux")]
    pub(super) fn freeze(
        &self,
        store: impl AsContextMut,
        minimum: usize,
        size: usize,
    ) -> Option<Image> {
        let addresses = self.of(store)?;
        if addresses.size() != size {
            return None;
        }
        let (parts, loose) = addresses.freeze().ok()?;
        Some(Image::of_parts(parts, loose, minimum, size))
    }

    /// The addresses, for the one who has the store.
    fn of(&self, store: impl AsContext) -> Option<&Addresses> {
        (place(store) == self.store).then_some(&*self.addresses)
    }
}

#[cfg(not(unix))]
impl LiveMemory {
    /// There is none on this platform.
    pub fn read(&self, _: impl AsContext, _: u32) -> Option<u32> {
        None
    }

    /// There is none on this platform.
    pub fn teach(&self, _: impl AsContext, _: &Image) {}

    /// There is none on this platform.
    pub fn written(&self, _: impl AsContext, _: &Image) -> Pages {
        Pages::default()
    }

    /// There is none on this platform.
    pub fn expect(&self, _: impl AsContextMut, _: &Pages) {}

    /// There is none on this platform.
    pub fn write(&self, _: impl AsContextMut, _: u32, _: u32) -> Option<()> {
        None
    }
}
