//! A second reading of the matcher's documentation, which tries everything at every place.

use std::collections::BTreeSet;

/// Whether each byte of a text must be masked, and whether it may be: occurrences in more characters
/// than the matcher's window are optional.
pub struct Expected {
    pub must: Vec<bool>,
    pub may: Vec<bool>,
}

/// Ends of escapes, with the characters that they mean.
type Read = BTreeSet<(usize, u8)>;
/// Places, with the characters before them.
type Places = BTreeSet<(usize, usize)>;

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Plain,
    Base64,
    Hex,
}

struct Text<'a> {
    bytes: &'a [u8],
    /// What can begin at each place.
    read: Vec<Read>,
    window: usize,
}

pub fn read(value: &[u8], bytes: &[u8]) -> Expected {
    let plain: Vec<Read> = (0..bytes.len()).map(|at| literal(bytes, at)).collect();
    let read = escaped(&escaped(&plain, &plain), &plain);
    let text = Text {
        bytes,
        read,
        window: value.len() * 6,
    };
    let mut expected = Expected {
        must: vec![false; bytes.len()],
        may: vec![false; bytes.len()],
    };
    let reversed: Vec<u8> = value.iter().rev().copied().collect();
    for start in 0..bytes.len() {
        for value in [value, &reversed] {
            text.find(Kind::Plain, start, &accepting(value), &mut expected);
            let digits = value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let digits: Vec<Vec<u8>> = digits.map(|digit| vec![digit]).collect();
            text.find(Kind::Hex, start, &digits, &mut expected);
        }
        for offset in 0..3 {
            let sixes = sixes(value, offset);
            let first = usize::from(sixes[0].len() != 1);
            let last = sixes.len() - usize::from(sixes[sixes.len() - 1].len() != 1);
            // With and without the characters that are merged with their neighbours.
            for from in [0, first] {
                for to in [sixes.len(), last] {
                    text.find(Kind::Base64, start, &sixes[from..to], &mut expected);
                }
            }
        }
    }
    expected
}

fn accepting(value: &[u8]) -> Vec<Vec<u8>> {
    value.iter().map(|byte| vec![*byte]).collect()
}

/// The base64 digits that a value can contribute, some bytes from the start.
fn sixes(value: &[u8], offset: usize) -> Vec<Vec<u8>> {
    let known = |bit: usize| -> Option<bool> {
        let bit = bit.checked_sub(offset * 8)?;
        value
            .get(bit / 8)
            .map(|byte| byte >> (7 - bit % 8) & 1 == 1)
    };
    let first = offset * 8 / 6;
    let end = ((offset + value.len()) * 8).div_ceil(6);
    let digit = |at: usize| -> Vec<u8> {
        let fits = |six: &u8| {
            (0..6)
                .all(|bit| known(at * 6 + bit).is_none_or(|one| (six >> (5 - bit) & 1 == 1) == one))
        };
        (0..64).filter(fits).collect()
    };
    (first..end).map(digit).collect()
}

