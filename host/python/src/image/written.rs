//! Finds which pages of a private mapping are there, and which were written to, so that they are no longer those of
//! its file.
#![expect(
    unsafe_code,
    reason = "a call that the system's library does not know; see SAFETY"
)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::ioctl::{self, Ioctl, IoctlOutput, Opcode, opcode};

use super::ranges::without;

/// `struct page_region` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

impl Region {
    fn addresses(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO: u64 = 1 << 5;
/// Regions that are asked for at a time.
const REGIONS: usize = 1024;

/// In `/proc/PID/pagemap`: the page is present, swapped out, or one of a file.
const IS_PRESENT: u64 = 1 << 63;
const IS_SWAPPED: u64 = 1 << 62;
const IS_OF_FILE: u64 = 1 << 61;
const ENTRY: usize = 8;

/// The pages of these addresses that were written to, as ranges of addresses. Pages of memory that is no
/// file's are among them once they are not zero.
///
/// # Errors
///
/// If the system does not say it.
pub(super) fn written(addresses: Range<usize>) -> io::Result<Vec<Range<usize>>> {
    found(addresses, FILE | ZERO, is_not_of_file, |_| {})
}

/// The pages of these addresses that are there and no file's. Zeros that the system has shared (KSM) in the place of a
/// written page are among them.
///
/// # Errors
///
/// If the system does not say it.
pub(super) fn own(addresses: Range<usize>) -> io::Result<Vec<Range<usize>>> {
    found(addresses, FILE, is_not_of_file, |_| {})
}

/// The pages of these addresses that are not what is behind them: `files` there, and zeros elsewhere. Zeros that the
/// system has shared (KSM) in the place of a page that was written are among them where a file is behind.
///
/// # Errors
///
/// If the system does not say it.
pub(super) fn changed(
    addresses: Range<usize>,
    files: &[Range<usize>],
) -> io::Result<Vec<Range<usize>>> {
    let mut zeros = Vec::new();
    let own = found(addresses, FILE, is_not_of_file, |region| {
        if region.categories & ZERO != 0 {
            add(&mut zeros, region.addresses());
        }
    })?;
    Ok(without(&own, &without(&zeros, files)))
}

/// The pages of these addresses that are there, written to or not.
///
/// # Errors
///
/// If the system does not say it.
pub(super) fn mapped(addresses: Range<usize>) -> io::Result<Vec<Range<usize>>> {
    found(addresses, 0, |_| true, |_| {})
}

fn is_not_of_file(entry: u64) -> bool {
    entry & IS_OF_FILE == 0
}

/// The pages that are there, without those of these categories; older kernels tell it by an entry, and look at no
/// region.
fn found(
    addresses: Range<usize>,
    excluded: u64,
    is_wanted: impl Fn(u64) -> bool,
    look_at: impl FnMut(&Region),
) -> io::Result<Vec<Range<usize>>> {
    let pagemap = File::open("/proc/self/pagemap")?;
    match scan(&pagemap, addresses.clone(), excluded, look_at) {
        // A kernel before 6.7.
        Err(Errno::NOTTY | Errno::INVAL | Errno::NOSYS) => look(&pagemap, addresses, is_wanted),
        scanned => Ok(scanned?),
    }
}

/// `PAGEMAP_SCAN`.
fn scan(
    pagemap: &File,
    addresses: Range<usize>,
    excluded: u64,
    mut look_at: impl FnMut(&Region),
) -> Result<Vec<Range<usize>>, Errno> {
    let mut found = Vec::new();
    let mut regions = vec![Region::default(); REGIONS];
    let mut start = addresses.start as u64;
    while start < addresses.end as u64 {
        let call = Call {
            scan: Scan {
                size: size_of::<Scan>() as u64,
                start,
                end: addresses.end as u64,
                vec: regions.as_mut_ptr().expose_provenance() as u64,
                vec_len: regions.len() as u64,
                category_inverted: excluded,
                category_mask: excluded,
                category_anyof_mask: PRESENT | SWAPPED,
                return_mask: PRESENT | ZERO,
                ..Scan::default()
            },
        };
        // SAFETY: the structures are those of `linux/fs.h`, and the kernel writes `vec_len` regions at most
        // where `vec` points, which nobody else uses meanwhile.
        let (count, end) = unsafe { ioctl::ioctl(pagemap, call) }?;
        for region in &regions[..count.min(REGIONS)] {
            look_at(region);
            add(&mut found, region.addresses());
        }
        if end <= start {
            return Err(Errno::NOSYS);
        }
        start = end;
    }
    Ok(found)
}

struct Call {
    scan: Scan,
}

// SAFETY: the opcode's argument is a `pm_scan_arg`, which the kernel reads and writes.
unsafe impl Ioctl for Call {
    /// How many regions were found, and where the walk ended.
    type Output = (usize, u64);

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<Scan>(b'f', 16)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.scan).cast()
    }

    unsafe fn output_from_ptr(
        out: IoctlOutput,
        scan: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        // SAFETY: it is what `as_ptr` returned.
        let scan = unsafe { &*scan.cast::<Scan>() };
        Ok((usize::try_from(out).unwrap_or(0), scan.walk_end))
    }
}

/// Reads an entry for each page.
fn look(
    pagemap: &File,
    addresses: Range<usize>,
    is_wanted: impl Fn(u64) -> bool,
) -> io::Result<Vec<Range<usize>>> {
    let page = rustix::param::page_size();
    let mut found = Vec::new();
    let mut entries = vec![0; REGIONS * ENTRY];
    for start in addresses.clone().step_by(REGIONS * page) {
        let pages = ((addresses.end - start) / page).min(REGIONS);
        let entries = &mut entries[..pages * ENTRY];
        pagemap.read_exact_at(entries, (start / page * ENTRY) as u64)?;
        let (entries, _) = entries.as_chunks::<ENTRY>();
        for (number, entry) in entries.iter().enumerate() {
            let entry = u64::from_ne_bytes(*entry);
            if entry & (IS_PRESENT | IS_SWAPPED) != 0 && is_wanted(entry) {
                let at = start + number * page;
                add(&mut found, at..at + page);
            }
        }
    }
    Ok(found)
}

/// Adds what comes after the others.
fn add(found: &mut Vec<Range<usize>>, range: Range<usize>) {
    match found.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => found.push(range),
    }
}

#[cfg(test)]
#[path = "written_tests.rs"]
mod tests;
