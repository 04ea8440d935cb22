//! The file of a memory image: a header, and the memory from [`START`] on, with holes for zeros.
//!
//! ```text
//! 0     16 bytes   MAGIC, which has the format's version
//! 16    32 bytes   the identity: the hash of all that the memory was made of
//! 48    u64        the size with which the runtime's memory begins
//! 56    u64        the size of this memory
//! 64    u32        CRC-32 of the pages that are not zero
//! 68    u32        CRC-32 of their numbers
//! 72    u32        CRC-32 of the header so far
//! 128   u32        the bytes of notes, which only snapshots of a user's own have
//! 132   u32        CRC-32 of the notes
//! 136              the notes: what the memory was made of, see `SnapshotNotes`
//! START            the memory
//! ```
//!
//! The identity of an image with notes is their SHA-256.
//!
//! Numbers are little-endian. The file is read only where nobody else can write to it, as the native code
//! beside it is; the checksum finds damage, no attack. It is never written again once it has its name: a
//! mapped file that shrinks would end the process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crc32fast::Hasher;
use sha2::{Digest, Sha256};

use super::parts::Image;
use super::sealed;
use crate::componentize::WASM_PAGE;
use crate::error::Error;
use crate::private_dir;
use crate::zeros::{PAGE, used};

/// What each version's begins with.
const KIND: &[u8] = b"sandbox-net i";
const MAGIC: &[u8; 16] = b"sandbox-net i\0\0\x01";
const HEADER: usize = 76;
/// Where the memory begins: a multiple of every host's page size.
const START: usize = 64 << 10;
/// Where the notes begin with their length and their checksum.
const NOTES: usize = 128;
const NOTES_TEXT: usize = NOTES + 8;
/// The most bytes of notes.
const MAX_NOTES: usize = START - NOTES_TEXT;
/// How much is read at once.
const BUFFER: usize = 256 << 10;

/// What an image was made of, hashed.
pub type Identity = [u8; 32];

/// Why a file is not the image that is looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It cannot be opened, or others can write to it.
    #[error(transparent)]
    File(#[from] Error),
    /// It could not be read or written.
    #[error("the memory image can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// It is damaged, or another image.
    #[error("the memory image {0}; remove it so that it is made again")]
    Invalid(&'static str),
}

impl Image {
    /// Opens a file of the cache, and reads it to its end.
    ///
    /// # Errors
    ///
    /// [`ImageError::Invalid`] if it is not whole or was made of something else.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, ImageError> {
        let mut file = private_dir::open(path)?;
        let header = Header::read(&mut file)?;
        if header.identity != *identity {
            return Err(ImageError::Invalid("was made of something else"));
        }
        if checksum(&mut file, header.size)? != header.contents {
            return Err(ImageError::Invalid("is damaged"));
        }
        let image = Self::of_file(file, START, header.minimum, header.size);
        Ok(image.with_usual_beside(path))
    }

    /// Copies a file with notes that anybody may have written, and checks the copy: nobody can change
    /// that one. Returns the notes, too.
    ///
    /// # Errors
    ///
    /// [`ImageError::Invalid`] if it is not whole.
    pub fn open_copy(path: &Path) -> Result<(Self, Vec<u8>), ImageError> {
        let mut from = open_regular(path)?;
        let header = Header::read(&mut from)?;
        let notes = read_notes(&mut from)?;
        if Sha256::digest(&notes)[..] != header.identity {
            return Err(ImageError::Invalid("is damaged"));
        }
        let into = sealed::create((START + header.size) as u64)?;
        if copy(&from, &into, header.size)? != header.contents {
            return Err(ImageError::Invalid("is damaged"));
        }
        sealed::seal(&into)?;
        Ok((
            Self::of_file(into, START, header.minimum, header.size),
            notes,
        ))
    }

    /// Writes the image to a file, which takes the place of what was there when it is complete. Symbolic links
    /// are followed.
    ///
    /// # Errors
    ///
    /// If it can't be written, or something is there that is no file. What was there stays then.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let why = "something is there that is no file";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        // What is frozen of a living instance is in several files.
        let [part] = self.parts() else {
            return Err(io::Error::other("the memory is not that of one file"));
        };
        let beside = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        // Its mode lets nobody else read it: a program's data may be in it.
        let mut into = tempfile::NamedTempFile::new_in(beside.unwrap_or(Path::new(".")))?;
        into.as_file_mut().set_len((START + self.size()) as u64)?;
        copy(&part.file, into.as_file(), self.size())?;
        into.as_file().sync_all()?;
        into.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

struct Header {
    identity: Identity,
    minimum: usize,
    size: usize,
    contents: Contents,
}

impl Header {
    /// Reads it, and checks the file's length.
    fn read(file: &mut File) -> Result<Self, ImageError> {
        let mut bytes = [0; HEADER];
        let length = file.metadata()?.len();
        let mut begun = Vec::with_capacity(HEADER);
        file.take(HEADER as u64).read_to_end(&mut begun)?;
        let known = begun.len().min(KIND.len());
        if begun[..known] != KIND[..known] {
            return Err(ImageError::Invalid("is a file of another kind"));
        }
        if begun.len() < HEADER {
            return Err(ImageError::Invalid("is cut short"));
        }
        bytes.copy_from_slice(&begun);
        let header = Self::parse(&bytes)?;
        if length != (START + header.size) as u64 {
            return Err(ImageError::Invalid("does not have the size that it claims"));
        }
        Ok(header)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(self.identity);
        bytes.extend((self.minimum as u64).to_le_bytes());
        bytes.extend((self.size as u64).to_le_bytes());
        bytes.extend(self.contents.pages.to_le_bytes());
        bytes.extend(self.contents.numbers.to_le_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8; HEADER]) -> Result<Self, ImageError> {
        let (head, sum) = bytes.split_at(HEADER - 4);
        if !head.starts_with(MAGIC) {
            return Err(ImageError::Invalid("is of another version"));
        }
        if crc32fast::hash(head).to_le_bytes() != sum {
            return Err(ImageError::Invalid("has a damaged header"));
        }
        let mut identity = Identity::default();
        identity.copy_from_slice(&head[16..48]);
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&head[at..at + 8]);
            usize::try_from(u64::from_le_bytes(number)).ok()
        };
        let sum =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let contents = Contents {
            pages: sum(64),
            numbers: sum(68),
        };
        let is_memory = |size: &usize| *size <= 1 << 32 && size.is_multiple_of(WASM_PAGE);
        let (minimum, size) = (number(48), number(56));
        let (Some(minimum), Some(size)) = (minimum.filter(is_memory), size.filter(is_memory))
        else {
            return Err(ImageError::Invalid("has no possible size"));
        };
        if minimum > size {
            return Err(ImageError::Invalid("is smaller than its runtime's memory"));
        }
        Ok(Self {
            identity,
            minimum,
            size,
            contents,
        })
    }
}

