//! Masks the values of secrets in what comes back.

use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
use bytes::Bytes;

use super::SecretValue;
use super::variants::variants;

/// What stands in place of every masked byte.
const MASK: u8 = b'*';

/// Masks a set of values, in their usual encodings too. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Masker(Option<Arc<Patterns>>);

/// Masks a stream of chunks. See [`Masker::stream`].
pub(crate) struct MaskStream(Option<Streaming>);

/// All that is masked.
struct Patterns {
    automaton: NFA,
    /// Length of the longest pattern, in bytes.
    longest: usize,
    /// The automaton's state before any byte.
    start: StateID,
}

/// A stream in which there is something to mask.
struct Streaming {
    patterns: Arc<Patterns>,
    /// The automaton's state after the last byte of `held`.
    state: StateID,
    /// The bytes not given out, of which those of the occurrences so far are masked. The
    /// automaton has read them before: no occurrence is missed that overlaps a masked one.
    held: Vec<u8>,
}

impl Masker {
    /// A masker of these values; of none, it masks nothing and copies nothing.
    #[must_use]
    pub(crate) fn new(values: &[SecretValue]) -> Self {
        let patterns: BTreeSet<Vec<u8>> = values
            .iter()
            .flat_map(|value| variants(value.expose()))
            .collect();
        let Some(longest) = patterns.iter().map(Vec::len).max() else {
            return Self(None);
        };
        // No prefilter: the time that a search takes should not depend on the data.
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(patterns)
            .expect("values are short enough for 2^31 states");
        let start = automaton
            .start_state(Anchored::No)
            .expect("the search is unanchored");
        Self(Some(Arc::new(Patterns {
            automaton,
            longest,
            start,
        })))
    }

    /// Masks every byte of every occurrence in a text that is given out as one piece: the value
    /// of a header field, a reason phrase, an error text. Returns whether there was any.
    pub(crate) fn mask_whole(&self, bytes: &mut [u8]) -> bool {
        let Some(patterns) = &self.0 else {
            return false;
        };
        patterns.mask(patterns.start, bytes, 0).1
    }

    /// A new stream. What it gives out is, in all, what [`Masker::mask_whole`] would make of
    /// all that was pushed.
    ///
    /// How much it holds back depends on the lengths of the chunks and on the newlines in them,
    /// never on the likeness of the data to a value: a guest that can have its own bytes sent
    /// back would otherwise guess a value byte by byte.
    #[must_use]
    pub(crate) fn stream(&self) -> MaskStream {
        MaskStream(self.0.as_ref().map(|patterns| Streaming {
            patterns: Arc::clone(patterns),
            state: patterns.start,
            held: Vec::new(),
        }))
    }
}

impl MaskStream {
    /// Takes a chunk, and gives out all that no later byte can change: up to the last newline,
    /// as no value spans one, and up to one byte less than the longest pattern before the end.
    /// The result may be empty.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.0 {
            Some(streaming) => streaming.push(&chunk),
            None => chunk,
        }
    }

    /// Ends the stream: gives out the rest.
    pub(crate) fn finish(&mut self) -> Bytes {
        match &mut self.0 {
            Some(streaming) => {
                streaming.state = streaming.patterns.start;
                mem::take(&mut streaming.held).into()
            }
            None => Bytes::new(),
        }
    }
}

impl Streaming {
    /// See [`MaskStream::push`].
    fn push(&mut self, chunk: &[u8]) -> Bytes {
        let read = self.held.len();
        self.held.extend_from_slice(chunk);
        self.state = self.patterns.mask(self.state, &mut self.held, read).0;
        // What was held before has no newline.
        let newline = chunk.iter().rposition(|byte| *byte == b'\n');
        let line = newline.map_or(0, |at| read + at + 1);
        let given = line.max((self.held.len() + 1).saturating_sub(self.patterns.longest));
        if given == 0 {
            return Bytes::new();
        }
        let rest = self.held.split_off(given);
        mem::replace(&mut self.held, rest).into()
    }
}

impl Patterns {
    /// Reads the bytes from `from` on, in the state that those before it led to, and masks all
    /// occurrences that end there. Returns the state after the last byte, and whether there was
    /// any occurrence.
    fn mask(&self, mut state: StateID, bytes: &mut [u8], from: usize) -> (StateID, bool) {
        let mut runs = Vec::new();
        for (at, byte) in bytes.iter().enumerate().skip(from) {
            state = self.automaton.next_state(Anchored::No, state, *byte);
            if self.automaton.is_special(state) && self.automaton.is_match(state) {
                let end = at + 1;
                add(
                    &mut runs,
                    end.saturating_sub(self.longest_match(state))..end,
                );
            }
        }
        for run in &runs {
            bytes[run.clone()].fill(MASK);
        }
        (state, !runs.is_empty())
    }

    /// Length of the longest of the patterns that end where the automaton is in this state: the
    /// others are within it.
    fn longest_match(&self, state: StateID) -> usize {
        (0..self.automaton.match_len(state))
            .map(|index| {
                self.automaton
                    .pattern_len(self.automaton.match_pattern(state, index))
            })
            .max()
            .unwrap_or(0)
    }
}

/// Adds a run that ends last, merged with those that it touches, so that each byte is masked
/// once however many occurrences overlap.
fn add(runs: &mut Vec<Range<usize>>, mut run: Range<usize>) {
    while let Some(last) = runs.pop_if(|last| last.end >= run.start) {
        run.start = run.start.min(last.start);
    }
    runs.push(run);
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker(…)")
    }
}

impl fmt::Debug for MaskStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskStream(…)")
    }
}

#[cfg(test)]
mod tests;
