//! What values look like: as they are, reversed, and in base64.

use std::sync::Arc;

use super::automaton::{Automaton, START, Symbols};
use super::escape::{Escape, NOTHING, Step, hexadecimal};

/// A text that stands for a value.
pub(super) struct Needle {
    /// Whose value it is.
    pub(super) value: usize,
    symbols: Arc<[u8]>,
    /// One more symbol, of which the value decides a part only.
    tail: Option<u8>,
    /// The part that the value decides of the symbol before the first: these bits, under a mask.
    pub(super) head: Option<(u8, u8)>,
}

impl Needle {
    /// Whether these are its symbols.
    pub(super) fn is(&self, symbols: &[u8]) -> bool {
        self.tail.is_none() && *self.symbols == *symbols
    }
}

impl Symbols for Needle {
    fn len(&self) -> usize {
        self.symbols.len() + usize::from(self.tail.is_some())
    }

    fn at(&self, index: usize) -> u8 {
        match self.symbols.get(index) {
            Some(symbol) => *symbol,
            None => self.tail.unwrap_or_default(),
        }
    }
}

/// Texts to be found, and what finds where they end.
pub(super) struct Form {
    pub(super) needles: Vec<Needle>,
    pub(super) automaton: Automaton,
}

impl Form {
    fn new(needles: Vec<Needle>) -> Self {
        let automaton = Automaton::new(&needles);
        Self { needles, automaton }
    }
}

/// All that is masked.
pub(super) struct Forms {
    /// The values, and the values reversed, in bytes. Hexadecimal is looked for in these too.
    pub(super) plain: Form,
    /// Base64, in numbers from 0 to 63.
    pub(super) sixes: Form,
    /// The most characters that an occurrence is looked for in, each escape being one.
    pub(super) window: u64,
    /// For two bytes whether an occurrence or an escape may begin with them: a bit each.
    beginnings: Box<[u64; 1024]>,
    /// For each character whether an occurrence or an escape may begin with it as the character of
    /// an escape.
    starters: [bool; 256],
}

/// Characters that hexadecimal has for each of the value with a prefix and a separator: `0x61, `.
const WIDEST: usize = 6;

impl Forms {
    /// What these values look like; `None` if there are none.
    pub(super) fn new(values: &[&[u8]]) -> Option<Self> {
        let longest = values.iter().map(|value| value.len()).max()?;
        let plain = Form::new(values.iter().enumerate().flat_map(plain).collect());
        let sixes = values.iter().enumerate().flat_map(base64);
        let sixes = Form::new(sixes.collect());
        let mut forms = Self {
            plain,
            sixes,
            window: (longest * WIDEST) as u64,
            beginnings: Box::new([0; 1024]),
            starters: [false; 256],
        };
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                if forms.begins(first, second) {
                    let (word, bit) = place(first, second);
                    forms.beginnings[word] |= bit;
                }
            }
            forms.starters[usize::from(first)] = forms.starts(first);
        }
        Some(forms)
    }

    /// Whether an occurrence, or an escape, may begin with these bytes.
    pub(super) fn may_begin(&self, first: u8, second: u8) -> bool {
        let (word, bit) = place(first, second);
        self.beginnings[word] & bit != 0
    }

    /// How an escape ends that begins a text, if neither an occurrence nor another
    /// escape can begin with what it stands for; `None` also if more of the text has to be known.
    pub(super) fn harmless_escape(&self, text: &[u8]) -> Option<Ends> {
        let mut alive = [Escape::begun_by(text[0]), None, None, None];
        let mut ends = Ends::default();
        let is_plain = self.plain.automaton.next(START, text[0]) == START;
        let mut is_harmless = is_plain && alive[0].is_some();
        for (at, byte) in text.iter().enumerate().skip(1) {
            is_harmless &= Escape::begun_by(*byte).is_none();
            let (mut next, mut count) = ([None; 4], 0);
            for escape in alive.iter().flatten() {
                escape.step(*byte, |step| match step {
                    Step::More(escape) if count < next.len() => {
                        next[count] = Some(escape);
                        count += 1;
                    }
                    Step::More(_) => is_harmless = false,
                    Step::Is(character) => {
                        let is_noted = ends.add(at + 1, character);
                        is_harmless &= is_noted && !self.may_begin_with(character);
                    }
                });
            }
            if !is_harmless {
                return None;
            }
            if count == 0 {
                return Some(ends);
            }
            alive = next;
        }
        None
    }

    fn starts(&self, character: u8) -> bool {
        let six = sextet(character).map(|six| self.sixes.automaton.next(START, six));
        let is_plain = |character| self.plain.automaton.next(START, character) != START;
        Escape::begun_by(character).is_some()
            || is_plain(character)
            || character == b'+' && is_plain(b' ')
            || six.is_some_and(|state| state != START)
            || self.is_high(character)
    }

    /// Whether a value begins in hexadecimal with this digit.
    fn is_high(&self, digit: u8) -> bool {
        let digit = hexadecimal(digit);
        let mut values = self.plain.needles.iter();
        digit.is_some() && values.any(|value| digit == Some(value.at(0) >> 4))
    }

    /// Whether an occurrence or another escape may begin with the character of an escape.
    pub(super) fn may_begin_with(&self, character: u8) -> bool {
        self.starters[usize::from(character)]
    }

    fn begins(&self, first: u8, second: u8) -> bool {
        // Most newlines end whatever has begun: each is looked at.
        if first == b'\n' {
            return true;
        }
        let goes_on = Escape::begun_by(second).is_some() || second == NOTHING;
        if let Some(escape) = Escape::begun_by(first) {
            let mut is_step = goes_on;
            escape.step(second, |_| is_step = true);
            // The first character of a value, too.
            if is_step {
                return true;
            }
        }
        let starts = |form: &Form, first: u8, second: Option<u8>| {
            let state = form.automaton.next(START, first);
            let follows = |symbol| form.automaton.child(state, symbol).is_some();
            state != START && (goes_on || second.is_some_and(follows))
        };
        // A form has `+` for a space.
        let form = |byte| if byte == b'+' { b' ' } else { byte };
        let is_six = sextet(first).is_some_and(|first| {
            let is_broken = matches!(second, b'\r' | b'\n');
            let state = self.sixes.automaton.next(START, first);
            is_broken && state != START || starts(&self.sixes, first, sextet(second))
        });
        let is_pair = hexadecimal(first).is_some_and(|high| {
            let low = hexadecimal(second);
            goes_on && self.is_high(first)
                || low.is_some_and(|low| self.plain.automaton.next(START, high << 4 | low) != START)
        });
        let mut plain = [first, form(first)]
            .into_iter()
            .flat_map(|first| [(first, second), (first, form(second))]);
        let is_plain = plain.any(|(first, second)| starts(&self.plain, first, Some(second)));
        is_plain || is_six || is_pair
    }
}

