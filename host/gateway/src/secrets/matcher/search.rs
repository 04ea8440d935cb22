//! Looks for values in a text that comes in pieces, whatever its characters are written as.
//!
//! The text is read as all that it can mean at once: each character by itself, as an escape, or as
//! an escape whose own characters are escaped. At every place there are the beginnings of values
//! that end there ([`Beginnings`]) and the escapes that have begun ([`Pending`]). Where a value
//! ends, the text is gone through backwards for its first character.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use super::escape::{Escape, Step};
use super::forms::Forms;
use super::gaps::Kind;
use super::held::{Held, Ranks};
use super::live::Beginnings;
use super::text::Text;

/// A place at which an escape began, and what had been read there.
#[derive(Clone)]
struct Base {
    place: u64,
    rank: u64,
    /// `None` if there was nothing.
    beginnings: Option<Arc<Beginnings>>,
}

/// An escape within which another one may begin.
#[derive(Clone)]
struct Around {
    escape: Escape,
    base: Base,
}

/// An escape that has begun.
#[derive(Clone)]
struct Pending {
    escape: Escape,
    base: Base,
    /// The least rank at which one began that this one is a part of.
    least: u64,
    /// Whether some of its own characters are escaped.
    is_inner: bool,
    /// Otherwise the escapes that had begun where this one did: its character may be one of theirs.
    around: Option<Arc<[Around]>>,
}

/// What is known at one place of the text.
#[derive(Default)]
struct Front {
    beginnings: Beginnings,
    pending: Vec<Pending>,
}

/// A search in one text.
pub(super) struct Search {
    forms: Arc<Forms>,
    /// For each value whether it is looked for.
    wanted: Arc<[bool]>,
    text: Text,
    held: Held,
    ranks: Ranks,
    /// The place of the next byte that is read, and what is known there.
    place: u64,
    front: Front,
    spare: Front,
    /// Whether something may begin with an escape that has just ended.
    is_escaped: bool,
    /// Escapes that have just ended.
    ended: Vec<(Pending, u8)>,
    /// Texts that have just ended.
    found: Vec<(Kind, usize)>,
}

impl Search {
    pub(super) fn new(forms: Arc<Forms>, wanted: Arc<[bool]>) -> Self {
        Self {
            ranks: Ranks::new(forms.window),
            forms,
            wanted,
            text: Text::default(),
            held: Held::default(),
            place: 0,
            front: Front::default(),
            spare: Front::default(),
            is_escaped: false,
            ended: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Reads a piece, and gives out all of the text that no later piece can change, masked.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.text.bytes.extend_from_slice(piece);
        let end = self.text.end();
        while self.place < end {
            if self.front.is_idle() {
                self.skip();
            }
            self.step();
            if !self.is_escaped && self.front.pending.is_empty() {
                self.drop_short();
            }
        }
        self.text.escapes.forget(self.ranks.released());
        self.held.give(&mut self.text, self.ranks.released())
    }

    /// Goes on with other values from what is held back, in which an occurrence of one may have
    /// begun.
    pub(super) fn follow(&mut self, forms: Arc<Forms>, wanted: Arc<[bool]>) -> Vec<u8> {
        let before = mem::replace(self, Self::new(forms, wanted));
        self.held = before.held.from(before.text.start);
        self.push(&before.text.bytes)
    }

    /// Gives out the rest.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let end = self.text.end();
        self.held.give(&mut self.text, end)
    }

    /// The memory that the text takes which is held back.
    pub(super) fn size(&self) -> usize {
        self.text.size()
    }

    /// Whether something was masked so far.
    pub(super) fn has_found(&self) -> bool {
        self.held.has_masked
    }

    /// Bytes that are held back.
    #[cfg(test)]
    pub(super) fn holds(&self) -> &[u8] {
        &self.text.bytes
    }

    /// Goes on to the next byte with which an occurrence may begin, at most to the last one.
    fn skip(&mut self) {
        let (bytes, start) = (&self.text.bytes, self.text.start);
        let mut passed = (self.place - start) as usize;
        let mut at = passed;
        while at + 1 < bytes.len() {
            if self.forms.may_begin(bytes[at], bytes[at + 1]) {
                let Some(ends) = self.forms.harmless_escape(&bytes[at..]) else {
                    break;
                };
                self.ranks.skip((at - passed) as u64);
                passed = at;
                for (length, character) in ends {
                    self.ranks.expect(length as u64);
                    let place = start + at as u64;
                    self.text
                        .escapes
                        .note(place, place + length as u64, character);
                }
            }
            at += 1;
        }
        self.ranks.skip((at - passed) as u64);
        self.place = start + at as u64;
    }

    /// Drops beginnings of one character which the next byte does not go on with.
    fn drop_short(&mut self) {
        let at = (self.place - self.text.start) as usize;
        let (last, next) = (self.text.bytes[at - 1], self.text.bytes.get(at));
        let is_over = next.is_some_and(|next| !self.forms.may_begin(last, *next));
        if is_over && self.front.beginnings.are_of_one_byte(&self.forms) {
            self.front.clear();
        }
    }

