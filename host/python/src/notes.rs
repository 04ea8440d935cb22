//! What a snapshot of a user's own says about itself.

use serde::{Deserialize, Serialize};

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

    /// As they are written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
