//! The files of a broker's policy: what is in them, and why they cannot be read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sandbox_net_policy::{Document, DocumentError, DocumentFault, MAX_LENGTH, Policy};

use crate::error::PolicyError;

/// The files of a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyFiles {
    pub(crate) first: Option<PathBuf>,
    /// A request must pass each of these, too.
    pub(crate) narrowing: Vec<PathBuf>,
}

/// The content of a file, or why it has none.
type Content = Result<Vec<u8>, String>;

/// The contents of all files, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents(Vec<Content>);

impl Contents {
    /// The contents of files that cannot be read for this reason.
    pub(crate) fn unreadable(files: &PolicyFiles, why: &str) -> Self {
        Self(files.all().map(|_| Err(why.to_owned())).collect())
    }
}

impl PolicyFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.first.iter().chain(&self.narrowing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Reads all files. It blocks.
    pub(crate) fn read(&self) -> Contents {
        Contents(self.all().map(|path| read(path)).collect())
    }

    /// The document in the first file, if there is a first file.
    pub(crate) fn first(&self, contents: &Contents) -> Result<Option<Document>, PolicyError> {
        let first = self.first.as_deref().zip(contents.0.first());
        let document = first.map(|(path, content)| document(path, content));
        document.transpose()
    }

    /// The policies in the other files.
    pub(crate) fn narrowing(&self, contents: &Contents) -> Result<Vec<Policy>, PolicyError> {
        let others = contents.0.iter().skip(usize::from(self.first.is_some()));
        let files = self.narrowing.iter().zip(others);
        let policies = files.map(|(path, content)| document(path, content).map(Policy::from));
        policies.collect()
    }
}

impl fmt::Display for PolicyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, path) in self.all().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", path.display())?;
        }
        Ok(())
    }
}

/// Reads a policy file, or says why it cannot be read. It blocks.
fn read(path: &Path) -> Content {
    let read = || {
        // Reading something else might never end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        // One byte more shows that it is too long.
        let mut file = File::open(path)?.take(MAX_LENGTH as u64 + 1);
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| error.to_string())
}

fn document(path: &Path, content: &Content) -> Result<Document, PolicyError> {
    let unreadable = |why: &str| PolicyError::Read {
        path: path.to_path_buf(),
        source: io::Error::other(why.to_owned()),
    };
    let refused = |source| PolicyError::Document {
        path: path.to_path_buf(),
        source,
    };
    let bytes = content.as_ref().map_err(|why| unreadable(why))?;
    if bytes.len() > MAX_LENGTH {
        let (line, fault) = (None, DocumentFault::TooLong);
        return Err(refused(DocumentError { line, fault }));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not a text in UTF-8"))?;
    Document::parse(text).map_err(refused)
}