/// A few lengths, and the characters that escapes of these lengths stand for.
#[derive(Default)]
pub(super) struct Ends {
    ends: [(usize, u8); 4],
    count: usize,
}

impl Ends {
    /// Adds one, if there is room.
    fn add(&mut self, length: usize, character: u8) -> bool {
        let Some(free) = self.ends.get_mut(self.count) else {
            return false;
        };
        *free = (length, character);
        self.count += 1;
        true
    }
}

impl IntoIterator for Ends {
    type Item = (usize, u8);
    type IntoIter = std::iter::Take<std::array::IntoIter<(usize, u8), 4>>;

    fn into_iter(self) -> Self::IntoIter {
        self.ends.into_iter().take(self.count)
    }
}

const fn place(first: u8, second: u8) -> (usize, u64) {
    let index = (first as usize) << 8 | second as usize;
    (index >> 6, 1 << (index & 63))
}

/// The value, forwards and backwards.
fn plain((index, value): (usize, &&[u8])) -> [Needle; 2] {
    let needle = |symbols: Arc<[u8]>| Needle {
        value: index,
        symbols,
        tail: None,
        head: None,
    };
    let reversed = value.iter().rev().copied().collect();
    [needle(Arc::from(*value)), needle(reversed)]
}

/// The value within the base64 text of anything that holds it, wherever it begins there. The first
/// and the last symbol may be shared with what stands beside it.
fn base64((index, value): (usize, &&[u8])) -> Vec<Needle> {
    let mut needles = Vec::new();
    for offset in 0..3 {
        let bytes: Vec<u8> = std::iter::repeat_n(0, offset)
            .chain(value.iter().copied())
            .collect();
        let (first, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
        let symbols: Arc<[u8]> = (first..end).map(|at| six(&bytes, at)).collect();
        let head = match offset {
            0 => None,
            1 => Some((0b00_1111, value[0] >> 4)),
            _ => Some((0b00_0011, value[0] >> 6)),
        };
        // The low bits of the last symbol are those of what follows.
        let shared = match bytes.len() % 3 {
            0 => 0,
            1 => 4,
            _ => 2,
        };
        let last = six(&bytes, end);
        let tails = (0..1u8 << shared)
            .filter(|_| shared != 0)
            .map(|low| Some(last | low));
        needles.extend(std::iter::once(None).chain(tails).map(|tail| Needle {
            value: index,
            symbols: Arc::clone(&symbols),
            tail,
            head,
        }));
    }
    needles
}

/// The six bits at `6 * at`; behind the bytes there are zeros.
fn six(bytes: &[u8], at: usize) -> u8 {
    let (byte, shift) = (at * 6 / 8, at * 6 % 8);
    let get = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
    let two = get(byte) << 8 | get(byte + 1);
    (two >> (10 - shift)) as u8 & 63
}

/// The number that a digit of base64 stands for, in its standard and its URL-safe alphabet
/// (RFC 4648, sections 4 and 5).
pub(super) const fn sextet(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
