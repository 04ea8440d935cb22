//! One reading of a path, indexed for searches.

use std::cell::OnceCell;

use super::steps::{Exhausted, Steps};

/// The longest part of a pattern that is searched without the index.
const SHORT: usize = 2;

/// The places in a part of a pattern at which the index is consulted, to find the rarest.
const ASKED: usize = 8;

/// One reading of a path: see [`symbol`](super::symbol) for what its bytes mean.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The text followed by a slash, which counts only if slashes at the end are ignored.
    text: Vec<u8>,
    folded: OnceCell<Vec<u8>>,
    slashes: OnceCell<Vec<u32>>,
    index: OnceCell<Index>,
}

/// A reading as patterns are compared with it: unchanged, or in lower case, up to one of its ends.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    reading: &'a Reading,
    /// The text to compare, up to its end.
    pub(super) text: &'a [u8],
    /// The places of its slashes.
    pub(super) slashes: &'a [u32],
    steps: &'a Steps,
}

impl Reading {
    pub(super) fn new(mut text: Vec<u8>) -> Self {
        text.push(b'/');
        Self {
            text,
            folded: OnceCell::new(),
            slashes: OnceCell::new(),
            index: OnceCell::new(),
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text[..self.text.len() - 1]
    }

    /// The reading as it is.
    pub(super) fn exactly<'a>(&'a self, steps: &'a Steps) -> View<'a> {
        self.view(&self.text, self.text.len() - 1, steps)
    }

    /// The reading in lower case: unchanged, without the slash at its end if it has one, and last
    /// with one more.
    pub(super) fn loosely<'a>(&'a self, steps: &'a Steps) -> impl Iterator<Item = View<'a>> {
        let folded = self.folded.get_or_init(|| self.text.to_ascii_lowercase());
        let length = self.text().len();
        let shorter = self.text().ends_with(b"/").then(|| length - 1);
        let ends = [Some(length), shorter, Some(length + 1)];
        ends.into_iter()
            .flatten()
            .map(move |end| self.view(folded, end, steps))
    }

    fn view<'a>(&'a self, text: &'a [u8], end: usize, steps: &'a Steps) -> View<'a> {
        let slashes = self.slashes.get_or_init(|| {
            let places = (0_u32..).zip(&self.text).filter(|(_, byte)| **byte == b'/');
            places.map(|(at, _)| at).collect()
        });
        // Only the last two can lie after the end.
        let behind = slashes.iter().rev().take_while(|at| **at as usize >= end);
        let count = slashes.len() - behind.count();
        View {
            reading: self,
            text: &text[..end],
            slashes: &slashes[..count],
            steps,
        }
    }
}

impl<'a> View<'a> {
    /// The place of a slash, by its number from 0.
    pub(super) fn slash(&self, number: usize) -> usize {
        self.slashes[number] as usize
    }

    /// Where the segment before this slash begins; without such a slash, the last segment.
    pub(super) fn segment_start(&self, number: usize) -> usize {
        number
            .checked_sub(1)
            .map_or(0, |before| self.slash(before) + 1)
    }

    /// The number of the first slash from this place on.
    pub(super) fn first_slash(&self, from: usize) -> usize {
        self.slashes.partition_point(|at| (*at as usize) < from)
    }

    /// Where the segment ends that contains this place.
    pub(super) fn segment_end(&self, from: usize) -> usize {
        let number = self.first_slash(from);
        self.slashes
            .get(number)
            .map_or(self.text.len(), |at| *at as usize)
    }

    pub(super) fn step(&self) -> Result<(), Exhausted> {
        self.steps.take()
    }

    /// Finds the first place of `part` between these places.
    pub(super) fn find(
        &self,
        part: &[u8],
        from: usize,
        end: usize,
    ) -> Result<Option<usize>, Exhausted> {
        let Some(last) = end.checked_sub(part.len()).filter(|last| from <= *last) else {
            return Ok(None);
        };
        if part.is_empty() {
            return Ok(Some(from));
        }
        if part.len() <= SHORT {
            return self.scan(part, from, last);
        }
        let index = self
            .reading
            .index
            .get_or_init(|| Index::of(&self.reading.text));
        let (offset, places) = index.rarest(part);
        let first = places.partition_point(|at| (*at as usize) < from + offset);
        for at in &places[first..] {
            self.step()?;
            let start = *at as usize - offset;
            if start > last {
                break;
            }
            if self.text[start..].starts_with(part) {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }

    /// Tries every place: for parts that are too short for the index.
    fn scan(&self, part: &[u8], from: usize, last: usize) -> Result<Option<usize>, Exhausted> {
        // A text this short is searched quickly.
        const AT_ONCE: usize = 64;
        let mut from = from;
        while from <= last {
            self.step()?;
            let until = last.min(from + AT_ONCE - 1);
            let mut places = from..=until;
            if let Some(found) = places.find(|at| self.text[*at..].starts_with(part)) {
                return Ok(Some(found));
            }
            from = until + 1;
        }
        Ok(None)
    }
}

/// How many bytes form one entry of the index.
const GRAM: usize = SHORT + 1;

/// The places of all runs of three bytes in a text, ignoring case.
#[derive(Debug, Clone)]
struct Index {
    /// For each bucket of runs, where its places begin; and the end of the last one.
    starts: Vec<u32>,
    /// The places, in order within each bucket.
    places: Vec<u32>,
}

impl Index {
    fn of(text: &[u8]) -> Self {
        let size = text.len().next_power_of_two();
        let mut starts = vec![0_u32; size + 1];
        for gram in text.windows(GRAM) {
            starts[bucket(gram, size) + 1] += 1;
        }
        for at in 0..size {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut places = vec![0; text.len().saturating_sub(GRAM - 1)];
        for (at, gram) in (0_u32..).zip(text.windows(GRAM)) {
            let next = &mut next[bucket(gram, size)];
            places[*next as usize] = at;
            *next += 1;
        }
        Self { starts, places }
    }

    /// A run of the part that is rare in the text: its offset in the part, and its places.
    fn rarest(&self, part: &[u8]) -> (usize, &[u32]) {
        let size = self.starts.len() - 1;
        let places = |(offset, gram)| {
            let bucket = bucket(gram, size);
            let [start, end] = [self.starts[bucket], self.starts[bucket + 1]];
            (offset, &self.places[start as usize..end as usize])
        };
        // The end of a part distinguishes it more often than its beginning.
        let grams = part.windows(GRAM).enumerate().rev().take(ASKED);
        let rarest = grams.map(places).min_by_key(|(_, places)| places.len());
        rarest.unwrap_or_default()
    }
}

fn bucket(gram: &[u8], size: usize) -> usize {
    let mix = |hash: u32, byte: &u8| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x9e37_79b1)
    };
    let hash = gram.iter().fold(0, mix);
    (hash >> 8) as usize & (size - 1)
}
