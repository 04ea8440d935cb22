//! Writes numbers of bytes for people.

use bytesize::ByteSize;

/// A number of bytes, short: `512 B`, `1.5 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    ByteSize::b(count).display().iec().to_string()
}
