//! Matches patterns with stars.
//!
//! A pattern is split at its double stars into groups, a group at its slashes into segments, and a
//! segment at its single stars into parts. The first group is anchored at the beginning of a path
//! and the last one at its end. The groups between are searched from left to right; the first place
//! at which a group ends leaves the most to the following ones, so that nothing is tried twice.

use super::reading::View;
use super::steps::Exhausted;

/// A part of a pattern's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Token {
    Literal(u8),
    /// Any run of symbols other than `/`.
    Star,
    /// Any run of symbols.
    DoubleStar,
}

/// A pattern that is ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    /// The text before the first star.
    prefix: Vec<u8>,
    /// The text after the last star; empty without stars.
    suffix: Vec<u8>,
    /// The bytes of all literals.
    literals: usize,
    /// The slashes among them.
    slashes: usize,
    /// The groups between double stars; at least one.
    groups: Vec<Group>,
}

/// The part between two double stars, or up to an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    /// Its text, if it has no star.
    literal: Option<Vec<u8>>,
    /// At least one.
    segments: Vec<Segment>,
}

/// The part between two slashes of a group: literals with a star between each two; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Segment(Vec<Vec<u8>>);

impl Glob {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let literal = |token: &Token| match token {
            Token::Literal(symbol) => Some(*symbol),
            Token::Star | Token::DoubleStar => None,
        };
        let prefix: Vec<u8> = tokens.iter().map_while(literal).collect();
        let mut suffix = Vec::new();
        if prefix.len() < tokens.len() {
            suffix.extend(tokens.iter().rev().map_while(literal));
            suffix.reverse();
        }
        let all = || tokens.iter().filter_map(literal);
        let groups = tokens.split(|token| *token == Token::DoubleStar);
        Self {
            prefix,
            suffix,
            literals: all().count(),
            slashes: all().filter(|byte| *byte == b'/').count(),
            groups: groups.map(Group::new).collect(),
        }
    }

    /// Makes the pattern for texts in lower case.
    pub(super) fn folded(tokens: &[Token]) -> Self {
        let fold = |token: &Token| match token {
            Token::Literal(byte) => Token::Literal(byte.to_ascii_lowercase()),
            star => *star,
        };
        Self::new(&tokens.iter().map(fold).collect::<Vec<_>>())
    }

    /// The literals before the first star.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether there is no star.
    pub(super) fn is_literal(&self) -> bool {
        self.prefix.len() == self.literals && self.groups.len() == 1 && self.groups[0].is_literal()
    }

    /// Whether this matches everything that begins with the prefix.
    pub(super) fn is_subtree(&self) -> bool {
        self.groups.len() == 2 && self.prefix.len() == self.literals && self.groups[0].is_literal()
    }

    /// Whether this matches every continuation of what it matches.
    pub(super) fn is_open(&self) -> bool {
        let last = self.groups.last().and_then(|group| group.literal.as_ref());
        self.groups.len() > 1 && last.is_some_and(Vec::is_empty)
    }

    pub(super) fn matches(&self, view: &View<'_>) -> Result<bool, Exhausted> {
        let text = view.text;
        if text.len() < self.literals
            || view.slashes.len() < self.slashes
            || !text.starts_with(&self.prefix)
            || !text.ends_with(&self.suffix)
        {
            return Ok(false);
        }
        if self.is_subtree() {
            return Ok(true);
        }
        match &self.groups[..] {
            [only] => only.is_all(view),
            [first, between @ .., last] => {
                let Some(mut from) = first.at_start(view)? else {
                    return Ok(false);
                };
                for group in between {
                    match group.find(view, from)? {
                        Some(end) => from = end,
                        None => return Ok(false),
                    }
                }
                last.is_end(view, from)
            }
            [] => Ok(false),
        }
    }
}

impl Group {
    fn new(tokens: &[Token]) -> Self {
        let literal = tokens.iter().map(|token| match token {
            Token::Literal(symbol) => Some(*symbol),
            Token::Star | Token::DoubleStar => None,
        });
        let segments = tokens.split(|token| *token == Token::Literal(b'/'));
        Self {
            literal: literal.collect(),
            segments: segments.map(Segment::new).collect(),
        }
    }

    fn is_literal(&self) -> bool {
        self.literal.is_some()
    }

    /// How many slashes it has.
    fn slashes(&self) -> usize {
        self.segments.len() - 1
    }

    /// Whether it matches the whole text.
    fn is_all(&self, view: &View<'_>) -> Result<bool, Exhausted> {
        if let Some(literal) = &self.literal {
            return Ok(view.text == literal);
        }
        if view.slashes.len() != self.slashes() {
            return Ok(false);
        }
        let start = view.segment_start(self.slashes());
        let last = self.last();
        Ok(self.before_slashes(view, 0, self.slashes())?
            && last.is(view, start, view.text.len())?)
    }

    /// Where it ends at the beginning of the text.
    fn at_start(&self, view: &View<'_>) -> Result<Option<usize>, Exhausted> {
        if let Some(literal) = &self.literal {
            return Ok(view.text.starts_with(literal).then_some(literal.len()));
        }
        let slashes = self.slashes();
        if view.slashes.len() < slashes || !self.before_slashes(view, 0, slashes)? {
            return Ok(None);
        }
        self.last().starts(view, view.segment_start(slashes))
    }

    /// Finds the first place from `from` on where it is; returns its end.
    fn find(&self, view: &View<'_>, from: usize) -> Result<Option<usize>, Exhausted> {
        if let Some(literal) = &self.literal {
            let found = view.find(literal, from, view.text.len())?;
            return Ok(found.map(|at| at + literal.len()));
        }
        match self.slashes() {
            0 => self.last().find(view, from),
            slashes => {
                let places = view.first_slash(from)..;
                let mut places = places.take_while(|at| at + slashes <= view.slashes.len());
                places
                    .find_map(|at| self.at_slash(view, from, at).transpose())
                    .transpose()
            }
        }
    }

