//! The output of a file or a command: the bytes of a value, bounded.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::value::{LONGEST, ValueError};

/// Most bytes that a file or command may hold: a value and a CRLF.
const LIMIT: usize = LONGEST + 2;

/// The bytes of a value, or the error that there are too many.
pub(super) type Output = Result<Zeroizing<Vec<u8>>, ValueError>;

/// Reads until the end, or until it is clear that the output is too long for a value.
pub(super) fn read_limited(reader: impl Read) -> io::Result<Output> {
    // Reserves room for everything: no copy stays behind when the buffer grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    reader.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > LIMIT {
        Err(ValueError::TooLong)
    } else {
        Ok(bytes)
    })
}
