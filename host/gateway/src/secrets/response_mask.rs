//! Masks one response, also for values that its secrets get while it is under way.

use std::mem;

use bytes::Bytes;

use super::mask::{MaskStream, Masker};
use super::value::SecretValue;
use super::values::SharedValues;

/// Masks a response of an origin to which some of the secrets go.
pub(crate) struct ResponseMask {
    values: SharedValues,
    /// For each secret whether it may come back from there.
    wanted: Vec<bool>,
    /// The values that the request carried.
    carried: Vec<SecretValue>,
    /// Masks those, from when they were replaced so often that the others' masker lacks one. A
    /// program decides how often a callback is asked.
    own: Option<(Masker, MaskStream)>,
    masker: Masker,
    stream: MaskStream,
    generation: u64,
    /// What is no longer held back, and not given out yet.
    ready: Vec<u8>,
}

impl ResponseMask {
    pub(super) fn new(values: SharedValues, wanted: Vec<bool>, carried: Vec<SecretValue>) -> Self {
        let nothing = Masker::new(&[]);
        let mut mask = Self {
            values,
            wanted,
            carried,
            own: None,
            stream: nothing.stream(),
            masker: nothing,
            // No vault has this one.
            generation: 0,
            ready: Vec::new(),
        };
        mask.follow();
        mask
    }

    /// Masks a text that is complete, see [`Masker::mask_whole`].
    pub(crate) fn mask_whole(&mut self, bytes: &mut [u8]) {
        self.follow();
        if let Some((masker, _)) = &self.own {
            masker.mask_whole(bytes);
        }
        self.masker.mask_whole(bytes);
    }

    /// Takes a piece of the body, see [`MaskStream::push`].
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        self.follow();
        let piece = match &mut self.own {
            Some((_, own)) => own.push(piece),
            None => piece,
        };
        let given = self.stream.push(piece);
        self.after_ready(given)
    }

    /// Ends the body and returns the rest.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.follow();
        if let Some((_, own)) = &mut self.own {
            let rest = own.finish();
            let given = self.stream.push(rest);
            self.ready.extend_from_slice(&given);
        }
        let given = self.stream.finish();
        self.after_ready(given)
    }

    /// The memory of what is held back, and of the masker that only this response has.
    pub(crate) fn size(&self) -> usize {
        let bytes = self.carried.iter().map(|value| value.expose().len());
        let cost = Masker::cost(bytes.sum());
        let own = self.own.as_ref().map_or(0, |(_, own)| cost + own.size());
        own + self.stream.size() + self.ready.capacity()
    }

    /// Goes on with the present values, if they have changed.
    fn follow(&mut self) {
        let values = self.values.lock();
        if values.generation() == self.generation {
            return;
        }
        (self.masker, self.generation) = values.masker(|secret| self.wanted[secret]);
        let is_masked = |value| values.masks(value, |secret| self.wanted[secret]);
        let lacks_own = !self.carried.iter().all(is_masked);
        drop(values);
        let given = match lacks_own && self.own.is_none() {
            true => self.keep_own(),
            false => self.stream.follow(&self.masker),
        };
        self.ready.extend_from_slice(&given);
    }

    /// Masks the carried values apart from now on. What is held back goes through both searches.
    fn keep_own(&mut self) -> Bytes {
        let masker = Masker::new(&self.carried);
        let given = self.stream.follow(&masker);
        let own = mem::replace(&mut self.stream, self.masker.stream());
        self.own = Some((masker, own));
        self.stream.push(given)
    }

    fn after_ready(&mut self, given: Bytes) -> Bytes {
        if self.ready.is_empty() {
            return given;
        }
        let mut ready = mem::take(&mut self.ready);
        ready.extend_from_slice(&given);
        ready.into()
    }
}
