//! Writes an image of several parts to one file.

use std::io;
use std::path::Path;

use super::file::ImageWriter;
use super::parts::Image;

/// How much is read at once.
const PIECE: usize = 4 << 20;

impl Image {
    /// Writes the image with notes to a new file, for [`open_copy`](Self::open_copy).
    ///
    /// # Errors
    ///
    /// If there is such a file, the notes have more than 60 KiB, or it can't be written.
    pub fn write(&self, path: &Path, notes: Vec<u8>) -> io::Result<()> {
        let mut into = ImageWriter::with_notes(Some(path), notes, self.minimum())?;
        let mut piece = vec![0; PIECE];
        for at in (0..self.size()).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(self.size() - at)];
            self.read_at(at, piece)?;
            into.append(piece)?;
        }
        into.finish().map(drop)
    }
}
