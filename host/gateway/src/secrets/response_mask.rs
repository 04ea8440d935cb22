//! Masks one response, also for values that its secrets get while it is under way.

use bytes::Bytes;

use super::mask::{MaskStream, Masker};
use super::values::SharedValues;

/// Masks a response of an origin to which some of the secrets go.
pub(crate) struct ResponseMask {
    values: SharedValues,
    /// For each secret whether it may come back from there.
    wanted: Vec<bool>,
    masker: Masker,
    stream: MaskStream,
    generation: u64,
}

impl ResponseMask {
    pub(super) fn new(values: SharedValues, wanted: Vec<bool>) -> Self {
        let (masker, generation) = values.lock().masker(|secret| wanted[secret]);
        Self {
            stream: masker.stream(),
            values,
            wanted,
            masker,
            generation,
        }
    }

    /// Masks a text that is complete, see [`Masker::mask_whole`].
    pub(crate) fn mask_whole(&self, bytes: &mut [u8]) {
        match self.is_present() {
            true => self.masker.mask_whole(bytes),
            false => self.present().0.mask_whole(bytes),
        };
    }

    /// Takes a piece of the body, see [`MaskStream::push`].
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        let before = self.follow();
        after(before, self.stream.push(piece))
    }

    /// Ends the body and returns the rest.
    pub(crate) fn finish(&mut self) -> Bytes {
        let before = self.follow();
        after(before, self.stream.finish())
    }

    /// The memory of what is held back.
    pub(crate) fn size(&self) -> usize {
        self.stream.size()
    }

    fn is_present(&self) -> bool {
        self.values.lock().generation() == self.generation
    }

    /// Masks with the values of now; with their generation.
    fn present(&self) -> (Masker, u64) {
        self.values.lock().masker(|secret| self.wanted[secret])
    }

    /// Goes on with the present values; returns what is no longer held back.
    fn follow(&mut self) -> Bytes {
        if self.is_present() {
            return Bytes::new();
        }
        (self.masker, self.generation) = self.present();
        self.stream.follow(&self.masker)
    }
}

fn after(before: Bytes, then: Bytes) -> Bytes {
    match before.is_empty() {
        true => then,
        false => [before, then].concat().into(),
    }
}
