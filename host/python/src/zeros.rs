//! Finds what of a memory is used: most of it is zero.

/// What is looked at together.
pub(crate) const PAGE: usize = 4096;

/// The parts that are not zero, in whole pages, with their places.
pub(crate) fn used(memory: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let pages: Vec<bool> = memory.chunks(PAGE).map(is_used).collect();
    let mut start = 0;
    std::iter::from_fn(move || {
        start += pages[start..].iter().position(|is_used| *is_used)?;
        let rest = &pages[start..];
        let length = rest.iter().position(|is_used| !is_used);
        let end = start + length.unwrap_or(rest.len());
        let from = std::mem::replace(&mut start, end) * PAGE;
        Some((from, &memory[from..memory.len().min(end * PAGE)]))
    })
}

fn is_used(page: &[u8]) -> bool {
    let is_used = |piece: &[u8]| piece.iter().fold(0, |all, byte| all | byte) != 0;
    page.chunks(64).any(is_used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_are_not_zero_are_found_with_their_places() {
        let mut memory = vec![0; 5 * PAGE];
        assert_eq!(used(&memory).count(), 0);
        for at in [PAGE, 3 * PAGE - 1, 5 * PAGE - 1] {
            memory[at] = 1;
        }
        let found: Vec<_> = used(&memory).map(|(at, run)| (at, run.len())).collect();
        assert_eq!(found, [(PAGE, 2 * PAGE), (4 * PAGE, PAGE)]);
        // The last page need not be whole.
        assert_eq!(used(&[0, 1]).collect::<Vec<_>>(), [(0, &[0, 1][..])]);
    }
}
