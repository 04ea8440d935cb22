//! What is masked of the text that is held back, and how much has to be held back.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

use super::text::Text;

/// What stands in place of every masked byte.
pub(super) const MASK: u8 = b'*';
/// The most bytes that are held back, beside those of the window: as many for each of its
/// characters. No encoder writes one character as more, twice escaped or not.
const LEAST: u64 = 4096;
const PER_CHARACTER: u64 = 16;

/// The parts of the text that are masked.
#[derive(Default)]
pub(super) struct Held {
    /// In order, none touching another.
    masked: VecDeque<Range<u64>>,
    /// Parts that are masked whatever is in them.
    lost: Vec<Range<u64>>,
    /// Parts that an earlier search masked, in order.
    earlier: VecDeque<Range<u64>>,
    pub(super) has_masked: bool,
}

impl Held {
    /// Masks a run that ends last. It is merged with those that it touches, so that each byte is
    /// masked once however many occurrences overlap.
    pub(super) fn mask(&mut self, mut run: Range<u64>) {
        while let Some(last) = self.masked.pop_back() {
            if last.end < run.start {
                self.masked.push_back(last);
                break;
            }
            run.start = run.start.min(last.start);
        }
        self.has_masked = true;
        self.masked.push_back(run);
    }

    /// Masks a part because it cannot be held back any longer.
    pub(super) fn lose(&mut self, part: Range<u64>) {
        self.has_masked = true;
        match self.lost.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => self.lost.push(part),
        }
    }

    /// What is masked from a place on, which becomes the first one of another search.
    pub(super) fn from(self, start: u64) -> Self {
        let mut parts: Vec<_> = [self.masked, self.lost.into(), self.earlier]
            .into_iter()
            .flatten()
            .filter(|part| part.end > start)
            .map(|part| part.start.saturating_sub(start)..part.end - start)
            .collect();
        parts.sort_unstable_by_key(|part| part.start);
        Self {
            earlier: parts.into(),
            has_masked: self.has_masked,
            ..Self::default()
        }
    }

    /// Gives out the text up to a place.
    pub(super) fn give(&mut self, text: &mut Text, end: u64) -> Vec<u8> {
        if end <= text.start {
            return Vec::new();
        }
        let rest = text.bytes.split_off((end - text.start) as usize);
        let mut given = mem::replace(&mut text.bytes, rest);
        let start = mem::replace(&mut text.start, end);
        let mut fill = |run: &Range<u64>| {
            let end = run.end.min(end);
            given[(run.start - start) as usize..(end - start) as usize].fill(MASK);
        };
        self.lost.drain(..).for_each(|part| fill(&part));
        while let Some(mut run) = self.masked.pop_front_if(|run| run.start < end) {
            fill(&run);
            if run.end > end {
                run.start = end;
                self.masked.push_front(run);
                break;
            }
        }
        // These may overlap.
        self.earlier.retain_mut(|run| {
            if run.start < end {
                fill(run);
                run.start = end;
            }
            run.end > end
        });
        given
    }
}

/// The fewest characters up to each place, each escape being one, and from where on the text has
/// to be held back: an occurrence has at most so many as the window.
///
/// It depends on the escapes in the text and on nothing else: a guest that can have its own bytes
/// sent back would otherwise guess a value character by character.
pub(super) struct Ranks {
    window: u64,
    /// Places with their ranks, from each of which on every byte counts one, up to the next.
    known: VecDeque<(u64, u64)>,
    /// Ends of escapes further on, in order, with the ranks that they have at most.
    ahead: VecDeque<(u64, u64)>,
    place: u64,
    last: u64,
    now: u64,
    released: u64,
}

impl Ranks {
    pub(super) fn new(window: u64) -> Self {
        Self {
            window,
            known: VecDeque::from([(0, 0)]),
            ahead: VecDeque::new(),
            place: 0,
            last: 0,
            now: 0,
            released: 0,
        }
    }

    /// The rank of the byte that is being read.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The place up to which nothing is held back.
    pub(super) fn released(&self) -> u64 {
        self.released
    }

    /// Goes over bytes with which nothing begins, where nothing has begun.
    pub(super) fn skip(&mut self, mut count: u64) {
        while let Some((place, _)) = self.ahead.front().copied() {
            let before = place - self.place - 1;
            if count <= before {
                break;
            }
            self.place += before;
            self.now += before;
            self.step();
            self.settle();
            count -= before + 1;
        }
        self.place += count;
        self.now += count;
        self.hold(self.now);
    }

    /// Goes over one byte.
    pub(super) fn step(&mut self) {
        self.last = self.now;
        self.now += 1;
        self.place += 1;
        while let Some((_, rank)) = self.ahead.pop_front_if(|(place, _)| *place == self.place) {
            self.now = self.now.min(rank);
        }
    }

    /// An escape that begins with the next byte, and in which nothing can begin, ends after so many.
    pub(super) fn expect(&mut self, length: u64) {
        let end = self.place + length;
        let at = self.ahead.partition_point(|(other, _)| *other <= end);
        self.ahead.insert(at, (end, self.now + 1));
    }

    /// An escape that began at this rank ends behind the byte.
    pub(super) fn escape(&mut self, began: u64) {
        self.now = self.now.min(began + 1);
    }

    /// The byte has been read. Escapes that go on began at `began` at the earliest.
    pub(super) fn advance(&mut self, began: Option<u64>) {
        self.settle();
        self.hold(began.map_or(self.now, |began| began.min(self.now)));
    }

    fn settle(&mut self) {
        if self.now != self.last + 1 {
            self.known.push_back((self.place, self.now));
        }
    }

    /// Holds back what an occurrence can begin with that goes on from this rank or a later one.
    fn hold(&mut self, least: u64) {
        let ahead = self.ahead.iter().map(|(_, rank)| rank - 1);
        let least = ahead.fold(least, u64::min);
        let held = (least + 1).saturating_sub(self.window);
        while let Some((start, rank)) = self.known.front().copied() {
            let place = start.max(start + held.saturating_sub(rank));
            match self.known.get(1).copied() {
                Some((next, _)) if next <= place => {
                    self.known.pop_front();
                    self.released = self.released.max(next);
                }
                _ => {
                    self.released = self.released.max(place);
                    break;
                }
            }
        }
    }

    /// Everything before a place is given out.
    pub(super) fn release(&mut self, place: u64) {
        self.released = self.released.max(place);
    }

    /// The part that is not held back because it would be too much.
    pub(super) fn overflow(&mut self) -> Option<Range<u64>> {
        let most = LEAST + PER_CHARACTER * self.window;
        let end = self.place.saturating_sub(most);
        let start = self.released;
        (end > start).then(|| {
            self.released = end;
            start..end
        })
    }
}
