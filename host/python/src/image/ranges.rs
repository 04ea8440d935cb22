//! Lists of ranges, in order and without an overlap.

use std::ops::Range;

/// What is in `ranges` and in none of `others`; both are in order and do not overlap.
pub(super) fn without(ranges: &[Range<usize>], others: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut rest = Vec::new();
    let mut others = others.iter().peekable();
    for range in ranges {
        let mut from = range.start;
        while let Some(other) = others.next_if(|other| other.end <= range.end) {
            if other.start > from {
                rest.push(from..other.start);
            }
            from = from.max(other.end);
        }
        let to = match others.peek() {
            Some(other) => other.start.min(range.end),
            None => range.end,
        };
        if from < to {
            rest.push(from..to);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The ranges that these numbers are.
    fn ranges(numbers: &BTreeSet<usize>) -> Vec<Range<usize>> {
        let mut all: Vec<Range<usize>> = Vec::new();
        for number in numbers {
            match all.last_mut() {
                Some(last) if last.end == *number => last.end += 1,
                _ => all.push(*number..number + 1),
            }
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_left_are_the_numbers_of_the_one_without_those_of_the_other(
            one in proptest::collection::btree_set(0..40_usize, 0..40),
            other in proptest::collection::btree_set(0..40_usize, 0..40),
        ) {
            let left = without(&ranges(&one), &ranges(&other));
            prop_assert!(left.iter().all(|range| !range.is_empty()));
            let numbers: Vec<usize> = left.into_iter().flatten().collect();
            let expected: Vec<usize> = one.difference(&other).copied().collect();
            prop_assert_eq!(numbers, expected);
        }
    }
}
