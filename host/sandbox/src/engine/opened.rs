//! Images of packages that an engine has open, so that each is read and checked once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_net_python::Image;

/// The most that are kept: each takes a descriptor.
const MOST: usize = 64;

/// Images by their names in the cache; none where there is nothing to import ahead.
#[derive(Default)]
pub(crate) struct Opened {
    images: Mutex<HashMap<String, Option<Arc<Image>>>>,
}

impl Opened {
    /// What was opened, if it was.
    pub(crate) fn get(&self, name: &str) -> Option<Option<Arc<Image>>> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.get(name).cloned()
    }

    /// Keeps it for others.
    pub(crate) fn keep(&self, name: String, image: Option<Arc<Image>>) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if images.len() >= MOST {
            images.clear();
        }
        images.insert(name, image);
    }
}
