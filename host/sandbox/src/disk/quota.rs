//! The arithmetic of a disk's limits.

use std::fmt;
use std::io;

use crate::byte_count;

/// What one entry of a directory may cost the host besides the bytes of its file: its name, and the
/// unused end of the file's last block. It determines how many entries a limit in bytes allows.
const BYTES_FOR_AN_ENTRY: u64 = 10 * 1024;
/// Entries that any limit allows, however small.
const FEWEST_ENTRIES: u64 = 1024;
/// Nested directories below the guest's `/`.
const LEVELS: usize = 256;
/// Bytes that a sandbox without a limit of its own may keep.
const DEFAULT_BYTES: u64 = 1 << 30;

/// How much a sandbox may keep on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskLimits {
    /// Sizes of all files together; sparse files count with their full size.
    pub(crate) bytes: u64,
    /// Files, directories and links.
    pub(crate) entries: u64,
    /// Nested directories.
    pub(crate) levels: usize,
}

impl DiskLimits {
    /// The limits that follow from this many bytes.
    pub(crate) fn of_bytes(bytes: u64) -> Self {
        Self {
            bytes,
            entries: (bytes / BYTES_FOR_AN_ENTRY).max(FEWEST_ENTRIES),
            levels: LEVELS,
        }
    }
}

impl Default for DiskLimits {
    fn default() -> Self {
        Self::of_bytes(DEFAULT_BYTES)
    }
}

/// What is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Bytes(u64),
    Entries(u64),
    Levels(usize),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(limit) => {
                let limit = byte_count::bytes(*limit);
                write!(f, "the sandbox's disk limit of {limit} is reached")
            }
            Self::Entries(limit) => write!(
                f,
                "the {limit} files and directories that the sandbox's disk limit allows are reached"
            ),
            Self::Levels(limit) => {
                return write!(f, "directories can't be more than {limit} levels deep");
            }
        }?;
        write!(f, "; raise the limit or delete files")
    }
}

impl std::error::Error for Full {}

impl From<Full> for io::Error {
    fn from(full: Full) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, full)
    }
}

/// What is used, and the limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    limits: DiskLimits,
    used: Usage,
}

impl Quota {
    pub(super) fn new(limits: DiskLimits) -> Self {
        let used = Usage::default();
        Self { limits, used }
    }

    pub(super) fn limits(&self) -> DiskLimits {
        self.limits
    }

    pub(super) fn used(&self) -> Usage {
        self.used
    }

    /// Bytes that are left.
    pub(super) fn room(&self) -> u64 {
        self.limits.bytes.saturating_sub(self.used.bytes)
    }

    /// Reserves all of it or nothing.
    pub(super) fn reserve(&mut self, more: Usage) -> Result<(), Full> {
        let entries = self.used.entries.saturating_add(more.entries);
        let bytes = self.used.bytes.saturating_add(more.bytes);
        // A change that takes only entries is not refused for bytes, and vice versa.
        if more.entries > 0 && entries > self.limits.entries {
            return Err(Full::Entries(self.limits.entries));
        }
        if more.bytes > 0 && bytes > self.limits.bytes {
            return Err(Full::Bytes(self.limits.bytes));
        }
        self.used = Usage { bytes, entries };
        Ok(())
    }

    /// Returns what was deleted or not used.
    pub(super) fn release(&mut self, less: Usage) {
        self.used.bytes = self.used.bytes.saturating_sub(less.bytes);
        self.used.entries = self.used.entries.saturating_sub(less.entries);
    }

    /// Replaces the count by a measurement.
    pub(super) fn correct(&mut self, used: Usage) {
        self.used = used;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_limit_is_reached_exactly() {
        let mut quota = Quota::new(DiskLimits {
            bytes: 10,
            entries: 2,
            levels: 1,
        });
        let usage = |bytes, entries| Usage { bytes, entries };
        assert_eq!(quota.reserve(usage(10, 1)), Ok(()));
        assert_eq!(quota.reserve(usage(1, 1)), Err(Full::Bytes(10)));
        assert_eq!(quota.reserve(usage(u64::MAX, 0)), Err(Full::Bytes(10)));
        assert_eq!(quota.reserve(usage(0, 1)), Ok(()), "an empty file");
        assert_eq!(quota.reserve(usage(0, 1)), Err(Full::Entries(2)));
        quota.release(usage(10, 1));
        assert_eq!(quota.reserve(usage(10, 1)), Ok(()), "after a deletion");
    }

    #[test]
    fn a_small_limit_still_has_room_for_some_files() {
        assert_eq!(DiskLimits::of_bytes(0).entries, 1024);
        assert_eq!(DiskLimits::default().entries, 104_857);
    }

    proptest! {
        #[test]
        fn what_is_held_is_never_beyond_a_limit(
            steps in prop::collection::vec((any::<bool>(), 0..200_u64, 0..20_u64), 0..100)
        ) {
            let limits = DiskLimits { bytes: 1000, entries: 50, levels: 1 };
            let mut quota = Quota::new(limits);
            let mut model = Usage::default();
            for (more, bytes, entries) in steps {
                let step = Usage { bytes, entries };
                if more {
                    if quota.reserve(step).is_ok() {
                        model.bytes += bytes;
                        model.entries += entries;
                    }
                } else if bytes <= model.bytes && entries <= model.entries {
                    quota.release(step);
                    model.bytes -= bytes;
                    model.entries -= entries;
                }
                prop_assert_eq!(quota.used(), model);
                prop_assert!(model.bytes <= limits.bytes && model.entries <= limits.entries);
                prop_assert_eq!(quota.room(), limits.bytes - model.bytes);
            }
        }
    }
}
