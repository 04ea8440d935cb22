//! Lists of ranges, in order and without an overlap.

use std::ops::Range;

/// A fault for reading maps what lies around it: as much at a time as Linux does.
const WINDOW: usize = 64 << 10;

/// What is in `ranges` and in none of `others`; both are in order and do not overlap.
#[cfg(any(test, target_os = "linux"))]
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

/// What is in both; each is in order and does not overlap.
#[cfg(any(test, target_os = "linux"))]
pub(super) fn within(ranges: &[Range<usize>], others: &[Range<usize>]) -> Vec<Range<usize>> {
    without(ranges, &without(ranges, others))
}

/// The windows of a memory of `size` bytes in which the ranges are, in order and joined.
pub(super) fn windows<'a>(
    ranges: impl IntoIterator<Item = &'a Range<usize>>,
    size: usize,
) -> Vec<Range<usize>> {
    let window = |range: &Range<usize>| {
        let end = range.end.next_multiple_of(WINDOW).min(size);
        range.start / WINDOW * WINDOW..end
    };
    let mut windows: Vec<_> = ranges.into_iter().map(window).collect();
    windows.sort_by_key(|window| window.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for window in windows {
        match joined.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => joined.push(window),
        }
    }
    joined
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
            let (one_ranges, other_ranges) = (ranges(&one), ranges(&other));
            let left = without(&one_ranges, &other_ranges);
            prop_assert!(left.iter().all(|range| !range.is_empty()));
            let numbers: Vec<usize> = left.into_iter().flatten().collect();
            let expected: Vec<usize> = one.difference(&other).copied().collect();
            prop_assert_eq!(numbers, expected);
            let both = within(&one_ranges, &other_ranges).into_iter().flatten();
            let expected = one.intersection(&other).copied();
            prop_assert!(both.eq(expected));
        }

        #[test]
        fn each_range_is_in_a_window_and_each_window_has_a_range(
            numbers in proptest::collection::btree_set(0..40 * WINDOW, 0..10),
        ) {
            let (ranges, size) = (ranges(&numbers), 39 * WINDOW + 1);
            let ranges: Vec<_> = ranges.into_iter().filter(|range| range.end <= size).collect();
            let found = windows(&ranges, size);
            prop_assert!(found.windows(2).all(|two| two[0].end < two[1].start));
            for window in &found {
                prop_assert!(window.start.is_multiple_of(WINDOW) && window.end <= size);
            }
            let apart = |window: &Range<usize>| {
                let has = |range: &&Range<usize>| window.start <= range.start && range.end <= window.end;
                ranges.iter().filter(has).count()
            };
            prop_assert_eq!(found.iter().map(apart).sum::<usize>(), ranges.len());
            prop_assert!(found.iter().all(|window| apart(window) > 0));
        }
    }
}
