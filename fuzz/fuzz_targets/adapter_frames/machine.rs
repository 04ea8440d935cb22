//! A memory for the adapter's sources instead of WebAssembly's. Addresses have 32 bits here, too, so
//! the guest's buffers and the adapter's own pages look the same.

use std::cell::Cell;
use std::ptr;
use std::sync::LazyLock;

pub(crate) const PAGE: usize = 64 * 1024;

/// The start of the memory. Lower addresses are not mapped; a program has no reason to use them.
pub(crate) const BASE: usize = 0x1000_0000;
/// The largest size.
const MOST: usize = 64 * 1024 * 1024;
/// The program's part.
pub(crate) const GUEST: usize = 16 * PAGE;

static MEMORY: LazyLock<()> = LazyLock::new(|| {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let wanted = ptr::without_provenance_mut(BASE);
    // SAFETY: the call replaces no mapping, and returns memory that nothing else uses.
    let given = unsafe { libc::mmap(wanted, MOST, access, flags, -1, 0) };
    assert_eq!(given.expose_provenance(), BASE, "no memory at that address");
});

thread_local! {
    static SIZE: Cell<usize> = const { Cell::new(0) };
    static LIMIT: Cell<usize> = const { Cell::new(0) };
    static STATE: Cell<usize> = const { Cell::new(0) };
}

/// Begins with only the program's pages; `more` pages may be added.
pub(crate) fn begin(more: usize) {
    LazyLock::force(&MEMORY);
    SIZE.set(GUEST);
    LIMIT.set(MOST.min(GUEST + more * PAGE));
    STATE.set(0);
}

pub(crate) fn memory_size() -> u64 {
    (BASE + SIZE.get()) as u64
}

pub(crate) fn grow(pages: usize) -> Option<usize> {
    let old = SIZE.get();
    let new = pages.checked_mul(PAGE)?.checked_add(old)?;
    if new > LIMIT.get() {
        return None;
    }
    SIZE.set(new);
    Some(BASE + old)
}

pub(crate) fn state() -> usize {
    STATE.get()
}

pub(crate) fn set_state(address: usize) {
    STATE.set(address);
}
