//! The pages of an image that whatever runs uses, so that each instance gets them at once.
//!
//! An empty program tells them: [`Image::learn`]. Those of the cache's images are in a file beside the image, so that
//! each later process knows them at its beginning. The file is no more than advice: without it, or where it is
//! damaged, an instance gets its pages one by one.

use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::parts::{Image, Loose};
use super::ranges::windows;
use crate::private_dir;

/// The most bytes that an instance gets at its beginning.
const MOST_WRITTEN: usize = 4 << 20;

/// The most bytes that a spare shows.
const MOST_SHOWN: usize = 32 << 20;

/// What the name of the file beside an image ends with.
const ENDING: &str = "usual";

/// The pages that whatever runs uses.
#[derive(Debug)]
pub(super) struct Usual {
    /// Those that it writes to, as they are in the image.
    written: Loose,
    /// These and those that it reads.
    shown: Vec<Range<usize>>,
}

/// What is in the file: ranges of bytes, whole pages of this size.
#[derive(Deserialize, Serialize)]
struct Kept {
    page: usize,
    written: Vec<Range<usize>>,
    shown: Vec<Range<usize>>,
}

impl Image {
    /// The pages that every instance gets at its beginning, because it would get them one by one otherwise.
    pub(super) fn usual(&self) -> Option<&Loose> {
        self.usual.get().map(|usual| &usual.written)
    }

    /// The pages that are mapped in memory that was given back for the next instance: the usual ones, and those that
    /// it would get one by one as soon as it reads them. In order; they do not overlap.
    pub(super) fn shown(&self) -> &[Range<usize>] {
        self.usual.get().map_or(&[], |usual| &usual.shown)
    }

    /// Whether an empty program is to run in one instance of it: its pages are not known, and would be kept.
    pub fn wants_rehearsal(&self) -> bool {
        let is_asked = cfg!(target_os = "linux") && self.usual.get().is_none();
        is_asked && self.beside.as_deref().is_some_and(can_keep)
    }

    /// Takes the pages that an instance has written to and those that are mapped in it; it ran nothing but what
    /// others run too. The first time counts.
    pub(super) fn learn(&self, written: Vec<Range<usize>>, mapped: &[Range<usize>]) {
        let shown = windows(written.iter().chain(mapped), self.size());
        let shown = match total(&shown) > MOST_SHOWN {
            true => written.clone(),
            false => shown,
        };
        let kept = Kept {
            page: page_size(),
            written,
            shown,
        };
        // So many pages are no faster at once; that it is known spares the next process the question.
        let kept = match self.fits(&kept) {
            true => kept,
            false => Kept {
                written: Vec::new(),
                shown: Vec::new(),
                ..kept
            },
        };
        if let Some(beside) = self.beside.as_deref()
            && self.usual.get().is_none()
        {
            // A cache that can't be written to does without.
            let _ = keep(&kept, &beside.with_extension(ENDING));
        }
        self.know(kept);
    }

    /// Keeps what is learned beside the image's own file, and takes what was kept there.
    pub(super) fn with_usual_beside(mut self, path: &Path) -> Self {
        self.beside = Some(path.to_owned());
        let kept = private_dir::read(&path.with_extension(ENDING)).ok();
        if let Some(kept) = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            self.know(kept);
        }
        self
    }

    fn fits(&self, kept: &Kept) -> bool {
        let fit = |ranges: &[Range<usize>], most| {
            total(ranges) <= most && are_pages(ranges, kept.page, self.size())
        };
        kept.page == page_size() && fit(&kept.written, MOST_WRITTEN) && fit(&kept.shown, MOST_SHOWN)
    }

    /// Takes pages that can be the usual ones.
    fn know(&self, kept: Kept) {
        if !self.fits(&kept) {
            return;
        }
        let shown = kept.shown;
        if let Ok(written) = self.loose_of(kept.written) {
            let _ = self.usual.set(Usual { written, shown });
        }
    }

    /// What is in these ranges.
    fn loose_of(&self, ranges: Vec<Range<usize>>) -> io::Result<Loose> {
        let mut bytes = vec![0; total(&ranges)];
        let mut rest = bytes.as_mut_slice();
        for range in &ranges {
            let (part, more) = rest.split_at_mut(range.len());
            self.read_at(range.start, part)?;
            rest = more;
        }
        Ok(Loose::new(ranges, bytes))
    }
}

/// The bytes of ranges that do not overlap; more than there can be where they are none.
fn total(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(Range::len).fold(0, usize::saturating_add)
}

/// Whether the ranges are whole pages of a memory of `size` bytes, in order and apart.
fn are_pages(ranges: &[Range<usize>], page: usize, size: usize) -> bool {
    let mut end = 0;
    ranges.iter().all(|range| {
        let is_next = range.start >= end && range.start < range.end && range.end <= size;
        end = range.end;
        is_next && range.start.is_multiple_of(page) && range.end.is_multiple_of(page)
    })
}

fn keep(kept: &Kept, path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Whether a file can be made beside this one.
fn can_keep(beside: &Path) -> bool {
    #[cfg(unix)]
    return beside.parent().is_some_and(|directory| {
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
    });
    #[cfg(not(unix))]
    beside.parent().is_some()
}

fn page_size() -> usize {
    #[cfg(unix)]
    return rustix::param::page_size();
    #[cfg(not(unix))]
    4096
}

#[cfg(test)]
mod tests;