/// The checksums of a memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Contents {
    pages: u32,
    numbers: u32,
}

/// The checksums of a memory, piece by piece.
#[derive(Default)]
struct Sums {
    pages: Hasher,
    numbers: Hasher,
}

impl Sums {
    /// Adds what is used of these pages; the first one is `number`.
    fn add(&mut self, pages: &[u8], number: usize) {
        for (at, run) in used(pages) {
            let first = number + at / PAGE;
            let numbers =
                (first..first + run.len().div_ceil(PAGE)).map(|n| (n as u32).to_le_bytes());
            self.numbers.update(&numbers.flatten().collect::<Vec<u8>>());
            self.pages.update(run);
        }
    }

    fn end(self) -> Contents {
        Contents {
            pages: self.pages.finalize(),
            numbers: self.numbers.finalize(),
        }
    }
}

/// The checksum of the memory in the file. Holes are not read.
fn checksum(file: &mut File, size: usize) -> io::Result<Contents> {
    let mut sums = Sums::default();
    pieces(file, size, |at, piece| {
        sums.add(piece, at / PAGE);
        Ok(())
    })?;
    Ok(sums.end())
}

/// Copies what is before the memory, and what is used of it; returns the memory's checksum. The copy has
/// its length already.
fn copy(mut from: &File, mut into: &File, size: usize) -> io::Result<Contents> {
    let mut head = vec![0; START];
    from.rewind()?;
    from.read_exact(&mut head)?;
    into.rewind()?;
    into.write_all(&head)?;
    let mut sums = Sums::default();
    pieces(from, size, |at, piece| {
        sums.add(piece, at / PAGE);
        for (place, run) in used(piece) {
            into.seek(SeekFrom::Start((START + at + place) as u64))?;
            into.write_all(run)?;
        }
        Ok(())
    })?;
    Ok(sums.end())
}