impl Text<'_> {
    /// Marks the occurrences of a text that begin at a place.
    fn find(&self, kind: Kind, start: usize, symbols: &[Vec<u8>], expected: &mut Expected) {
        let mut places = Places::from([(start, 0)]);
        for (index, symbol) in symbols.iter().enumerate() {
            let is_between = match kind {
                Kind::Hex => index % 2 == 0,
                _ => true,
            };
            if index > 0 && is_between {
                places = places
                    .iter()
                    .flat_map(|place| self.gaps(kind, *place))
                    .collect();
            }
            places = places
                .iter()
                .flat_map(|place| self.symbol(kind, *place, symbol))
                .collect();
        }
        for (end, cost) in places {
            expected.may[start..end].fill(true);
            if cost <= self.window {
                expected.must[start..end].fill(true);
            }
        }
    }

    fn symbol(&self, kind: Kind, (at, cost): (usize, usize), symbol: &[u8]) -> Places {
        let fits = |character: u8| match kind {
            Kind::Plain => symbol.contains(&character) || character == b'+' && symbol == b" ",
            Kind::Base64 => six(character).is_some_and(|six| symbol.contains(&six)),
            Kind::Hex => {
                let digit = char::from(character).to_digit(16);
                digit.is_some_and(|digit| symbol.contains(&(digit as u8)))
            }
        };
        let read = self.read.get(at).into_iter().flatten();
        let fitting = read.filter(|(_, character)| fits(*character));
        fitting.map(|(end, _)| (*end, cost + 1)).collect()
    }

    /// A place, and those that gaps lead to from there.
    fn gaps(&self, kind: Kind, place: (usize, usize)) -> Places {
        let mut places = Places::from([place]);
        let mut now = BTreeSet::from([(place.0, 0)]);
        let longest = match kind {
            Kind::Plain => 3,
            Kind::Base64 => 20,
            Kind::Hex => 4,
        };
        while let Some((at, length)) = now.pop_first() {
            for (end, character) in self.read.get(at).into_iter().flatten() {
                let next = match (kind, character) {
                    (_, 0) => vec![(*end, length + 1)],
                    (Kind::Base64, b'\r' | b'\n') => vec![(*end, length + 1)],
                    (Kind::Base64, b' ' | b'\t') if length > 0 => vec![(*end, length + 1)],
                    (Kind::Hex, c) if b" :-,_.\r\n\t".contains(c) => vec![(*end, length + 1)],
                    (Kind::Hex, b'0') => {
                        let x = self.read.get(*end).into_iter().flatten();
                        let x = x.filter(|(_, x)| matches!(x, b'x' | b'X'));
                        x.map(|(end, _)| (*end, length + 2)).collect()
                    }
                    _ => Vec::new(),
                };
                for (end, length) in next {
                    if length <= longest {
                        places.insert((end, place.1 + length));
                        now.insert((end, length));
                    }
                }
            }
        }
        places
    }
}

fn six(character: u8) -> Option<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let character = match character {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    DIGITS
        .iter()
        .position(|digit| *digit == character)
        .map(|at| at as u8)
}

/// The literal character at a place.
fn literal(bytes: &[u8], at: usize) -> Read {
    match bytes[at] == b'\n' && ends_line(&bytes[..at]) {
        true => Read::new(),
        false => Read::from([(at + 1, bytes[at])]),
    }
}

/// The possible meanings of characters written as in `inner`: literal, or escaped.
fn escaped(inner: &[Read], plain: &[Read]) -> Vec<Read> {
    let next = |at: usize| inner.get(at).cloned().unwrap_or_default();
    let mut all = plain.to_vec();
    for (at, read) in all.iter_mut().enumerate() {
        for (end, character) in &inner[at] {
            escapes(&next, *character, *end, read);
        }
    }
    all
}

/// Whether the value ends before a newline.
fn ends_line(before: &[u8]) -> bool {
    let mut line = before;
    if let [start @ .., b'\r'] = line {
        line = start;
    }
    if line.last() == Some(&b'=') {
        return false;
    }
    if line.len() < 16 {
        return true;
    }
    let end = &line[line.len() - 16..];
    let is_base64 = |c: &u8| c.is_ascii_alphanumeric() || b"+/=-_%&#;\\".contains(c);
    let is_hex = |c: &u8| c.is_ascii_hexdigit() || b"xX:-,_. \t".contains(c);
    !end.iter().all(is_base64) && !end.iter().all(is_hex)
}

/// Adds the escapes that a character begins.
fn escapes(next: &dyn Fn(usize) -> Read, character: u8, at: usize, read: &mut Read) {
    match character {
        b'%' => {
            numbers(next, at, 16, (2, 2), read);
            for (end, u) in next(at) {
                if matches!(u, b'u' | b'U') {
                    numbers(next, end, 16, (4, 4), read);
                }
            }
        }
        b'=' => {
            numbers(next, at, 16, (2, 2), read);
            for (end, c) in next(at) {
                match c {
                    b'\n' => drop(read.insert((end, 0))),
                    b'\r' => {
                        let feeds = next(end).into_iter().filter(|(_, c)| *c == b'\n');
                        read.extend(feeds.map(|(end, _)| (end, 0)));
                    }
                    _ => {}
                }
            }
        }
        b'\\' => backslash(next, at, read),
        b'&' => reference(next, at, read),
        _ => {}
    }
}

