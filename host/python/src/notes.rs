//! What a snapshot of a user's own says about itself.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::image::{Identity, Image, ImageError};
use crate::packages::ResolvedWheel;

/// The version of the notes' form.
const VERSION: u32 = 1;

/// What a snapshot was made of, as its file has it in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotNotes {
    version: u32,
    /// The interpreter that it was made with: a hash of the distribution, the shim and this program.
    pub interpreter: String,
    /// The version of its Python.
    pub python: String,
    /// The modules that were imported, in this order.
    pub imports: Vec<String>,
    /// The packages that were asked for.
    pub requirements: Vec<String>,
    /// The packages that are mounted with it.
    pub packages: Vec<ResolvedWheel>,
}

impl SnapshotNotes {
    /// The notes of a snapshot by this interpreter.
    pub fn new(
        interpreter: String,
        python: String,
        imports: Vec<String>,
        requirements: Vec<String>,
        packages: Vec<ResolvedWheel>,
    ) -> Self {
        Self {
            version: VERSION,
            interpreter,
            python,
            imports,
            requirements,
            packages,
        }
    }

    /// The notes in a file; none if they have another form.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let notes: Self = serde_json::from_slice(bytes).ok()?;
        (notes.version == VERSION).then_some(notes)
    }

    /// Names a snapshot with these notes in the cache.
    pub fn key(&self) -> String {
        let identity = self.identity();
        identity[..20]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Opens a file of the cache that was made with these notes; none if it is missing or damaged.
    ///
    /// # Errors
    ///
    /// If others could have changed it.
    pub fn open_in_cache(&self, path: &Path) -> Result<Option<Arc<Image>>, Error> {
        match Image::open(path, &self.identity()) {
            Ok(image) => Ok(Some(Arc::new(image))),
            Err(ImageError::File(refused @ Error::CacheNotPrivate { .. })) => Err(refused),
            Err(_) => Ok(None),
        }
    }

    fn identity(&self) -> Identity {
        Sha256::digest(self.bytes()).into()
    }

    /// As they are written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
