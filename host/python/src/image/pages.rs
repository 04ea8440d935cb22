//! Pages that copies of an image soon write to, so that they get them at once.

use std::ops::Range;

#[cfg(target_os = "linux")]
use super::parts::Image;

/// The most bytes that are got at once.
#[cfg(target_os = "linux")]
const MOST: usize = 4 << 20;

/// Pages of a memory, of 4 MiB at most. What they contain is not known.
#[derive(Clone, Debug, Default)]
pub struct Pages(Vec<Range<usize>>);

#[cfg(target_os = "linux")]
impl Pages {
    /// The first of those that were written to in a copy of `image`, but for what each copy gets of its own.
    pub(super) fn of(written: Vec<Range<usize>>, image: &Image) -> Self {
        let loose = image.loose().iter();
        let mut own = loose.map(|(at, bytes)| at..at + bytes.len()).peekable();
        let mut left = MOST;
        let mut pages = Vec::new();
        for Range { mut start, end } in written {
            while start < end && left > 0 {
                while own.next_if(|own| own.end <= start).is_some() {}
                let until = match own.peek() {
                    Some(own) if own.start <= start => {
                        start = own.end.min(end);
                        continue;
                    }
                    Some(own) => own.start.min(end),
                    None => end,
                };
                let until = until.min(start + left);
                left -= until - start;
                pages.push(start..until);
                start = until;
            }
        }
        Self(pages)
    }

    pub(super) fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::parts::Loose;
    use super::*;

    const PAGE: usize = 4096;

    fn pages(written: &[Range<usize>], own: &[Range<usize>]) -> Vec<Range<usize>> {
        let scaled = |ranges: &[Range<usize>]| -> Vec<_> {
            let scaled = ranges
                .iter()
                .map(|range| range.start * PAGE..range.end * PAGE);
            scaled.collect()
        };
        let own = scaled(own);
        let bytes = vec![0; own.iter().map(Range::len).sum()];
        let image = Image::of_parts(Vec::new(), Loose::new(own, bytes), 0, 1 << 30);
        let Pages(found) = Pages::of(scaled(written), &image);
        let whole = |range: &Range<usize>| range.start / PAGE..range.end / PAGE;
        found.iter().map(whole).collect()
    }

    #[test]
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "lists of ranges are what is asked for"
    )]
    fn what_each_copy_has_of_its_own_is_not_among_them() {
        for (written, own, expected) in [
            (vec![0..4, 8..9], vec![], vec![0..4, 8..9]),
            (vec![0..4], vec![0..4], vec![]),
            (vec![0..4], vec![1..2], vec![0..1, 2..4]),
            (vec![2..4, 6..9], vec![0..3, 5..7, 8..12], vec![3..4, 7..8]),
            (vec![4..6, 8..10], vec![0..1, 6..8], vec![4..6, 8..10]),
        ] {
            assert_eq!(pages(&written, &own), expected, "{written:?} {own:?}");
        }
    }

    #[test]
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "lists of ranges are what is asked for"
    )]
    fn they_are_no_more_than_four_mebibytes() {
        let (most, whole) = (MOST / PAGE, 1 << 18);
        assert_eq!(pages(&[0..whole], &[]), [0..most]);
        assert_eq!(pages(&[0..1, 2..whole], &[]), [0..1, 2..most + 1]);
    }
}
