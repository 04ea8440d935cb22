//! SHA-256 over files and streams, in lower-case hexadecimal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::Error;

const BUFFER: usize = 128 * 1024;

/// Copies `from` to `to` to its end, telling `advance` the length of each piece.
///
/// Returns the number of bytes and their hash. More than `limit` bytes are an error of kind
/// [`io::ErrorKind::FileTooLarge`]: a compressed source could otherwise fill the disk.
pub(crate) fn copy(
    mut from: impl Read,
    mut to: impl Write,
    limit: u64,
    mut advance: impl FnMut(u64),
) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut length = 0u64;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((length, hex(&hasher.finalize()))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length += count as u64;
        if length > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        advance(count as u64);
    }
}

/// The hash of a whole file, telling `advance` the length of each piece that was read.
pub(crate) fn file(path: &Path, advance: impl FnMut(u64)) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let (_, hash) = copy(file, io::sink(), u64::MAX, advance).map_err(Error::io("read", path))?;
    Ok(hash)
}

/// The hash of a list of texts. Their boundaries count: `["ab"]` and `["a", "b"]` differ.
pub(crate) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        let text = text.as_ref();
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_text_has_its_published_hash() {
        let (length, hash) = copy(&b"abc"[..], io::sink(), 3, |_| ()).unwrap();
        assert_eq!(length, 3);
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_source_longer_than_the_limit_is_refused() {
        let error = copy(&b"abcd"[..], io::sink(), 3, |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn the_boundaries_between_texts_change_the_hash() {
        assert_ne!(texts(["ab"]), texts(["a", "b"]));
    }
}
