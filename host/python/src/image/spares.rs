//! Memory that an instance gave back, for the next one that begins with the same image.
//!
//! A new mapping costs a fault for each page that a program writes to, and for each few that it reads, and its removal
//! stops the other threads of the process while it lasts. A spare has the pages that
//! [every program writes to](Image::usual), written over with what is in the image, and shows those that
//! [every program reads](Image::shown) as they are in the image's file; all others were given back to the system. So
//! nothing that a program wrote is left, and neither is a trace of which pages it used.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::addresses::Addresses;
use super::parts::Image;
use super::room::Room;

/// The most spares for each processor, of all images together. Each has the usual pages of its image.
const EACH: usize = 2;

static SPARES: Spares = Spares(Mutex::new(VecDeque::new()));

/// Spares, and the images as which they begin: those that were given back last at the end.
struct Spares(Mutex<VecDeque<(u64, Addresses)>>);

impl Spares {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Addresses)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, image: u64, room: &Room) -> Option<Addresses> {
        let mut spares = self.lock();
        let fits = |(of, spare): &(u64, Addresses)| *of == image && spare.has(room);
        let at = spares.iter().rposition(fits)?;
        spares.remove(at).map(|(_, spare)| spare)
    }

    /// Keeps one more, and no more than `most`.
    fn keep(&self, image: u64, spare: Addresses, most: usize) {
        let mut spares = self.lock();
        spares.push_back((image, spare));
        let surplus = spares.len().saturating_sub(most);
        let surplus: Vec<_> = spares.drain(..surplus).collect();
        drop(spares);
        // Unmapping takes time, without the lock.
        drop(surplus);
    }

    /// Whether one more would only take the place of one that is as good.
    fn has_enough(&self, image: u64, most: usize) -> bool {
        let spares = self.lock();
        spares.len() >= most && spares.iter().all(|(of, _)| *of == image)
    }

    fn forget(&self, image: u64) {
        let mut spares = self.lock();
        let (gone, kept) = spares.drain(..).partition(|(of, _)| *of == image);
        *spares = kept;
        drop(spares);
        drop::<VecDeque<_>>(gone);
    }
}

/// How many spares are kept.
fn most() -> usize {
    static MOST: LazyLock<usize> =
        LazyLock::new(|| EACH * thread::available_parallelism().map_or(1, NonZero::get));
    *MOST
}

/// Removes the spares of an image that is gone.
pub(super) fn forget(image: u64) {
    SPARES.forget(image);
}

/// The addresses of one instance. They are a spare after their last use, where they can be.
#[derive(Debug)]
pub(super) struct Lease {
    /// `None` only during the drop.
    addresses: Option<Addresses>,
    /// The image as which they began, if that is to have spares.
    image: Option<Arc<Image>>,
}

impl Lease {
    /// Memory that begins with zeros.
    pub(super) fn zeros(room: &Room) -> std::io::Result<Self> {
        let addresses = Addresses::reserve(room)?;
        addresses.open(room.size)?;
        Ok(Self {
            addresses: Some(addresses),
            image: None,
        })
    }

    /// Memory that begins as `image`.
    pub(super) fn of(image: &Arc<Image>, room: &Room) -> std::io::Result<Self> {
        let lease = |addresses| Self {
            addresses: Some(addresses),
            image: image.has_spares().then(|| Arc::clone(image)),
        };
        if let Some(spare) = SPARES.take(image.number(), room) {
            return Ok(lease(spare));
        }
        let addresses = Addresses::reserve(room)?;
        addresses.open(room.size)?;
        addresses.begin(image)?;
        Ok(lease(addresses))
    }
}

impl Deref for Lease {
    type Target = Addresses;

    fn deref(&self) -> &Addresses {
        self.addresses.as_ref().expect("it is in use")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(addresses), Some(image)) = (self.addresses.take(), self.image.take())
            && !SPARES.has_enough(image.number(), most())
            && addresses.begin_again(&image).is_ok()
        {
            SPARES.keep(image.number(), addresses, most());
        }
    }
}
