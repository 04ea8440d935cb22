//! Finds where texts of a fixed set end (Aho and Corasick, 1975), in a table that is small enough
//! for values of many kilobytes.

use std::collections::VecDeque;
use std::ops::Range;

/// The state before any symbol.
pub(super) const START: u32 = 0;
/// No state.
const NONE: u32 = u32::MAX;

/// A text to be found, symbol by symbol. Empty ones are not allowed.
pub(super) trait Symbols {
    /// How many there are.
    fn len(&self) -> usize;
    /// One of them.
    fn at(&self, index: usize) -> u8;
}

/// The texts as a tree whose states are numbered level by level: the children of a state follow
/// each other, and the states of the first level come right after [`START`].
pub(super) struct Automaton {
    /// The symbol that leads to a state.
    label: Vec<u8>,
    /// The first child of a state; its last one is before the first child of the next state.
    first_child: Vec<u32>,
    /// The state of the longest end of this one that is a beginning too.
    fail: Vec<u32>,
    /// This state, or the nearest one along `fail`, at which texts end.
    report: Vec<u32>,
    /// The place of a state in a walk over the tree that `fail` makes, and where its part ends.
    within: Vec<Range<u32>>,
    /// The texts that end at a state, as indices, sorted by the state.
    ends: Vec<(u32, u32)>,
    /// The states after one symbol.
    first: [u32; 256],
}

impl Automaton {
    /// The automaton of these texts.
    pub(super) fn new<T: Symbols>(texts: &[T]) -> Self {
        let mut tree = Self {
            label: vec![0],
            first_child: vec![1],
            fail: vec![START],
            report: vec![NONE],
            within: Vec::new(),
            ends: Vec::new(),
            first: [START; 256],
        };
        tree.grow(texts);
        for state in 1..=tree.level_one() {
            tree.first[usize::from(tree.label[state as usize])] = state;
        }
        for state in 1..tree.label.len() as u32 {
            tree.link_children(state);
        }
        tree.number();
        tree.label.shrink_to_fit();
        tree.first_child.shrink_to_fit();
        tree.fail.shrink_to_fit();
        tree.report.shrink_to_fit();
        tree
    }

