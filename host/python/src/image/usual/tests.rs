use std::fs;
use std::path::PathBuf;

use super::super::file::{Identity, ImageWriter};
use super::*;

const PAGES: usize = 3;
const WASM_PAGE: usize = 64 << 10;
const IDENTITY: Identity = [7; 32];

struct Cached {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Cached {
    fn new() -> Self {
        Self::with(PAGES)
    }

    fn with(pages: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("an.image");
        let mut writer = ImageWriter::create(&path, IDENTITY, WASM_PAGE).unwrap();
        let memory: Vec<u8> = (0..pages * WASM_PAGE).map(|at| (at % 251) as u8).collect();
        writer.append(&memory).unwrap();
        writer.finish().unwrap();
        Self {
            _directory: directory,
            path,
        }
    }

    fn open(&self) -> Image {
        Image::open(&self.path, &IDENTITY).unwrap()
    }

    fn beside(&self) -> PathBuf {
        self.path.with_extension(ENDING)
    }
}

type Ranges = Vec<Range<usize>>;

/// Those that are written and those that are shown.
fn pages(of: &Image) -> Option<(Ranges, Ranges)> {
    let written = of.usual()?.ranges().to_vec();
    Some((written, of.shown().to_vec()))
}

#[test]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is asked for"
)]
fn what_one_process_learns_the_next_one_knows_when_it_opens_the_image() {
    let (cached, page) = (Cached::new(), page_size());
    let first = cached.open();
    assert!(first.wants_rehearsal());
    first.learn(vec![page..3 * page], &[2 * WASM_PAGE..2 * WASM_PAGE + page]);
    assert!(!first.wants_rehearsal());
    let later = cached.open();
    let expected = (
        vec![page..3 * page],
        vec![0..WASM_PAGE, 2 * WASM_PAGE..3 * WASM_PAGE],
    );
    assert_eq!(pages(&later), Some(expected));
    assert!(!later.wants_rehearsal());
    let content = later.read().unwrap();
    for (at, bytes) in later.usual().unwrap().iter() {
        assert_eq!(bytes, &content[at..at + bytes.len()]);
    }
    // What is learned once more changes nothing.
    later.learn(vec![0..page], &[]);
    assert_eq!(pages(&cached.open()), pages(&first));
}

#[test]
fn what_is_kept_and_cannot_be_is_as_if_there_were_nothing() {
    let (cached, page) = (Cached::new(), page_size());
    let size = PAGES * WASM_PAGE;
    let range = |start: usize, end: usize| format!("{{\"start\":{start},\"end\":{end}}}");
    let kept = |page: usize, written: String, shown: String| {
        format!("{{\"page\":{page},\"written\":[{written}],\"shown\":[{shown}]}}")
    };
    let good = kept(page, range(0, page), range(0, WASM_PAGE));
    let rows = [
        ("good", good.clone(), true),
        ("empty", String::new(), false),
        ("cut short", good[..good.len() - 3].to_owned(), false),
        ("something else", "[1, 2]".to_owned(), false),
        (
            "another page's size",
            kept(page * 2, range(0, page * 2), String::new()),
            false,
        ),
        (
            "half a page",
            kept(page, range(0, page / 2), String::new()),
            false,
        ),
        (
            "nothing of it",
            kept(page, range(page, page), String::new()),
            false,
        ),
        (
            "back to front",
            kept(page, range(2 * page, page), String::new()),
            false,
        ),
        (
            "beyond its end",
            kept(page, range(size, size + page), String::new()),
            false,
        ),
        (
            "beyond all numbers",
            kept(page, range(0, usize::MAX), String::new()),
            false,
        ),
        (
            "twice the same",
            kept(
                page,
                [range(0, page), range(0, page)].join(","),
                String::new(),
            ),
            false,
        ),
        (
            "shown beyond its end",
            kept(page, range(0, page), range(0, size + page)),
            false,
        ),
        (
            "below zero",
            good.replace("\"start\":0", "\"start\":-1"),
            false,
        ),
    ];
    for (name, text, is_known) in rows {
        fs::write(cached.beside(), text).unwrap();
        let image = cached.open();
        assert_eq!(image.usual().is_some(), is_known, "{name}");
        assert_eq!(image.wants_rehearsal(), !is_known, "{name}");
    }
}

#[test]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is asked for"
)]
fn what_cannot_be_kept_is_known_to_this_process() {
    let (cached, page) = (Cached::new(), page_size());
    fs::create_dir(cached.beside()).unwrap();
    let image = cached.open();
    image.learn(vec![0..page], &[]);
    assert!(pages(&image).is_some());
    assert!(pages(&cached.open()).is_none());
}

#[test]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is asked for"
)]
fn more_pages_than_are_got_at_once_are_none_and_no_later_process_asks_again() {
    let cached = Cached::with(MOST_WRITTEN / WASM_PAGE + 1);
    cached.open().learn(vec![0..MOST_WRITTEN + WASM_PAGE], &[]);
    let later = cached.open();
    assert!(!later.wants_rehearsal());
    assert_eq!(pages(&later), Some((Vec::new(), Vec::new())));
}
