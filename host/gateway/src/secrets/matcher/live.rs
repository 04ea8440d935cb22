//! The beginnings of values that end at one place of the text.

use super::automaton::START;
use super::escape::hexadecimal;
use super::forms::{Form, Forms, sextet};
use super::gaps::Kind;

/// A beginning that has been read, as a state of an automaton.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Live {
    state: u32,
    /// How many characters of a gap followed.
    gap: u8,
}

/// A beginning in hexadecimal, and one digit more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Half {
    live: Live,
    high: u8,
}

/// All beginnings that end at one place, however the text before it is read. One that is only the
/// end of another is left out: what it leads to, the other does too.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginnings {
    plain: Vec<Live>,
    sixes: Vec<Live>,
    pairs: Vec<Live>,
    halves: Vec<Half>,
}

impl Beginnings {
    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty()
            && self.sixes.is_empty()
            && self.pairs.is_empty()
            && self.halves.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.sixes.clear();
        self.pairs.clear();
        self.halves.clear();
    }

    /// Whether there is nothing but what the last byte alone can have begun.
    pub(super) fn are_of_one_byte(&self, forms: &Forms) -> bool {
        let is_short = |lives: &[Live], form: &Form| {
            let last = form.automaton.level_one();
            lives.iter().all(|live| live.state <= last && live.gap == 0)
        };
        self.pairs.is_empty()
            && self.halves.iter().all(|half| half.live.state == START)
            && is_short(&self.plain, &forms.plain)
            && is_short(&self.sixes, &forms.sixes)
    }

    /// Adds what these beginnings become with one more character to `after`, and tells the needle
    /// of each text that ends with it.
    pub(super) fn read(
        &self,
        forms: &Forms,
        character: u8,
        after: &mut Beginnings,
        mut found: impl FnMut(Kind, usize),
    ) {
        let plain = Reader {
            form: &forms.plain,
            kind: Kind::Plain,
        };
        plain.read(&self.plain, character, &mut after.plain, &mut found);
        if character == b'+' {
            plain.read(&self.plain, b' ', &mut after.plain, &mut found);
        }
        plain.gap(&self.plain, character, &mut after.plain);
        let sixes = Reader {
            form: &forms.sixes,
            kind: Kind::Sixes,
        };
        match sextet(character) {
            Some(six) => sixes.read(&self.sixes, six, &mut after.sixes, &mut found),
            None => sixes.gap(&self.sixes, character, &mut after.sixes),
        }
        self.read_digit(forms, character, after, &mut found);
    }

    /// The same in hexadecimal.
    fn read_digit(
        &self,
        forms: &Forms,
        character: u8,
        after: &mut Beginnings,
        found: &mut impl FnMut(Kind, usize),
    ) {
        let pairs = Reader {
            form: &forms.plain,
            kind: Kind::Pairs,
        };
        let Some(digit) = hexadecimal(character) else {
            pairs.gap(&self.pairs, character, &mut after.pairs);
            // `0x` stands before the digits.
            for Half { live, high } in &self.halves {
                let live = Live {
                    state: live.state,
                    gap: live.gap + 2,
                };
                let is_prefix = *high == 0 && matches!(character, b'x' | b'X');
                if is_prefix && live.gap <= Kind::Pairs.longest_gap() {
                    pairs.insert(live, &mut after.pairs);
                }
            }
            return;
        };
        for half in &self.halves {
            pairs.read(
                &[half.live],
                half.high << 4 | digit,
                &mut after.pairs,
                found,
            );
        }
        // All characters of values are below 128.
        if digit >= 8 {
            return;
        }
        let start = [Live {
            state: START,
            gap: 0,
        }];
        let lives = if self.pairs.is_empty() {
            &start[..]
        } else {
            &self.pairs
        };
        for live in lives {
            let half = Half {
                live: *live,
                high: digit,
            };
            if !after.halves.contains(&half) {
                after.halves.push(half);
            }
        }
    }
}

/// One kind of text, and what finds it.
struct Reader<'a> {
    form: &'a Form,
    kind: Kind,
}

impl Reader<'_> {
    /// Reads one more symbol.
    fn read(
        &self,
        lives: &[Live],
        symbol: u8,
        after: &mut Vec<Live>,
        found: &mut impl FnMut(Kind, usize),
    ) {
        let start = [Live {
            state: START,
            gap: 0,
        }];
        let lives = if lives.is_empty() { &start[..] } else { lives };
        for live in lives {
            let state = self.form.automaton.next(live.state, symbol);
            self.form
                .automaton
                .found(state)
                .for_each(|needle| found(self.kind, needle));
            self.insert(Live { state, gap: 0 }, after);
        }
    }

    /// Reads a character of a gap.
    fn gap(&self, lives: &[Live], character: u8, after: &mut Vec<Live>) {
        for live in lives {
            let is_longer = live.gap < self.kind.longest_gap();
            if is_longer && self.kind.is_gap(character, live.gap == 0) {
                let gap = live.gap + 1;
                self.insert(
                    Live {
                        state: live.state,
                        gap,
                    },
                    after,
                );
            }
        }
    }

    /// Adds a beginning, unless it is within another; what is within it goes.
    fn insert(&self, live: Live, lives: &mut Vec<Live>) {
        let covers = |one: &Live, other: &Live| {
            // What may follow depends on whether a gap has begun.
            let is_freer = one.gap <= other.gap && (one.gap == 0) == (other.gap == 0);
            is_freer && self.form.automaton.covers(one.state, other.state)
        };
        if live.state == START || lives.iter().any(|other| covers(other, &live)) {
            return;
        }
        lives.retain(|other| !covers(&live, other));
        lives.push(live);
    }
}
