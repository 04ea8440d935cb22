//! The text that is held back, with all that its characters can be, and the way back through it.

use std::collections::VecDeque;

use super::automaton::Symbols;
use super::escape::hexadecimal;
use super::forms::{Needle, sextet};
use super::gaps::{Kind, goes_on};

/// A character that is written as an escape.
struct Escaped {
    from: u64,
    to: u64,
    character: u8,
}

/// Bytes of the text, by their places in it, and the escapes among them.
#[derive(Default)]
pub(super) struct Text {
    /// The place of the first byte.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) escapes: Escapes,
}

/// The escapes in a text, sorted by their ends.
#[derive(Default)]
pub(super) struct Escapes(VecDeque<Escaped>);

impl Escapes {
    /// Notes what an escape stands for. Those that end earlier come first.
    pub(super) fn note(&mut self, from: u64, to: u64, character: u8) {
        self.0.push_back(Escaped {
            from,
            to,
            character,
        });
    }

    /// The memory that they take.
    pub(super) fn size(&self) -> usize {
        self.0.capacity() * size_of::<Escaped>()
    }

    /// Forgets those that end before a place.
    pub(super) fn forget(&mut self, before: u64) {
        while self.0.front().is_some_and(|one| one.to <= before) {
            self.0.pop_front();
        }
    }

    /// The beginnings and the characters of those that end at a place.
    fn ending(&self, place: u64) -> impl Iterator<Item = (u64, u8)> {
        let start = self.0.partition_point(|escaped| escaped.to < place);
        let escaped = self.0.range(start..);
        let escaped = escaped.take_while(move |escaped| escaped.to == place);
        escaped.map(|escaped| (escaped.from, escaped.character))
    }
}

impl Text {
    /// The place behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The memory that it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity() + self.escapes.size()
    }

    /// Whether the newline at a place ends nothing: see [`goes_on`].
    pub(super) fn is_soft(&self, newline: u64) -> bool {
        let index = (newline - self.start) as usize;
        goes_on(&self.bytes[..index])
    }

    /// Where a needle that ends at `end` begins: of all readings of the text, the one that begins
    /// first. What is before `floor` does not count any more.
    pub(super) fn beginning(&self, kind: Kind, needle: &Needle, end: u64, floor: u64) -> u64 {
        if let Some(start) = self.literally(kind, needle, end, floor) {
            return start;
        }
        let walk = Walk {
            text: self,
            kind,
            floor,
        };
        let mut places = vec![end];
        let mut earlier = Vec::new();
        for index in (0..needle.len()).rev() {
            if index + 1 < needle.len() {
                walk.cross_gaps(&mut places);
            }
            earlier.clear();
            for place in &places {
                walk.cross(*place, needle.at(index), &mut earlier);
            }
            earlier.sort_unstable();
            earlier.dedup();
            std::mem::swap(&mut places, &mut earlier);
        }
        let core = places.first().copied();
        let Some((mask, bits)) = needle.head else {
            return core.unwrap_or(floor);
        };
        // The character before the first is shared with what stands before the value.
        walk.cross_gaps(&mut places);
        let is_head = |character: u8| sextet(character).is_some_and(|six| six & mask == bits);
        let heads = places.iter().flat_map(|place| walk.before(*place));
        let heads = heads.filter(|(_, character)| is_head(*character));
        heads
            .map(|(from, _)| from)
            .chain(core)
            .min()
            .unwrap_or(floor)
    }

    /// The same where the value stands there as it is, and nothing else can be meant.
    fn literally(&self, kind: Kind, needle: &Needle, end: u64, floor: u64) -> Option<u64> {
        let start = end.checked_sub(needle.len() as u64)?;
        let is_plain = self
            .escapes
            .0
            .back()
            .is_none_or(|escaped| escaped.to <= start);
        if kind != Kind::Plain || start < floor || !is_plain {
            return None;
        }
        let bytes = &self.bytes[(start - self.start) as usize..(end - self.start) as usize];
        needle.is(bytes).then_some(start)
    }
}

/// A way back through the text.
struct Walk<'a> {
    text: &'a Text,
    kind: Kind,
    floor: u64,
}

impl Walk<'_> {
    /// The characters that can end at a place, and where they begin.
    fn before(&self, place: u64) -> impl Iterator<Item = (u64, u8)> {
        let text = self.text;
        let literal = place.checked_sub(1).filter(|from| *from >= self.floor);
        let literal = literal.map(|from| (from, text.bytes[(from - text.start) as usize]));
        let literal = literal.filter(|(from, byte)| *byte != b'\n' || text.is_soft(*from));
        let escaped = text.escapes.ending(place);
        literal
            .into_iter()
            .chain(escaped.filter(|(from, _)| *from >= self.floor))
    }

    /// Adds where a symbol that ends at a place can begin.
    fn cross(&self, place: u64, symbol: u8, earlier: &mut Vec<u64>) {
        for (from, character) in self.before(place) {
            match self.kind {
                Kind::Plain if character == symbol => earlier.push(from),
                Kind::Plain if character == b'+' && symbol == b' ' => earlier.push(from),
                Kind::Sixes if sextet(character) == Some(symbol) => earlier.push(from),
                Kind::Pairs if hexadecimal(character) == Some(symbol & 15) => {
                    let highs = self.before(from);
                    let highs = highs.filter(|(_, high)| hexadecimal(*high) == Some(symbol >> 4));
                    earlier.extend(highs.map(|(from, _)| from));
                }
                _ => {}
            }
        }
    }

    /// Adds the places at which gaps begin that end at one of the places.
    fn cross_gaps(&self, places: &mut Vec<u64>) {
        let mut queue: Vec<(u64, u8)> = places.iter().map(|place| (*place, 0)).collect();
        let mut seen = places.clone();
        let longest = self.kind.longest_gap();
        let mut next = 0;
        while let Some((place, length)) = queue.get(next).copied() {
            next += 1;
            for (mut from, character) in self.before(place) {
                let mut length = length + 1;
                let is_prefix = self.kind == Kind::Pairs && matches!(character, b'x' | b'X');
                if is_prefix {
                    let Some((zero, _)) = self.before(from).find(|(_, zero)| *zero == b'0') else {
                        continue;
                    };
                    (from, length) = (zero, length + 1);
                }
                let is_gap = is_prefix || self.kind.is_gap(character, false);
                if !is_gap || length > longest || seen.contains(&from) {
                    continue;
                }
                seen.push(from);
                queue.push((from, length));
                if is_prefix || self.kind.is_gap(character, true) {
                    places.push(from);
                }
            }
        }
    }
}