/// Reads the memory in the file, except for its holes.
fn pieces(
    mut file: &File,
    size: usize,
    mut take: impl FnMut(usize, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < size {
        let start = match data_from(file, at)? {
            // A page that is a hole in part is read whole.
            Some(start) => start.min(size) / PAGE * PAGE,
            None => break,
        };
        at = start.max(at);
        let piece = &mut buffer[..BUFFER.min(size - at)];
        file.seek(SeekFrom::Start((START + at) as u64))?;
        file.read_exact(piece)?;
        take(at, piece)?;
        at += piece.len();
    }
    Ok(())
}

fn read_notes(file: &mut File) -> Result<Vec<u8>, ImageError> {
    let mut head = [0; NOTES_TEXT - NOTES];
    file.seek(SeekFrom::Start(NOTES as u64))?;
    file.read_exact(&mut head)?;
    let (length, sum) = head.split_at(4);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_u32, |all, byte| all << 8 | u32::from(*byte))
    };
    let length = number(length) as usize;
    if length == 0 || length > MAX_NOTES {
        return Err(ImageError::Invalid("has no notes of what it was made of"));
    }
    let mut notes = vec![0; length];
    file.read_exact(&mut notes)?;
    match crc32fast::hash(&notes) == number(sum) {
        true => Ok(notes),
        false => Err(ImageError::Invalid("is damaged")),
    }
}

/// Opens a file that anybody may have made, without waiting for one that is a pipe.
fn open_regular(path: &Path) -> Result<File, ImageError> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(ImageError::Invalid("is not a file")),
    }
}

/// Where the next byte of the memory is that is not in a hole.
#[cfg(target_os = "linux")]
fn data_from(file: &File, at: usize) -> io::Result<Option<usize>> {
    use rustix::io::Errno;

    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data((START + at) as u64)) {
        Ok(place) => Ok(Some((place as usize).saturating_sub(START))),
        Err(Errno::NXIO) => Ok(None),
        // The file system does not know holes.
        Err(Errno::INVAL) => Ok(Some(at)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn data_from(_: &File, at: usize) -> io::Result<Option<usize>> {
    Ok(Some(at))
}

/// Gives the holes room, on a file system that lives in memory: there a hole that is only read takes some, and
/// where none is left, whoever has mapped the file is ended by the system.
///
/// # Errors
///
/// If there is no room now.
#[cfg(target_os = "linux")]
fn fill_holes(file: &File, size: u64) -> io::Result<()> {
    const TMPFS: u32 = 0x0102_1994;

    if rustix::fs::fstatfs(file)?.f_type as u32 == TMPFS {
        rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn fill_holes(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Writes an image from its beginning to its end.
pub(crate) struct ImageWriter {
    file: File,
    identity: Identity,
    notes: Vec<u8>,
    minimum: usize,
    size: usize,
    sums: Sums,
}

impl ImageWriter {
    /// Begins the file of an image for a runtime whose memory begins with `minimum` bytes.
    pub(crate) fn create(path: &Path, identity: Identity, minimum: usize) -> io::Result<Self> {
        Ok(Self {
            file: File::create_new(path)?,
            identity,
            notes: Vec::new(),
            minimum,
            size: 0,
            sums: Sums::default(),
        })
    }

    /// Begins an image with notes, in a new file, or in one without a name that nobody else has.
    pub(crate) fn with_notes(
        path: Option<&Path>,
        notes: Vec<u8>,
        minimum: usize,
    ) -> io::Result<Self> {
        if notes.is_empty() || notes.len() > MAX_NOTES {
            return Err(io::Error::other(
                "the list of packages and imports is too long",
            ));
        }
        Ok(Self {
            file: match path {
                Some(path) => File::create_new(path)?,
                None => tempfile::tempfile()?,
            },
            identity: Sha256::digest(&notes).into(),
            notes,
            minimum,
            size: 0,
            sums: Sums::default(),
        })
    }

    /// Appends the next pieces of memory, whole pages of WebAssembly.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sums.add(bytes, self.size / PAGE);
        for (at, run) in used(bytes) {
            let place = START + self.size + at;
            self.file.seek(SeekFrom::Start(place as u64))?;
            self.file.write_all(run)?;
        }
        self.size += bytes.len();
        Ok(())
    }

    /// Ends the file. It is no image before.
    pub(crate) fn finish(mut self) -> io::Result<Image> {
        self.file.set_len((START + self.size) as u64)?;
        fill_holes(&self.file, (START + self.size) as u64)?;
        let header = Header {
            identity: self.identity,
            minimum: self.minimum,
            size: self.size,
            contents: self.sums.end(),
        };
        self.file.rewind()?;
        self.file.write_all(&header.bytes())?;
        if !self.notes.is_empty() {
            self.file.seek(SeekFrom::Start(NOTES as u64))?;
            self.file
                .write_all(&(self.notes.len() as u32).to_le_bytes())?;
            self.file
                .write_all(&crc32fast::hash(&self.notes).to_le_bytes())?;
            self.file.write_all(&self.notes)?;
        }
        Ok(Image::of_file(
            self.file,
            START,
            header.minimum,
            header.size,
        ))
    }
}

#[cfg(test)]
mod notes_tests;
#[cfg(test)]
mod tests;
