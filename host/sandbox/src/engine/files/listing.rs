//! Lists the entries of a directory in batches: a directory of the host may have millions.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use cap_primitives::fs::{DirEntry, FileType, FileTypeExt, ReadDir, read_base_dir};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::{code, look};

/// Entries that are read at a time.
const BATCH: usize = 128;

type Entry = Result<DirectoryEntry, ErrorCode>;

/// A directory that is being read.
pub(super) struct Listing {
    /// Reads the next entries; `None` at the end.
    reader: Option<ReadDir>,
    read: VecDeque<Entry>,
    /// Whether the guest's own thread reads it.
    direct: bool,
}

impl Listing {
    /// Begins to read `directory`.
    pub(super) fn of(directory: &File, direct: bool) -> io::Result<Self> {
        Ok(Self {
            reader: Some(read_base_dir(directory)?),
            read: VecDeque::new(),
            direct,
        })
    }

    /// The next entry; `None` at the end.
    pub(super) async fn next(&mut self) -> FsResult<Option<DirectoryEntry>> {
        if self.read.is_empty()
            && let Some(mut reader) = self.reader.take()
        {
            let (read, reader) = look(self.direct, move || {
                let read = batch(&mut reader);
                let more = read.len() == BATCH;
                Ok((read, more.then_some(reader)))
            })
            .await?;
            (self.read, self.reader) = (read, reader);
        }
        self.read.pop_front().transpose().map_err(FsError::from)
    }
}

fn batch(reader: &mut ReadDir) -> VecDeque<Entry> {
    let entries = reader.filter_map(|entry| match entry {
        Ok(entry) => entry_of(&entry),
        Err(error) => Some(Err(code(&error))),
    });
    entries.take(BATCH).collect()
}

/// What the guest is told of an entry; `None` if it has vanished.
fn entry_of(entry: &DirEntry) -> Option<Entry> {
    let kind = match entry.file_type() {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(code(&error))),
    };
    let name = entry.file_name().into_string();
    Some(
        name.map(|name| DirectoryEntry {
            type_: type_of(kind),
            name,
        })
        .map_err(|_| ErrorCode::IllegalByteSequence),
    )
}

fn type_of(kind: FileType) -> DescriptorType {
    if kind.is_dir() {
        DescriptorType::Directory
    } else if kind.is_symlink() {
        DescriptorType::SymbolicLink
    } else if kind.is_file() {
        DescriptorType::RegularFile
    } else if kind.is_block_device() {
        DescriptorType::BlockDevice
    } else if kind.is_char_device() {
        DescriptorType::CharacterDevice
    } else {
        DescriptorType::Unknown
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn a_directory_of_any_size_is_read_to_its_end_a_batch_at_a_time() {
        for count in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH] {
            let directory = tempfile::tempdir().unwrap();
            for number in 0..count {
                std::fs::write(directory.path().join(number.to_string()), "").unwrap();
            }
            let mut listing = Listing::of(&File::open(directory.path()).unwrap(), false).unwrap();
            let mut names = BTreeSet::new();
            while let Some(entry) = listing.next().await.unwrap() {
                assert!(listing.read.len() < BATCH);
                assert_eq!(entry.type_, DescriptorType::RegularFile);
                assert!(names.insert(entry.name));
            }
            assert_eq!(names.len(), count);
            assert!(listing.next().await.unwrap().is_none());
        }
    }
}
