//! Finds values in a text that comes in pieces, and masks them: as they are, reversed, in
//! hexadecimal with or without separators, and in base64 of either alphabet, wherever they begin in
//! it, cut into lines or not. In each of these, every character may be written in any way that
//! encoders have for it ([`escape`]), and the characters of such an escape may be escaped once more.
//!
//! `aho-corasick` finds plain texts only: no crate finds a value in all of these forms in a text that streams.
//!
//! How much of a text is held back, and what is given out at a newline, depends on the text's length
//! and its escapes alone, and never on a value.
//!
//! These modules use the standard library only: the fuzz target compiles them too.

mod automaton;
mod escape;
mod forms;
mod gaps;
mod held;
mod live;
mod names;
mod search;
mod text;

use std::sync::Arc;

use forms::Forms;
use search::Search;

/// Masks a set of values. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Matcher {
    forms: Arc<Forms>,
    /// For each value whether it is masked.
    wanted: Arc<[bool]>,
}

/// Masks one text that comes in pieces.
pub(crate) struct Matching(Search);

impl Matcher {
    /// A matcher of these values, none of which may be empty; `None` if there are none.
    pub(crate) fn new(values: &[&[u8]]) -> Option<Self> {
        Some(Self {
            forms: Arc::new(Forms::new(values)?),
            wanted: values.iter().map(|_| true).collect(),
        })
    }

    /// The memory of its tables, which grow with the values.
    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.forms.plain.automaton.size() + self.forms.sixes.automaton.size()
    }

    /// A matcher of some of the values, by their indices; `None` if there are none left.
    pub(crate) fn only(&self, is_wanted: impl Fn(usize) -> bool) -> Option<Self> {
        let wanted: Arc<[bool]> = (0..self.wanted.len()).map(is_wanted).collect();
        let forms = Arc::clone(&self.forms);
        wanted.contains(&true).then_some(Self { forms, wanted })
    }

    /// Begins with a text.
    pub(crate) fn begin(&self) -> Matching {
        let (forms, wanted) = (Arc::clone(&self.forms), Arc::clone(&self.wanted));
        Matching(Search::new(forms, wanted))
    }
}

impl Matching {
    /// Takes the next piece of the text, and gives out all that no later piece can change. The
    /// result may be empty.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.0.push(piece)
    }

    /// Goes on with another matcher's values. What is held back is searched again, and what was
    /// masked of it stays masked. Gives out what those do not hold back.
    pub(crate) fn follow(&mut self, matcher: &Matcher) -> Vec<u8> {
        let (forms, wanted) = (Arc::clone(&matcher.forms), Arc::clone(&matcher.wanted));
        self.0.follow(forms, wanted)
    }

    /// Ends the text: gives out the rest. Nothing can be pushed any more.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.0.finish()
    }

    /// The memory that is taken by what is held back.
    pub(crate) fn size(&self) -> usize {
        self.0.size()
    }

    /// Whether anything has been masked.
    pub(crate) fn has_masked(&self) -> bool {
        self.0.has_found()
    }

    /// Bytes that are held back.
    #[cfg(test)]
    pub(crate) fn holds(&self) -> &[u8] {
        self.0.holds()
    }
}

#[cfg(test)]
mod tests;
