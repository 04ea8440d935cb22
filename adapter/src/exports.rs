//! The exports of the module: three functions of preview1, and the canonical ABI's `realloc`.

use core::arch::wasm32::unreachable;
use core::ptr::NonNull;

use crate::allocator;
use crate::channel::{self, CONTROL, Target};
use crate::guest::{Buffers, Errno, Place};

/// The functions that the guest would have called without the adapter.
mod next {
    #[link(wasm_import_module = "__main_module__")]
    unsafe extern "C" {
        #[link_name = "wasi_snapshot_preview1#fd_write"]
        pub(super) safe fn fd_write(fd: u32, list: u32, count: u32, written: u32) -> u32;
        #[link_name = "wasi_snapshot_preview1#fd_read"]
        pub(super) safe fn fd_read(fd: u32, list: u32, count: u32, read: u32) -> u32;
        #[link_name = "wasi_snapshot_preview1#fd_fdstat_get"]
        pub(super) safe fn fd_fdstat_get(fd: u32, status: u32) -> u32;
    }
}

/// The size of preview1's `fdstat`, and its fields that are not 0.
const STATUS: usize = 24;
const FILETYPE: usize = 0;
const RIGHTS: usize = 8;
const CHARACTER_DEVICE: u8 = 2;
const RIGHT_READ: u8 = 1 << 1;
const RIGHT_WRITE: u8 = 1 << 6;

#[unsafe(export_name = "fd_write")]
extern "C" fn fd_write(fd: u32, list: u32, count: u32, written: u32) -> u32 {
    match channel::of(fd) {
        Target::Frames => transfer(list, count, written, channel::write),
        Target::Bodies(id) => transfer(list, count, written, |data| channel::write_body(id, data)),
        Target::Other => next::fd_write(fd, list, count, written),
    }
}

#[unsafe(export_name = "fd_read")]
extern "C" fn fd_read(fd: u32, list: u32, count: u32, read: u32) -> u32 {
    match channel::of(fd) {
        Target::Frames => transfer(list, count, read, channel::read),
        Target::Bodies(id) => transfer(list, count, read, |place| channel::read_body(id, place)),
        Target::Other => next::fd_read(fd, list, count, read),
    }
}

fn transfer(list: u32, count: u32, moved: u32, by: impl Fn(Buffers) -> Result<u32, Errno>) -> u32 {
    errno((|| {
        // Check all addresses first: a command is never carried out twice.
        let moved = Place::new(moved)?;
        moved.set(by(Buffers::new(list, count)?)?);
        Ok(())
    })())
}

#[unsafe(export_name = "fd_fdstat_get")]
extern "C" fn fd_fdstat_get(fd: u32, status: u32) -> u32 {
    if fd != CONTROL {
        return next::fd_fdstat_get(fd, status);
    }
    let mut answer = [0; STATUS];
    answer[FILETYPE] = CHARACTER_DEVICE;
    answer[RIGHTS] = RIGHT_READ | RIGHT_WRITE;
    errno(Place::new(status).map(|place| place.set(answer)))
}

fn errno(result: Result<(), Errno>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(errno) => errno as u32,
    }
}

/// Allocates where the host puts its results.
#[unsafe(export_name = "cabi_import_realloc")]
unsafe extern "C" fn cabi_import_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: the canonical ABI makes the same promise.
    let block = unsafe { allocator::realloc(old, old_size, align, new_size) };
    // Nothing else can be told to the host in the midst of lowering a result.
    block.map_or_else(|| unreachable(), NonNull::as_ptr)
}
