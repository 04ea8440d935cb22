//! A memory for the adapter's sources, in the place of WebAssembly's: its addresses have 32 bits
//! here too, so that the guest's buffers and the adapter's own pages are what they are there.

use std::cell::Cell;
use std::ptr;
use std::sync::LazyLock;

pub(crate) const PAGE: usize = 64 * 1024;

/// Where the memory begins. Lower addresses are not mapped; a program has no reason to use them.
pub(crate) const BASE: usize = 0x1000_0000;
/// The most that it can grow to.
const MOST: usize = 64 * 1024 * 1024;
/// What belongs to the program.
pub(crate) const GUEST: usize = 16 * PAGE;

static MEMORY: LazyLock<()> = LazyLock::new(|| {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let wanted = ptr::without_provenance_mut(BASE);
    // SAFETY: the call replaces no mapping, and gives memory that nobody else knows of.
    let given = unsafe { libc::mmap(wanted, MOST, access, flags, -1, 0) };
    assert_eq!(given.expose_provenance(), BASE, "no memory at that address");
});

thread_local! {
    static SIZE: Cell<usize> = const { Cell::new(0) };
    static LIMIT: Cell<usize> = const { Cell::new(0) };
    static STATE: Cell<usize> = const { Cell::new(0) };
}

/// Begins with the program's pages alone; `more` pages may be added.
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
