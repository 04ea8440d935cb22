//! The tests of finding what was written, against the memory itself.

use std::ptr::NonNull;
use std::{ptr, slice};

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::*;

const PAGES: usize = 3000;

/// A private mapping of a file, and memory of no file after it.
struct Pages {
    start: NonNull<u8>,
    page: usize,
}

impl Pages {
    fn new() -> Self {
        let page = rustix::param::page_size();
        let file = tempfile::tempfile().unwrap();
        file.set_len((PAGES / 2 * page) as u64).unwrap();
        file.write_at(&[1], 0).unwrap();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the first mapping is at an address of the system's choice, the second one within it.
        let start = unsafe {
            let flags = MapFlags::PRIVATE;
            let start = mmap_anonymous(ptr::null_mut(), PAGES * page, access, flags).unwrap();
            let flags = flags | MapFlags::FIXED;
            mmap(start, PAGES / 2 * page, access, flags, &file, 0).unwrap()
        };
        Self {
            start: NonNull::new(start.cast()).unwrap(),
            page,
        }
    }

    fn addresses(&self) -> Range<usize> {
        let start = self.start.addr().get();
        start..start + PAGES * self.page
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: they are accessible, and borrowed with `self`.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), PAGES * self.page) }
    }

    /// The numbers of the pages in these ranges.
    fn numbers(&self, ranges: &[Range<usize>]) -> Vec<usize> {
        let start = self.addresses().start;
        let pages = ranges.iter().flat_map(|range| {
            let range = range.start - start..range.end - start;
            range.step_by(self.page)
        });
        pages.map(|at| at / self.page).collect()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the addresses are its own.
        unsafe { munmap(self.start.as_ptr().cast(), PAGES * self.page).unwrap() };
    }
}

#[test]
fn pages_that_were_written_are_found_and_those_that_were_read_are_not() {
    let mut pages = Pages::new();
    let page = pages.page;
    let sum: u32 = pages.bytes().iter().map(|byte| u32::from(*byte)).sum();
    assert_eq!(sum, 1);
    let found = written(pages.addresses()).unwrap();
    assert!(pages.numbers(&found).is_empty());
    // The zeros behind the file are no file's.
    let found = own(pages.addresses()).unwrap();
    assert!(
        pages
            .numbers(&found)
            .iter()
            .all(|number| *number >= PAGES / 2)
    );
    // Reading mapped what is of the file, and zeros behind it.
    let found = mapped(pages.addresses()).unwrap();
    assert!(
        pages
            .numbers(&found)
            .starts_with(&(0..PAGES / 2).collect::<Vec<_>>())
    );
    let pagemap = File::open("/proc/self/pagemap").unwrap();
    let looked = look(&pagemap, pages.addresses(), |_| true).unwrap();
    assert_eq!(pages.numbers(&looked), pages.numbers(&found));
    // More ranges than are asked for at a time.
    let touched: Vec<usize> = (0..PAGES).step_by(2).chain([1, 2999]).collect();
    for number in &touched {
        pages.bytes()[number * page + number % page] = 7;
    }
    let mut expected = touched;
    expected.sort_unstable();
    let found = written(pages.addresses()).unwrap();
    assert_eq!(pages.numbers(&found), expected);
    assert_eq!(found[0].len(), 3 * page);
    // Kernels that can't be asked so say it too; they don't tell zeros apart.
    let found = look(&pagemap, pages.addresses(), is_not_of_file).unwrap();
    let found = pages.numbers(&found);
    assert!(expected.iter().all(|number| found.contains(number)));
    let of_file: Vec<usize> = found.into_iter().filter(|n| *n < PAGES / 2).collect();
    expected.retain(|number| *number < PAGES / 2);
    assert_eq!(of_file, expected);
}

#[test]
fn zeros_that_hide_a_file_are_a_change_and_others_are_not() {
    let mut pages = Pages::new();
    let (page, half) = (pages.page, PAGES / 2);
    for number in [half + 2, half + 3, half + 9] {
        assert_eq!(pages.bytes()[number * page], 0, "it maps zeros");
    }
    for number in [1, half + 1, half + 20] {
        pages.bytes()[number * page] = 7;
    }
    let start = pages.addresses().start;
    let place = |number: usize| start + number * page;
    let file = place(0)..place(half);
    let none = changed(pages.addresses(), slice::from_ref(&file)).unwrap();
    assert_eq!(pages.numbers(&none), [1, half + 1, half + 20]);
    // As if a file were behind these.
    let files = [place(0)..place(half + 3), place(half + 9)..place(half + 30)];
    let hidden = changed(pages.addresses(), &files).unwrap();
    let expected = [1, half + 1, half + 2, half + 9, half + 20];
    assert_eq!(pages.numbers(&hidden), expected);
}
