//! The tests of memories that are frozen and copied, against plain vectors.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use proptest::prelude::*;
use wasmtime::LinearMemory;

use super::super::layers::MOST;
use super::super::parts::{Image, Part};
use super::tests::{assert_guarded, bytes, bytes_mut, image, memory_of, room};
use super::{Mapping, Room};

const WASM_PAGE: usize = 64 << 10;
const PAGE: usize = 4096;
/// More than any memory here has.
const RESERVED: usize = 64 * WASM_PAGE;

/// The blocks of the files behind these parts.
fn taken(parts: &[Part]) -> u64 {
    let mut files: Vec<_> = parts.iter().map(|part| part.file.clone()).collect();
    files.sort_by_key(Arc::as_ptr);
    files.dedup_by_key(|file| Arc::as_ptr(file));
    let blocks = files.iter().map(|file| file.metadata().unwrap().blocks());
    blocks.sum::<u64>() * 512
}

/// The header of the first image, and what a file system adds.
const FIRST: u64 = 256 << 10;

/// A memory, and what has to be in it.
struct Checked {
    memory: Mapping,
    model: Vec<u8>,
}

impl Checked {
    fn begin(room: Room, image: &Arc<Image>, model: Vec<u8>) -> Self {
        let memory = Mapping::new(room, Some(image)).unwrap();
        Self {
            memory: memory.freezes(|_| true),
            model,
        }
    }

    fn check(&self) {
        assert!(bytes(&self.memory) == self.model);
        assert_guarded(&self.memory);
    }

    fn write(&mut self, page: usize, byte: u8) {
        let at = page * PAGE % self.model.len() + usize::from(byte);
        self.model[at] = byte;
        bytes_mut(&mut self.memory)[at] = byte;
    }

    fn grow(&mut self, pages: usize) {
        self.model.resize(self.model.len() + pages * WASM_PAGE, 0);
        self.memory.grow_to(self.model.len()).unwrap();
    }

    fn freeze(&mut self) -> Arc<Image> {
        let (parts, loose) = self.memory.addresses.freeze().unwrap();
        assert!(parts.len() <= 2 * MOST + 1, "{} parts", parts.len());
        let size = self.model.len();
        assert!(taken(&parts) <= 3 * size as u64 + FIRST, "{parts:?}");
        Arc::new(Image::of_parts(parts, loose, WASM_PAGE, size))
    }

    fn copy(&mut self) -> Self {
        let size = self.model.len();
        Self::begin(room(size, RESERVED), &self.freeze(), self.model.clone())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<(usize, u8)>),
    Grow(usize, usize),
    Copy(usize),
    Drop(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..8_usize;
    let writes = proptest::collection::vec((0..800_usize, any::<u8>()), 1..60);
    let step = prop_oneof![
        4 => (who(), writes).prop_map(|(who, writes)| Step::Write(who, writes)),
        2 => (who(), 1..4_usize).prop_map(|(who, pages)| Step::Grow(who, pages)),
        3 => who().prop_map(Step::Copy),
        1 => who().prop_map(Step::Drop),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn copies_and_copies_of_copies_go_their_own_ways(steps in steps()) {
        let model = memory_of(5);
        let file = image(&model, WASM_PAGE);
        let mut all = vec![Checked::begin(room(model.len(), RESERVED), &file, model)];
        for step in steps {
            let count = all.len();
            match step {
                Step::Write(who, writes) => for (page, byte) in writes {
                    all[who % count].write(page, byte);
                },
                Step::Grow(who, pages) => if all[who % count].model.len() < RESERVED / 2 {
                    all[who % count].grow(pages);
                },
                Step::Copy(who) => if count < 8 {
                    let copy = all[who % count].copy();
                    all.push(copy);
                },
                Step::Drop(who) => if count > 1 {
                    drop(all.swap_remove(who % count));
                },
            }
            all.iter().for_each(Checked::check);
        }
        drop(all);
        prop_assert!(file.read().unwrap() == memory_of(5));
    }
}

#[test]
fn what_was_frozen_is_read_as_it_was() {
    let model = memory_of(4);
    let file = image(&model, WASM_PAGE);
    let mut one = Checked::begin(room(model.len(), RESERVED), &file, model);
    one.write(3, 9);
    one.grow(2);
    one.write(80, 8);
    let (frozen, was) = (one.freeze(), one.model.clone());
    one.write(3, 1);
    one.write(80, 2);
    one.check();
    assert!(frozen.read().unwrap() == was);
    // Unchanged, it is frozen again without a new file.
    let (again, more) = (one.freeze(), one.freeze());
    let files = |image: &Image| -> Vec<_> {
        let files = image.parts().iter().map(|part| Arc::as_ptr(&part.file));
        files.collect()
    };
    assert_eq!(files(&again), files(&more));
}

#[test]
fn a_memory_that_moves_is_frozen_too() {
    let model = memory_of(2);
    let file = image(&model, WASM_PAGE);
    let mut one = Checked::begin(room(model.len(), 3 * WASM_PAGE), &file, model);
    for _ in 0..5 {
        one.grow(1);
        one.write(one.model.len() / PAGE - 1, 5);
        one.check();
        let copy = one.copy();
        copy.check();
        one.check();
    }
}

#[test]
fn a_file_that_was_frozen_is_never_written_again() {
    let model = memory_of(2);
    let file = image(&model, WASM_PAGE);
    let mut one = Checked::begin(room(model.len(), RESERVED), &file, model);
    one.grow(1);
    one.write(40, 3);
    one.write(0, 3);
    let frozen = one.freeze();
    let mut sealed = 0;
    for part in frozen.parts() {
        use std::os::unix::fs::FileExt;

        let refused = part.file.write_at(b"x", part.offset as u64);
        let is_image = Arc::ptr_eq(&part.file, &file.parts()[0].file);
        sealed += usize::from(!is_image);
        assert!(refused.is_err(), "{part:?}");
    }
    assert!(sealed >= 1);
}

#[test]
fn files_of_which_little_is_used_are_left_behind() {
    let model = memory_of(8);
    let file = image(&model, WASM_PAGE);
    let mut one = Checked::begin(room(model.len(), RESERVED), &file, model);
    for round in 0..40_u8 {
        // All but a piece that is long enough to be kept, another one each time.
        let pages = one.model.len() / PAGE;
        for page in 0..pages {
            if page / 20 != usize::from(round) % 6 {
                one.write(page, round);
            }
        }
        one = one.copy();
        one.check();
    }
}
