//! Decides what of a memory is copied when it is frozen: what was written, and what lies between and is too
//! small to be mapped by itself.
//!
//! Each part of an image is a mapping in every copy, and a process may have only so many of them.

use std::cmp::Reverse;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::parts::Part;

/// The most parts, or gaps of zeros, that stay as they were. An image has at most twice as many parts,
/// and one.
pub(super) const MOST: usize = 20;
/// What is shorter than this is copied rather than mapped.
const SHORTEST: usize = 64 << 10;

/// What the system counts in.
const BLOCK: u64 = 512;
/// The most bytes that each copy gets of its own, rather than a mapping for each range.
pub(super) const LOOSE: usize = 4 << 20;
/// What is at least as long is mapped.
const LONG: usize = 128 << 10;

/// Divides what was written in what each copy gets of its own, and what a new layer is made of.
pub(super) fn split(written: Vec<Range<usize>>) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let is_short = |range: &Range<usize>| range.len() < LONG;
    let short = written.iter().filter(|range| is_short(range));
    match short.map(Range::len).sum::<usize>() <= LOOSE {
        true => written.into_iter().partition(is_short),
        false => (Vec::new(), written),
    }
}

/// Whether files of which little is used take much more room than the memory itself: what one part of a file
/// is mapped for stays, all of it.
pub(super) fn is_wasteful(parts: &[Part], size: usize) -> bool {
    let mut files: Vec<_> = parts.iter().map(|part| &part.file).collect();
    files.sort_unstable_by_key(|file| Arc::as_ptr(file));
    files.dedup_by_key(|file| Arc::as_ptr(file));
    let taken = |file: &&Arc<File>| file.metadata().map_or(0, |data| data.blocks() * BLOCK);
    files.iter().map(taken).sum::<u64>() > 2 * size as u64
}

/// A new layer over the parts of a memory.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The parts that stay, or pieces of them.
    pub(super) kept: Vec<Part>,
    /// What the new layer replaces.
    pub(super) replaced: Vec<Range<usize>>,
    /// What is copied to it. The rest of what it replaces is zero.
    pub(super) copied: Vec<Range<usize>>,
}

/// What is in a piece of the memory.
#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Written,
    Part(&'a Part),
    Zero,
}

type Piece<'a> = (Range<usize>, Content<'a>);

impl Layer {
    /// The layer over a memory of `size` bytes, of which these ranges were written. Parts and ranges are in
    /// order and do not overlap.
    pub(super) fn over(parts: &[Part], written: &[Range<usize>], size: usize) -> Self {
        let pieces = pieces(parts, written, size);
        let stay = longest(&pieces);
        let mut layer = Self::default();
        let mut is_open = false;
        for (number, (range, content)) in pieces.into_iter().enumerate() {
            if stay.contains(&number) {
                is_open = false;
                if let Content::Part(part) = content {
                    layer.kept.push(piece_of(part, &range));
                }
                continue;
            }
            match layer.replaced.last_mut() {
                Some(last) if is_open => last.end = range.end,
                _ => layer.replaced.push(range.clone()),
            }
            is_open = true;
            if !matches!(content, Content::Zero) {
                layer.copied.push(range);
            }
        }
        let Self {
            replaced, copied, ..
        } = &mut layer;
        // What is zero throughout needs no part.
        replaced.retain(|whole| {
            let place = copied.partition_point(|range| range.end <= whole.start);
            copied
                .get(place)
                .is_some_and(|range| range.start < whole.end)
        });
        layer
    }
}

/// All of the memory, in order.
fn pieces<'a>(parts: &'a [Part], written: &[Range<usize>], size: usize) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for range in written {
        unwritten(parts, at..range.start, &mut pieces);
        pieces.push((range.clone(), Content::Written));
        at = range.end;
    }
    unwritten(parts, at..size, &mut pieces);
    pieces
}

fn unwritten<'a>(parts: &'a [Part], range: Range<usize>, pieces: &mut Vec<Piece<'a>>) {
    let mut at = range.start;
    let first = parts.partition_point(|part| part.at + part.length <= at);
    for part in &parts[first..] {
        let (from, to) = (part.at.max(at), (part.at + part.length).min(range.end));
        if from >= to {
            break;
        }
        if at < from {
            pieces.push((at..from, Content::Zero));
        }
        pieces.push((from..to, Content::Part(part)));
        at = to;
    }
    if at < range.end {
        pieces.push((at..range.end, Content::Zero));
    }
}

/// The numbers of the pieces that stay.
fn longest(pieces: &[Piece<'_>]) -> Vec<usize> {
    let may_stay = |(range, content): &Piece<'_>| {
        range.len() >= SHORTEST && !matches!(content, Content::Written)
    };
    let numbers = (0..pieces.len()).filter(|number| may_stay(&pieces[*number]));
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_by_key(|number| Reverse(pieces[*number].0.len()));
    numbers.truncate(MOST);
    numbers
}

fn piece_of(part: &Part, range: &Range<usize>) -> Part {
    Part {
        at: range.start,
        length: range.len(),
        file: part.file.clone(),
        offset: part.offset + (range.start - part.at),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 4096;

    /// Disjoint ranges in order, with gaps and without.
    fn ranges() -> impl Strategy<Value = Vec<Range<usize>>> {
        let steps = proptest::collection::vec((0..40_usize, 1..60_usize), 0..80);
        steps.prop_map(|steps| {
            let mut at = 0;
            let range = |(gap, length)| {
                let start = at + gap * PAGE;
                at = start + length * PAGE;
                start..at
            };
            steps.into_iter().map(range).collect()
        })
    }

    proptest! {
        /// Where each page comes from: what was written or is copied from the new layer, the rest from where it
        /// was before.
        #[test]
        fn every_page_is_where_it_was_or_in_the_new_layer(parts in ranges(), written in ranges()) {
            let file = Arc::new(File::open("/dev/null").unwrap());
            let part = |(number, range): (usize, &Range<usize>)| Part {
                at: range.start,
                length: range.len(),
                file: file.clone(),
                offset: (number * 10_000) * PAGE,
            };
            let parts: Vec<Part> = parts.iter().enumerate().map(part).collect();
            let end = parts.last().map_or(0, |part| part.at + part.length);
            let size = end.max(written.last().map_or(0, |range| range.end)) + 3 * PAGE;
            let layer = Layer::over(&parts, &written, size);
            prop_assert!(layer.kept.len() <= MOST && layer.replaced.len() <= MOST + 1);
            let source = |parts: &[Part], page: usize| {
                let found = parts.iter().find(|p| (p.at..p.at + p.length).contains(&page));
                found.map(|part| part.offset + page - part.at)
            };
            let is_in = |ranges: &[Range<usize>], page: usize| {
                ranges.iter().filter(|range| range.contains(&page)).count()
            };
            for page in (0..size).step_by(PAGE) {
                let (was, is) = (source(&parts, page), source(&layer.kept, page));
                let replaced = is_in(&layer.replaced, page);
                let copied = is_in(&layer.copied, page);
                prop_assert!(replaced <= 1 && copied <= replaced);
                prop_assert!(is.is_none() || replaced == 0);
                if is_in(&written, page) == 1 {
                    prop_assert_eq!(copied, 1);
                } else if copied == 0 {
                    // It is zero, whether in the new layer or in none.
                    prop_assert_eq!(was, is);
                }
            }
        }
    }
}
