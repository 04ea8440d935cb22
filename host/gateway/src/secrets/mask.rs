//! Masks the values of secrets in responses.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sandbox_net_egress::account::Reservation;

use super::SecretValue;
use super::matcher::{Matcher, Matching};

/// Masks a set of values in all of their encodings. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Masker {
    matcher: Option<Matcher>,
    /// The memory of its tables, if a guest decides how many there are.
    held: Option<Arc<Reservation>>,
}

/// Masks a stream of chunks. See [`Masker::stream`].
pub(crate) struct MaskStream(Option<Streaming>);

struct Streaming {
    matcher: Matcher,
    matching: Matching,
    _held: Option<Arc<Reservation>>,
}

/// What a masker takes at least: its tables of pairs of bytes, and of first symbols.
const LEAST: usize = 16 << 10;
/// What it takes for each byte of a value: six states with their numbers, and the symbols.
const PER_BYTE: usize = 160;

impl Masker {
    /// A masker of these values; without values it masks and copies nothing.
    #[must_use]
    pub(crate) fn new(values: &[SecretValue]) -> Self {
        let values: Vec<&[u8]> = values.iter().map(SecretValue::expose).collect();
        Self {
            matcher: Matcher::new(&values),
            held: None,
        }
    }

    /// About what a masker of values takes that have so many bytes in all.
    pub(crate) fn cost(bytes: usize) -> usize {
        LEAST + PER_BYTE * bytes
    }

    /// The same masker, with the memory that was reserved for it. It is given back when nothing
    /// masks with it any more.
    pub(crate) fn held_in(self, held: Option<Reservation>) -> Self {
        Self {
            held: held.map(Arc::new),
            ..self
        }
    }

    /// A masker of some of the values, by their indices.
    #[must_use]
    pub(crate) fn only(&self, is_wanted: impl Fn(usize) -> bool) -> Self {
        let matcher = self.matcher.as_ref();
        Self {
            matcher: matcher.and_then(|matcher| matcher.only(is_wanted)),
            held: self.held.clone(),
        }
    }

    /// Whether there is nothing to mask.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.matcher.is_none()
    }

    /// Masks every byte of every occurrence in a text that is complete: the value of a header
    /// field, a reason phrase, an error text. Returns whether there was any.
    pub(crate) fn mask_whole(&self, bytes: &mut [u8]) -> bool {
        let Some(matcher) = &self.matcher else {
            return false;
        };
        let mut matching = matcher.begin();
        let masked = [matching.push(bytes), matching.finish()].concat();
        bytes.copy_from_slice(&masked);
        matching.has_masked()
    }

    /// Starts a stream. Its total output is what [`Masker::mask_whole`] would make of all that was
    /// pushed.
    ///
    /// How much it holds back depends on the lengths of the chunks, and on the newlines and the
    /// escapes in them, never on the similarity of the data to a value. Otherwise a guest that can
    /// have its own bytes sent back could guess a value byte by byte.
    #[must_use]
    pub(crate) fn stream(&self) -> MaskStream {
        MaskStream(self.streaming())
    }

    fn streaming(&self) -> Option<Streaming> {
        let matcher = self.matcher.as_ref()?;
        Some(Streaming {
            matching: matcher.begin(),
            matcher: matcher.clone(),
            _held: self.held.clone(),
        })
    }
}

impl MaskStream {
    /// Takes a chunk, and returns all that no later byte can change: up to the last newline that
    /// ends its line for good, and up to six times the longest value before the end, counting each
    /// escape as one byte. The result may be empty.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.0 {
            Some(streaming) => streaming.matching.push(&chunk).into(),
            None => chunk,
        }
    }

    /// Goes on with the values of another masker, which may have been known to the text's author from
    /// now on. What is held back is searched for them again, and what was masked of it stays masked.
    /// Returns what is no longer held back.
    pub(crate) fn follow(&mut self, masker: &Masker) -> Bytes {
        // Without a value there is nothing to go on with: the former ones are masked on.
        let Some(mut next) = masker.streaming() else {
            return Bytes::new();
        };
        let Some(before) = self.0.take() else {
            self.0 = Some(next);
            return Bytes::new();
        };
        next.matching = before.matching;
        let given = next.matching.follow(&next.matcher);
        self.0 = Some(next);
        given.into()
    }

    /// The memory of what is held back.
    pub(crate) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |one| one.matching.size())
    }

    /// Ends the stream and returns the rest. The next chunk starts another one.
    pub(crate) fn finish(&mut self) -> Bytes {
        match &mut self.0 {
            Some(streaming) => {
                let rest = streaming.matching.finish();
                streaming.matching = streaming.matcher.begin();
                rest.into()
            }
            None => Bytes::new(),
        }
    }
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
