//! Paths of requests, as far as rules look at them.
//!
//! Servers differ in what they take a path for, so a path is judged under all its [`Readings`]: a
//! [`PathPattern`] that allows has to match each of them, and for one that denies a single match
//! is enough. Readings and patterns are compared as sequences of [`Symbol`]s, by a [`Glob`].

mod pattern;
mod readings;

pub use pattern::{PathPattern, PathPatternError};
pub(crate) use readings::Readings;

/// What paths are compared by: one byte and how it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Symbol {
    /// A byte with its own meaning: `/` separates segments.
    Byte(u8),
    /// A structural byte that is meant as data, since it is percent-encoded.
    Triplet(u8),
}

const SLASH: Symbol = Symbol::Byte(b'/');

impl Symbol {
    fn map(self, change: impl Fn(&u8) -> u8) -> Self {
        match self {
            Self::Byte(byte) => Self::Byte(change(&byte)),
            Self::Triplet(_) => self,
        }
    }

    fn eq_ignore_case(self, other: Self) -> bool {
        self.map(u8::to_ascii_lowercase) == other.map(u8::to_ascii_lowercase)
    }
}

/// The symbols of a reading.
fn symbols(text: &[u8]) -> impl Iterator<Item = Symbol> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, after) = rest.split_first()?;
        let triplet = triplet(byte, after);
        rest = if triplet.is_some() {
            &after[2..]
        } else {
            after
        };
        Some(triplet.map_or(Symbol::Byte(*byte), Symbol::Triplet))
    })
}

/// Whether servers may see more in a byte than data.
fn is_structural(byte: u8) -> bool {
    b"/\\%;?#".contains(&byte)
}

/// The value of a percent triplet (RFC 3986 section 2.1), if a text begins with one.
fn triplet(first: &u8, after: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    match (first, after) {
        (b'%', [high, low, ..]) => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

fn push_triplet(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(format!("%{value:02X}").as_bytes());
}

/// A part of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Literal(Symbol),
    /// Any run of symbols other than `/`.
    Star,
    /// Any run of symbols.
    DoubleStar,
}

/// Whether letters match in upper and lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

/// A glob, as a literal prefix and a nondeterministic automaton for the rest.
///
/// The state of the automaton is a set of bits: bit `i` is set if `rest[..i]` matches what was read
/// so far. A step handles 64 of them at once, so that neither a nasty path nor a nasty pattern
/// makes matching slow: it takes time in the order of `path * (1 + rest / 64)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Glob {
    prefix: Vec<Symbol>,
    /// Either empty, or begins with a star. Stars are never neighbours.
    rest: Vec<Token>,
    /// The bits of all stars in `rest`.
    stars: Vec<u64>,
    /// The bits of its double stars.
    double_stars: Vec<u64>,
    /// The bits of its literals, in the order of the symbols.
    literals: Vec<(Symbol, Vec<u64>)>,
}

impl Glob {
    fn new(tokens: &[Token]) -> Self {
        let literal = |token: &Token| match token {
            Token::Literal(symbol) => Some(*symbol),
            Token::Star | Token::DoubleStar => None,
        };
        let prefix: Vec<_> = tokens.iter().map_while(literal).collect();
        let rest = tokens[prefix.len()..].to_vec();
        let bits = |is_wanted: &dyn Fn(&Token) -> bool| {
            let mut bits = vec![0; rest.len() / 64 + 1];
            for (index, _) in rest.iter().enumerate().filter(|(_, t)| is_wanted(t)) {
                bits[index / 64] |= 1 << (index % 64);
            }
            bits
        };
        let mut alphabet: Vec<_> = rest.iter().filter_map(literal).collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let literal_bits = |symbol| (symbol, bits(&|token| *token == Token::Literal(symbol)));
        Self {
            stars: bits(&|token| literal(token).is_none()),
            double_stars: bits(&|token| *token == Token::DoubleStar),
            literals: alphabet.into_iter().map(literal_bits).collect(),
            prefix,
            rest,
        }
    }