fn backslash(next: &dyn Fn(usize) -> Read, at: usize, read: &mut Read) {
    numbers(next, at, 8, (1, 3), read);
    numbers(next, at, 16, (1, 6), read);
    let mut spaced = Read::new();
    numbers(next, at, 16, (1, 6), &mut spaced);
    for (end, character) in spaced {
        let spaces = next(end)
            .into_iter()
            .filter(|(_, c)| matches!(c, b' ' | b'\t'));
        read.extend(spaces.map(|(end, _)| (end, character)));
    }
    for (end, letter) in next(at) {
        let width = match letter {
            b'u' => 4,
            b'U' => 8,
            b'x' | b'X' => 2,
            _ => 0,
        };
        if width > 0 {
            numbers(next, end, 16, (width, width), read);
        }
        if matches!(letter, b'u' | b'x') {
            for (end, _) in next(end).into_iter().filter(|(_, c)| *c == b'{') {
                let mut braced = Read::new();
                // Zeros alone mean no character, so no `}` is needed after them.
                numbers(next, end, 16, (1, usize::MAX), &mut braced);
                for (end, character) in braced {
                    let closing = next(end).into_iter().filter(|(_, c)| *c == b'}');
                    read.extend(closing.map(|(end, _)| (end, character)));
                }
            }
        }
        let short = match letter {
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            b' '..=b'~' if !letter.is_ascii_alphanumeric() => Some(letter),
            _ => None,
        };
        read.extend(short.map(|character| (end, character)));
    }
}

fn reference(next: &dyn Fn(usize) -> Read, at: usize, read: &mut Read) {
    for (at, _) in next(at).into_iter().filter(|(_, c)| *c == b'#') {
        let mut numeric = Read::new();
        numbers(next, at, 10, (1, usize::MAX), &mut numeric);
        for (at, _) in next(at)
            .into_iter()
            .filter(|(_, c)| matches!(c, b'x' | b'X'))
        {
            numbers(next, at, 16, (1, usize::MAX), &mut numeric);
        }
        for (end, character) in numeric {
            read.insert((end, character));
            let ended = next(end).into_iter().filter(|(_, c)| *c == b';');
            read.extend(ended.map(|(end, _)| (end, character)));
        }
    }
    for (name, character) in NAMES {
        if next(at).iter().all(|(_, c)| *c != name.as_bytes()[0]) {
            continue;
        }
        let mut places = BTreeSet::from([at]);
        for letter in name.bytes() {
            let following = places.iter().flat_map(|place| next(*place));
            let fitting = following.filter(|(_, c)| *c == letter);
            places = fitting.map(|(end, _)| end).collect();
        }
        let is_old = matches!(
            *name,
            "amp" | "AMP" | "lt" | "LT" | "gt" | "GT" | "quot" | "QUOT" | "nbsp"
        );
        for place in places {
            if is_old {
                read.insert((place, *character as u8));
            }
            let ended = next(place).into_iter().filter(|(_, c)| *c == b';');
            read.extend(ended.map(|(end, _)| (end, *character as u8)));
        }
    }
}

/// Adds the characters whose numbers begin at a place, with this many digits.
fn numbers(
    next: &dyn Fn(usize) -> Read,
    at: usize,
    base: u32,
    (least, most): (usize, usize),
    read: &mut Read,
) {
    let mut now = BTreeSet::from([(at, 0)]);
    let mut digits = 0;
    while !now.is_empty() && digits < most {
        digits += 1;
        let mut following = BTreeSet::new();
        for (at, number) in now {
            for (end, character) in next(at) {
                let digit = char::from(character).to_digit(base);
                let number = digit.map(|digit| number * base + digit);
                following.extend(
                    number
                        .filter(|number| *number < 127)
                        .map(|number| (end, number)),
                );
            }
        }
        let is_character = |number: u32| matches!(number, 9 | 10 | 13 | 32..=126);
        if digits >= least {
            let whole = following.iter().filter(|(_, number)| is_character(*number));
            read.extend(whole.map(|(end, number)| (*end, *number as u8)));
        }
        now = following;
    }
}

/// HTML's names for characters of ASCII, and three for lookalikes.
const NAMES: &[(&str, char)] = &[
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("amp", '&'),
    ("AMP", '&'),
    ("apos", '\''),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("lt", '<'),
    ("LT", '<'),
    ("equals", '='),
    ("gt", '>'),
    ("GT", '>'),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("grave", '`'),
    ("DiacriticalGrave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("VerticalLine", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("dash", '-'),
    ("hyphen", '-'),
    ("nbsp", ' '),
];
