//! Opens input files, with `-` for stdin.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::printable::printable;

/// Opens a file.
pub(crate) fn open(file: &Path) -> io::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(File::open(file)?)))
}

/// The name of a file in messages.
pub(crate) fn name(file: &Path) -> String {
    printable(&file.to_string_lossy())
}