    /// The memory of its states.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let numbers = [&self.first_child, &self.fail, &self.report];
        let numbers: usize = numbers.map(Vec::capacity).iter().sum();
        let ranges = self.within.capacity() * size_of::<Range<u32>>();
        self.label.capacity() + numbers * size_of::<u32>() + ranges
    }

    /// Makes the states, level by level.
    fn grow<T: Symbols>(&mut self, texts: &[T]) {
        let mut order: Vec<usize> = (0..texts.len()).collect();
        let key = |text: &T, other: &T| {
            let common = (0..text.len().min(other.len())).map(|at| (text.at(at), other.at(at)));
            let differing = common.into_iter().find(|(one, other)| one != other);
            differing.map_or(text.len().cmp(&other.len()), |(one, other)| one.cmp(&other))
        };
        order.sort_by(|one, other| key(&texts[*one], &texts[*other]));
        // Each state with the texts that go through it, and how many symbols led there.
        let mut queue = VecDeque::from([(START, 0..order.len(), 0)]);
        while let Some((state, mut range, depth)) = queue.pop_front() {
            self.first_child[state as usize] = self.label.len() as u32;
            while let Some(text) = order[range.clone()].first() {
                if texts[*text].len() > depth {
                    break;
                }
                self.ends.push((state, *text as u32));
                range.start += 1;
            }
            while !range.is_empty() {
                let symbol = texts[order[range.start]].at(depth);
                let same = |text: &&usize| texts[**text].at(depth) == symbol;
                let count = order[range.clone()].iter().take_while(same).count();
                let child = self.label.len() as u32;
                self.label.push(symbol);
                self.first_child.push(0);
                self.fail.push(START);
                self.report.push(NONE);
                queue.push_back((child, range.start..range.start + count, depth + 1));
                range.start += count;
            }
        }
        self.first_child.push(self.label.len() as u32);
    }

    /// Sets what the children of a state fail to. What a state fails to is on an earlier level.
    fn link_children(&mut self, state: u32) {
        if self.is_end(state) {
            self.report[state as usize] = state;
        } else {
            self.report[state as usize] = self.report[self.fail[state as usize] as usize];
        }
        for child in self.children(state) {
            let symbol = self.label[child as usize];
            self.fail[child as usize] = self.next(self.fail[state as usize], symbol);
        }
    }

    /// Numbers the states so that those which fail to a state, in the end, are a range.
    fn number(&mut self) {
        let count = self.label.len();
        let mut size = vec![1u32; count];
        for state in (1..count).rev() {
            size[self.fail[state] as usize] += size[state];
        }
        // Where the next state that fails to this one is put.
        let mut free = vec![1u32; count];
        self.within = vec![0..count as u32; count];
        for state in 1..count {
            let parent = self.fail[state] as usize;
            let start = free[parent];
            free[parent] += size[state];
            free[state] = start + 1;
            self.within[state] = start..start + size[state];
        }
    }

    /// The state after one more symbol.
    pub(super) fn next(&self, mut state: u32, symbol: u8) -> u32 {
        while state != START {
            if let Some(child) = self.child(state, symbol) {
                return child;
            }
            state = self.fail[state as usize];
        }
        self.first[usize::from(symbol)]
    }

    /// The state of the text that is one symbol longer.
    pub(super) fn child(&self, state: u32, symbol: u8) -> Option<u32> {
        let mut children = self.children(state);
        children.find(|child| self.label[*child as usize] == symbol)
    }

    /// Whether what is found from `other` on is found from `state` on, too.
    pub(super) fn covers(&self, state: u32, other: u32) -> bool {
        let place = self.within[state as usize].start;
        self.within[other as usize].contains(&place)
    }

    /// The last state of the first level.
    pub(super) fn level_one(&self) -> u32 {
        self.first_child[1] - 1
    }

    /// The indices of the texts that end in a state.
    pub(super) fn found(&self, state: u32) -> impl Iterator<Item = usize> {
        let reports = |state: &u32| self.report[*state as usize];
        let first = Some(reports(&state)).filter(|state| *state != NONE);
        let following = move |state: &u32| {
            let next = self.report[self.fail[*state as usize] as usize];
            (next != NONE).then_some(next)
        };
        std::iter::successors(first, following).flat_map(|state| {
            let start = self.ends.partition_point(|(end, _)| *end < state);
            let ends = self.ends[start..].iter();
            let ends = ends.take_while(move |(end, _)| *end == state);
            ends.map(|(_, text)| *text as usize)
        })
    }

    fn is_end(&self, state: u32) -> bool {
        self.ends
            .binary_search_by_key(&state, |(end, _)| *end)
            .is_ok()
    }

    fn children(&self, state: u32) -> Range<u32> {
        self.first_child[state as usize]..self.first_child[state as usize + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Symbols for &[u8] {
        fn len(&self) -> usize {
            <[u8]>::len(self)
        }

        fn at(&self, index: usize) -> u8 {
            self[index]
        }
    }

    proptest! {
        #[test]
        fn every_text_is_found_where_it_ends_and_nowhere_else(
            texts in prop::collection::vec("[ab]{1,6}|[abc]{1,3}", 0..8), text in "[abc]{0,40}",
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let automaton = Automaton::new(&texts);
            let mut state = START;
            for end in 1..=text.len() {
                state = automaton.next(state, text.as_bytes()[end - 1]);
                let mut found: Vec<usize> = automaton.found(state).collect();
                found.sort_unstable();
                let read = &text.as_bytes()[..end];
                let expected: Vec<usize> =
                    (0..texts.len()).filter(|index| read.ends_with(texts[*index])).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_state_covers_those_that_it_can_fail_to(
            texts in prop::collection::vec("[ab]{1,6}", 1..8),
        ) {
            let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let automaton = Automaton::new(&texts);
            let count = automaton.label.len() as u32;
            for state in 0..count {
                let mut failing = vec![state];
                while failing.last() != Some(&START) {
                    failing.push(automaton.fail[failing[failing.len() - 1] as usize]);
                }
                for other in 0..count {
                    prop_assert_eq!(automaton.covers(state, other), failing.contains(&other));
                }
            }
        }
    }
}