    /// Where it ends if this is its first slash and it does not begin before `from`.
    fn at_slash(
        &self,
        view: &View<'_>,
        from: usize,
        first: usize,
    ) -> Result<Option<usize>, Exhausted> {
        view.step()?;
        let lower = from.max(view.segment_start(first));
        let last = first + self.slashes();
        let fits = self.segments[0].ends(view, lower, view.slash(first))?
            && self.between_slashes(view, first, self.slashes())?;
        match fits {
            true => self.last().starts(view, view.segment_start(last)),
            false => Ok(None),
        }
    }

    /// Whether it is the end of the text and does not begin before `from`.
    fn is_end(&self, view: &View<'_>, from: usize) -> Result<bool, Exhausted> {
        let end = view.text.len();
        if let Some(literal) = &self.literal {
            return Ok(from + literal.len() <= end && view.text.ends_with(literal));
        }
        let slashes = self.slashes();
        let Some(first) = view.slashes.len().checked_sub(slashes) else {
            return Ok(false);
        };
        let lower = from.max(view.segment_start(first));
        if slashes == 0 {
            return self.last().ends(view, lower, end);
        }
        Ok(view.slash(first) >= from
            && self.segments[0].ends(view, lower, view.slash(first))?
            && self.between_slashes(view, first, slashes)?
            && self
                .last()
                .is(view, view.segment_start(first + slashes), end)?)
    }

    /// Whether the segments that end with a slash are those of the text before `count` slashes,
    /// from the slash `first` on.
    fn before_slashes(
        &self,
        view: &View<'_>,
        first: usize,
        count: usize,
    ) -> Result<bool, Exhausted> {
        self.are(view, first, 0..count)
    }

    /// The same check for segments that also begin with a slash.
    fn between_slashes(
        &self,
        view: &View<'_>,
        first: usize,
        count: usize,
    ) -> Result<bool, Exhausted> {
        self.are(view, first, 1..count)
    }

    fn are(
        &self,
        view: &View<'_>,
        first: usize,
        numbers: std::ops::Range<usize>,
    ) -> Result<bool, Exhausted> {
        for number in numbers {
            let slash = first + number;
            let (start, end) = (view.segment_start(slash), view.slash(slash));
            if !self.segments[number].is(view, start, end)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn last(&self) -> &Segment {
        &self.segments[self.slashes()]
    }
}

impl Segment {
    fn new(tokens: &[Token]) -> Self {
        let parts = tokens.split(|token| *token == Token::Star);
        let literal = |token: &Token| match token {
            Token::Literal(byte) => Some(*byte),
            Token::Star | Token::DoubleStar => None,
        };
        Self(
            parts
                .map(|part| part.iter().filter_map(literal).collect())
                .collect(),
        )
    }

    /// Whether it is everything between these places, which are in one segment.
    fn is(&self, view: &View<'_>, start: usize, end: usize) -> Result<bool, Exhausted> {
        view.step()?;
        match &self.0[..] {
            [only] => Ok(view.text[start..end] == **only),
            [first, rest @ ..] if view.text[start..end].starts_with(first) => {
                Self::end_with(rest, view, start + first.len(), end)
            }
            _ => Ok(false),
        }
    }

    /// Whether some text from `lower` on, all in one segment, matches this and ends at `end`.
    fn ends(&self, view: &View<'_>, lower: usize, end: usize) -> Result<bool, Exhausted> {
        Self::end_with(&self.0, view, lower, end)
    }

    /// Whether these parts are between two places, in this order, the last one at the end.
    fn end_with(
        parts: &[Vec<u8>],
        view: &View<'_>,
        start: usize,
        end: usize,
    ) -> Result<bool, Exhausted> {
        view.step()?;
        let Some((last, before)) = parts.split_last() else {
            return Ok(true);
        };
        let before_last = end.checked_sub(last.len()).filter(|at| start <= *at);
        let Some(at) = before_last.filter(|at| view.text[*at..end] == **last) else {
            return Ok(false);
        };
        Ok(Self::in_order(before, view, start, at)?.is_some())
    }

    /// Where the last of these parts ends, each at its first place between these two.
    fn in_order(
        parts: &[Vec<u8>],
        view: &View<'_>,
        start: usize,
        end: usize,
    ) -> Result<Option<usize>, Exhausted> {
        let mut from = start;
        for part in parts {
            match view.find(part, from, end)? {
                Some(at) => from = at + part.len(),
                None => return Ok(None),
            }
        }
        Ok(Some(from))
    }

    /// Where it ends if it begins here.
    fn starts(&self, view: &View<'_>, start: usize) -> Result<Option<usize>, Exhausted> {
        view.step()?;
        let [first, rest @ ..] = &self.0[..] else {
            return Ok(None);
        };
        if !view.text[start..].starts_with(first) {
            return Ok(None);
        }
        let from = start + first.len();
        Self::in_order(rest, view, from, view.segment_end(from))
    }

    /// Finds the first place from `from` on where it is; returns its end.
    fn find(&self, view: &View<'_>, from: usize) -> Result<Option<usize>, Exhausted> {
        let mut from = from;
        let [first, rest @ ..] = &self.0[..] else {
            return Ok(None);
        };
        while let Some(at) = view.find(first, from, view.text.len())? {
            view.step()?;
            let start = at + first.len();
            let end = view.segment_end(start);
            match Self::in_order(rest, view, start, end)? {
                // Within one segment, a later start cannot match better.
                None if end < view.text.len() => from = end + 1,
                found => return Ok(found),
            }
        }
        Ok(None)
    }
}