    /// Reads one byte.
    fn step(&mut self) {
        let byte = self.text.bytes[(self.place - self.text.start) as usize];
        self.ended.clear();
        self.is_escaped = false;
        self.ranks.step();
        if byte == b'\n' && !self.text.is_soft(self.place) {
            self.front.clear();
            self.place += 1;
            self.ranks.advance(None);
            self.ranks.release(self.place);
            return;
        }
        let front = mem::replace(&mut self.front, mem::take(&mut self.spare));
        self.read(&front, byte);
        self.place += 1;
        let ended = mem::take(&mut self.ended);
        for (pending, character) in &ended {
            self.read_escaped(pending, *character);
        }
        self.ended = ended;
        self.mask();
        let bases = self.front.pending.iter().map(|pending| pending.least);
        self.ranks.advance(bases.min());
        if let Some(lost) = self.ranks.overflow() {
            self.held.lose(lost);
        }
        self.text.escapes.forget(self.ranks.released());
        self.spare = front;
        self.spare.clear();
    }

    /// Reads a byte as it is.
    fn read(&mut self, front: &Front, byte: u8) {
        let found = &mut self.found;
        let after = &mut self.front;
        let tell = |kind, needle| found.push((kind, needle));
        front
            .beginnings
            .read(&self.forms, byte, &mut after.beginnings, tell);
        for pending in &front.pending {
            pending.escape.step(byte, |step| match step {
                Step::More(escape) => after.add(Pending {
                    escape,
                    ..pending.clone()
                }),
                Step::Is(character) => self.ended.push((pending.clone(), character)),
            });
        }
        if let Some(escape) = Escape::begun_by(byte) {
            let around = front.pending.iter().map(|pending| Around {
                escape: pending.escape,
                base: pending.base.clone(),
            });
            let is_known = !front.beginnings.is_empty();
            let is_within = !front.pending.is_empty();
            let least = front.pending.iter().map(|pending| pending.least);
            after.add(Pending {
                escape,
                is_inner: false,
                least: least.fold(self.ranks.last(), u64::min),
                around: is_within.then(|| around.collect()),
                base: Base {
                    place: self.place,
                    rank: self.ranks.last(),
                    beginnings: is_known.then(|| Arc::new(front.beginnings.clone())),
                },
            });
        }
    }

    /// Reads the character of an escape that ends here: as it is, and as one of another escape.
    fn read_escaped(&mut self, pending: &Pending, character: u8) {
        self.read_from(&pending.base, character);
        if pending.is_inner {
            return;
        }
        let around = pending.around.as_deref().unwrap_or_default();
        let within = |escape, base: &Base| Pending {
            escape,
            base: base.clone(),
            least: base.rank,
            is_inner: true,
            around: None,
        };
        for Around { escape, base } in around {
            escape.step(character, |step| match step {
                Step::More(escape) => self.front.add(within(escape, base)),
                Step::Is(character) => self.read_from(base, character),
            });
        }
        if let Some(escape) = Escape::begun_by(character) {
            self.front.add(within(escape, &pending.base));
        }
    }

    /// Reads a character that began at `base` and ends here.
    fn read_from(&mut self, base: &Base, character: u8) {
        self.text.escapes.note(base.place, self.place, character);
        self.ranks.escape(base.rank);
        self.is_escaped |= self.forms.may_begin_with(character);
        let found = &mut self.found;
        let tell = |kind, needle| found.push((kind, needle));
        let nothing = Beginnings::default();
        let beginnings = base.beginnings.as_deref().unwrap_or(&nothing);
        beginnings.read(&self.forms, character, &mut self.front.beginnings, tell);
    }

    /// Masks the texts that end here.
    fn mask(&mut self) {
        self.found
            .sort_unstable_by_key(|(kind, needle)| (*kind as u8, *needle));
        self.found.dedup();
        for (kind, needle) in self.found.drain(..) {
            let form = match kind {
                Kind::Sixes => &self.forms.sixes,
                Kind::Plain | Kind::Pairs => &self.forms.plain,
            };
            let needle = &form.needles[needle];
            if self.wanted[needle.value] {
                let floor = self.ranks.released();
                let start = self.text.beginning(kind, needle, self.place, floor);
                let run: Range<u64> = start..self.place;
                self.held.mask(run);
            }
        }
    }
}

impl Front {
    /// Whether nothing has begun here.
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.beginnings.is_empty()
    }

    fn clear(&mut self) {
        self.beginnings.clear();
        self.pending.clear();
    }

    /// Adds an escape, unless it is there.
    fn add(&mut self, new: Pending) {
        let is_same = |one: &Pending| {
            one.escape == new.escape
                && one.base.place == new.base.place
                && one.is_inner == new.is_inner
        };
        if !self.pending.iter().any(is_same) {
            self.pending.push(new);
        }
    }
}