    /// The literals before the first star.
    fn prefix(&self) -> &[Symbol] {
        &self.prefix
    }

    /// Whether there is no star.
    fn is_literal(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether this matches all that begins with the prefix.
    fn is_subtree(&self) -> bool {
        self.rest == [Token::DoubleStar]
    }

    fn matches(&self, path: &[Symbol], case: Case) -> bool {
        let Some((start, end)) = path.split_at_checked(self.prefix.len()) else {
            return false;
        };
        let is_same = |(a, b): (&Symbol, &Symbol)| match case {
            Case::Exact => a == b,
            Case::Ignored => a.eq_ignore_case(*b),
        };
        start.iter().zip(&self.prefix).all(is_same)
            && (self.is_subtree() || self.rest_matches(end, case))
    }

    fn rest_matches(&self, path: &[Symbol], case: Case) -> bool {
        let mut state = vec![0; self.stars.len()];
        // A star may be empty, so the token after it is reached as well.
        state[0] = 1 | (self.stars[0] & 1) << 1;
        for symbol in path {
            let (lower, upper) = match case {
                Case::Exact => (*symbol, *symbol),
                Case::Ignored => (
                    symbol.map(u8::to_ascii_lowercase),
                    symbol.map(u8::to_ascii_uppercase),
                ),
            };
            let is_slash = *symbol == SLASH;
            let staying = if is_slash {
                &self.double_stars
            } else {
                &self.stars
            };
            self.step(
                &mut state,
                staying,
                [self.literal(lower), self.literal(upper)],
            );
            if state.iter().all(|word| *word == 0) {
                return false;
            }
        }
        let accepting = self.rest.len();
        state[accepting / 64] >> (accepting % 64) & 1 == 1
    }

    /// Reads a symbol, which these stars and literals match.
    fn step(&self, state: &mut [u64], staying: &[u64], literals: [Option<&[u64]>; 2]) {
        let mut carry = 0;
        for (index, word) in state.iter_mut().enumerate() {
            let literal = literals
                .iter()
                .flatten()
                .fold(0, |all, bits| all | bits[index]);
            let moving = *word & literal;
            let read = *word & staying[index] | moving << 1 | carry;
            let reached = read & self.stars[index];
            *word = read | reached << 1;
            carry = (moving | reached) >> 63;
        }
    }

    fn literal(&self, symbol: Symbol) -> Option<&[u64]> {
        let at = self
            .literals
            .binary_search_by_key(&symbol, |(s, _)| *s)
            .ok()?;
        Some(&self.literals[at].1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    fn permits(text: &str, path: &str) -> bool {
        pattern(text).permits(&Readings::of(path.as_bytes()))
    }

    fn forbids(text: &str, path: &str) -> bool {
        pattern(text).forbids(&Readings::of(path.as_bytes()))
    }

    #[test]
    fn an_allow_pattern_permits_what_every_server_takes_for_a_path_in_it() {
        for path in [
            "/public/",
            "/public/a",
            "/public/a/b?x=/../..",
            "/public/a%20b",
            "/public//a",
            "/public/a;b=c/d",
            "/public/a%2Fb%3f",
            "/%70ublic/a",
        ] {
            assert!(permits("/public/**", path), "{path}");
        }
        assert!(permits("/projects/**", "/projects/group%2Fproject"));
        assert!(!permits("/projects/*", "/projects/group%2Fproject"));
    }

    #[test]
    fn an_allow_pattern_is_not_slipped_under() {
        for path in [
            "/admin",
            "/publicx",
            "/PUBLIC/a",
            "/public",
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/.%2E/admin",
            "/public/..%2fadmin",
            "/public%2f..%2fadmin",
            "/public/..%5cadmin",
            "/public/..\\admin",
            "/public/..;/admin",
            "/public/..;x=1/admin",
            "/public/..%3b/admin",
            "/public/%252e%252e/admin",
            "/public/%252e%252e%252fadmin",
            "/public/%25252e%25252e/admin",
            "/public/a%2fb/../..%2f../admin",
            "/public/x%2Fy/..%5C..%5Cadmin",
            "//admin/../public/x/../../admin",
            "/public//../admin",
            "/public/%c0%ae%c0%ae/admin",
            "/public/%u002e%u002e/admin",
            "/public/x%00",
            "/public;x/../admin",
            "/admin%3f/../public/",
        ] {
            assert!(!permits("/public/**", path), "{path}");
        }
    }

    #[test]
    fn a_deny_pattern_forbids_what_some_server_takes_for_a_path_in_it() {
        for path in [
            "/admin/x",
            "/Admin/x",
            "//admin/x",
            "/./admin/x",
            "/x/../admin/x",
            "/%61dmin/x",
            "/admin;a=b/x",
            "/x/..;/admin/x",
            "/%2561dmin/x",
            "/x%2f..%2fadmin/x",
            "/admin%2fx",
            "\\admin\\x",
            "/%5Cadmin%5cx",
        ] {
            assert!(forbids("/admin/**", path), "{path}");
        }
        for path in [
            "/admin",
            "/admin/",
            "/ADMIN",
            "/admin;a",
            "/admin%3Fx",
            "/%00",
            "*",
        ] {
            assert!(forbids("/admin/**", path), "{path}");
            assert!(forbids("/admin", path), "{path}");
        }
        for path in [
            "/administrator",
            "/public/admin",
            "/",
            "/admi",
            "/a%2Fadmin",
        ] {
            assert!(!forbids("/admin/**", path), "{path}");
            assert!(!forbids("/admin", path), "{path}");
        }
        assert!(!forbids("/admin", "/admin/x"));
    }

    /// Paths from pieces that servers disagree about.
    fn path() -> impl Strategy<Value = String> {
        let pieces = [
            "/", "/", "/", "//", "public", "public/", "admin", "Admin/", "a", "b", "..", ".",
            "%2e", "%252E", "/../", "%2f", "%252f", "\\", "%5c", ";", ";x=1", "%3b", "%3F", "?",
            "%25", "%61", "%2561", "%20", "%", "%00", "é",
        ];
        let piece = prop::sample::select(pieces.to_vec());
        prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    fn any_pattern() -> impl Strategy<Value = PathPattern> {
        let pieces = [
            "/", "/", "*", "**", "a", "b", "A", "public", "admin", "%20", "%25",
        ];
        let piece = prop::sample::select(pieces.to_vec());
        let texts = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
        texts.prop_filter_map("no pattern", |text| {
            PathPattern::parse(&format!("/{text}")).ok()
        })
    }

    /// A server: how often it decodes, and whether it takes `\` for `/`, merges slashes and knows
    /// parameters.
    type Server = (usize, bool, bool, bool);

    fn server() -> impl Strategy<Value = Server> {
        (1..4_usize, any::<bool>(), any::<bool>(), any::<bool>())
    }

    /// What a server takes a path for, written apart from the readings.
    fn serve(path: &str, (decodings, backslash, merge, parameters): Server) -> String {
        let mut path = path.split('?').next().unwrap().to_owned();
        for _ in 0..decodings {
            let mut pieces = path.split('%');
            let mut decoded = pieces.next().unwrap().as_bytes().to_vec();
            for piece in pieces {
                let digits = piece.get(..2).and_then(|d| u8::from_str_radix(d, 16).ok());
                decoded.push(digits.unwrap_or(b'%'));
                let literal = if digits.is_some() { &piece[2..] } else { piece };
                decoded.extend_from_slice(literal.as_bytes());
            }
            path = String::from_utf8_lossy(&decoded).into_owned();
        }
        if backslash {
            path = path.replace('\\', "/");
        }
        let mut segments = Vec::new();
        for segment in path.split('/').skip(1) {
            let is_cut = parameters && segment.contains(';');
            match if is_cut {
                segment.split(';').next().unwrap()
            } else {
                segment
            } {
                "" if merge => {}
                "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        format!("/{}", segments.join("/"))
    }

    /// A token, and what a path may have for it.
    fn token() -> impl Strategy<Value = (Token, String)> {
        let literal = |text: &'static str| {
            let symbol = Symbol::Byte(text.as_bytes()[0]);
            Just((Token::Literal(symbol), text.to_owned()))
        };
        let stars = prop::sample::select(vec![Token::Star, Token::DoubleStar]);
        prop_oneof![1 => literal("/"), 3 => literal("a"), 3 => (stars, "[ab]{0,2}")]
    }

    /// A second matcher: row by row, whether the tokens from here on match each end of the path.
    fn matches_by_table(tokens: &[Token], path: &[Symbol]) -> bool {
        let end = path.len();
        let mut next: Vec<_> = (0..=end).map(|at| at == end).collect();
        for token in tokens.iter().rev() {
            let mut row = vec![false; end + 1];
            for at in (0..=end).rev() {
                let symbol = path.get(at);
                row[at] = match token {
                    Token::Literal(literal) => symbol == Some(literal) && next[at + 1],
                    _ if next[at] => true,
                    Token::Star => symbol.is_some_and(|s| *s != SLASH) && row[at + 1],
                    Token::DoubleStar => symbol.is_some() && row[at + 1],
                };
            }
            next = row;
        }
        next[0]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_readings_or_patterns_panic(bytes: Vec<u8>, text in "\\PC*|/[*%/a-f0-9]*") {
            for path in [bytes.clone(), [b"/".to_vec(), bytes].concat(), text.clone().into_bytes()] {
                let readings = Readings::of(&path);
                let (permits, forbids) = match PathPattern::parse(&text) {
                    Ok(pattern) => (pattern.permits(&readings), pattern.forbids(&readings)),
                    Err(error) => {
                        prop_assert!(!error.to_string().contains(char::is_control), "{error}");
                        continue;
                    }
                };
                prop_assert!(!permits || forbids || readings.is_unclear());
            }
        }

        #[test]
        fn no_server_takes_a_permitted_path_out_of_the_pattern(path in path(), server in server()) {
            let path = format!("/public{path}");
            let served = serve(&path, server);
            let is_outside = !format!("{served}/").starts_with("/public/");
            prop_assert!(!(is_outside && permits("/public/**", &path)), "{path} is {served}");
        }

        #[test]
        fn no_server_takes_a_path_to_what_is_forbidden(path in path(), server in server()) {
            let served = serve(&path, server);
            let is_inside = format!("{served}/").to_ascii_lowercase().starts_with("/admin/");
            prop_assert!(!is_inside || forbids("/admin/**", &path), "{path} is {served}");
        }

        #[test]
        fn a_glob_matches_as_stars_are_defined(
            mut parts in prop::collection::vec(token(), 0..160), noise in "[/ab]?", at: prop::sample::Index,
        ) {
            let is_star = |part: &(Token, _)| !matches!(part.0, Token::Literal(_));
            parts.dedup_by(|b, a| is_star(a) && is_star(b));
            let (tokens, runs): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let mut path = runs.concat();
            path.insert_str(at.index(path.len() + 1), &noise);
            let path: Vec<_> = symbols(path.as_bytes()).collect();
            let is_match = Glob::new(&tokens).matches(&path, Case::Exact);
            prop_assert_eq!(is_match, matches_by_table(&tokens, &path));
        }

        #[test]
        fn a_pattern_permits_all_that_one_within_it_permits(
            outer in any_pattern(), inner in any_pattern(), path in prop_oneof![path(), "/[aAb/]{0,4}"],
        ) {
            let readings = Readings::of(path.as_bytes());
            if outer.contains(&inner) && inner.permits(&readings) {
                prop_assert!(outer.permits(&readings));
            }
        }

        #[test]
        fn patterns_that_do_not_overlap_have_no_path_in_common(
            deny in any_pattern(), allow in any_pattern(), path in prop_oneof![path(), "/[aAb/]{0,4}"],
        ) {
            let readings = Readings::of(path.as_bytes());
            if deny.forbids(&readings) && allow.permits(&readings) {
                prop_assert!(deny.overlaps(&allow) && allow.overlaps(&deny));
            }
        }
    }
}
