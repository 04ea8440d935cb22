//! How many bytes a memory has, and may get.

/// How many bytes a memory has.
pub(super) struct Room {
    /// Those that can be used.
    pub(super) size: usize,
    /// Those that it can grow to without being moved.
    pub(super) capacity: usize,
    /// Those before and after these that trap.
    pub(super) guard: usize,
}

impl Room {
    pub(super) fn of(size: usize, reserved: Option<usize>, guard: usize) -> Self {
        let reserved = reserved.unwrap_or(0);
        let capacity = match size <= reserved {
            true => reserved,
            // It grows by being moved: not each time.
            false => size.saturating_mul(2),
        };
        Self {
            size,
            capacity,
            guard,
        }
    }
}
