//! Matching with stars.

use super::symbol::{SLASH, Symbol};

/// A part of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token {
    Literal(Symbol),
    /// Any run of symbols other than `/`.
    Star,
    /// Any run of symbols.
    DoubleStar,
}

/// Whether letters match in upper and lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    Ignored,
}

/// A glob, as a literal prefix and a nondeterministic automaton for the rest.
///
/// The state of the automaton is a set of bits: bit `i` is set if `rest[..i]` matches what was read
/// so far. A step handles 64 of them at once, so that neither a nasty path nor a nasty pattern
/// makes matching slow: it takes time in the order of `path * (1 + rest / 64)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
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
    pub(super) fn new(tokens: &[Token]) -> Self {
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
    pub(super) fn prefix(&self) -> &[Symbol] {
        &self.prefix
    }

    /// Whether there is no star.
    pub(super) fn is_literal(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether this matches all that begins with the prefix.
    pub(super) fn is_subtree(&self) -> bool {
        self.rest == [Token::DoubleStar]
    }

    pub(super) fn matches(&self, path: &[Symbol], case: Case) -> bool {
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

    pub(super) fn rest_matches(&self, path: &[Symbol], case: Case) -> bool {
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
    pub(super) fn step(&self, state: &mut [u64], staying: &[u64], literals: [Option<&[u64]>; 2]) {
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

    pub(super) fn literal(&self, symbol: Symbol) -> Option<&[u64]> {
        let at = self
            .literals
            .binary_search_by_key(&symbol, |(s, _)| *s)
            .ok()?;
        Some(&self.literals[at].1)
    }
}
