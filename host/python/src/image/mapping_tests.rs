//! The tests of mapped memory, by itself and under compiled code.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use wasmtime::{Config, Engine, Instance, LinearMemory, Linker, Memory, Module, Store};

use super::super::creator::{configure, with_image};
use super::super::file::ImageWriter;
use super::super::owned::Owned;
use super::super::parts::{Image, Loose};
use super::{Mapping, Room};

const PAGE: usize = 64 << 10;

pub(super) fn memory_of(pages: usize) -> Vec<u8> {
    let bytes = (0..pages * PAGE).map(|at| (at % 251) as u8 * u8::from(at / 4096 % 3 != 1));
    bytes.collect()
}

/// An image of this memory. Its file has no name any more.
pub(super) fn image(memory: &[u8], minimum: usize) -> Arc<Image> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("image");
    let mut writer = ImageWriter::create(&path, [1; 32], minimum).unwrap();
    writer.append(memory).unwrap();
    writer.finish().unwrap();
    Arc::new(Image::open(&path, &[1; 32]).unwrap())
}

pub(super) fn room(size: usize, reserved: usize) -> Room {
    Room::of(size, Some(reserved), 2 * PAGE)
}

pub(super) fn bytes(memory: &Mapping) -> &[u8] {
    // SAFETY: they are accessible, and nobody writes to them while `memory` is borrowed.
    unsafe { std::slice::from_raw_parts(memory.as_ptr(), memory.byte_size()) }
}

pub(super) fn bytes_mut(memory: &mut Mapping) -> &mut [u8] {
    // SAFETY: they are accessible, and `memory` is borrowed for as long.
    unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.byte_size()) }
}

/// Whether the system lets this process read and write at the address.
fn is_accessible(address: usize) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let access = maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        let range = number(from)..number(to);
        range.contains(&address).then(|| rest.starts_with("rw"))
    });
    access == Some(true)
}

/// What is accessible, and nothing before and after it.
pub(super) fn assert_guarded(memory: &Mapping) {
    let (base, size) = (memory.as_ptr() as usize, memory.byte_size());
    let end = base + memory.byte_capacity() + 2 * PAGE;
    for inaccessible in [base - 2 * PAGE, base - 1, base + size, end - 1] {
        assert!(!is_accessible(inaccessible), "{inaccessible:x}");
    }
    for accessible in [base, base + size - 1] {
        assert!(is_accessible(accessible), "{accessible:x}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against a plain vector: whatever the sizes, whether it moves or not.
    #[test]
    fn a_memory_that_grows_keeps_its_bytes_and_its_guards(
        pages in 1..5_usize,
        reserved in 0..12_usize,
        is_image in any::<bool>(),
        steps in proptest::collection::vec((1..4_usize, any::<u8>()), 0..5),
    ) {
        let mut model = memory_of(pages);
        let file = image(&model, PAGE);
        let mut memory = match is_image {
            true => Mapping::new(room(model.len(), reserved * PAGE), Some(&file)).unwrap(),
            false => {
                model.fill(0);
                Mapping::new(room(model.len(), reserved * PAGE), None).unwrap()
            }
        };
        prop_assert!(bytes(&memory) == model);
        assert_guarded(&memory);
        for (more, byte) in steps {
            let (base, fits) = (memory.as_ptr(), model.len() + more * PAGE <= memory.byte_capacity());
            let at = model.len() - 1;
            (model[at], bytes_mut(&mut memory)[at]) = (byte, byte);
            model.resize(model.len() + more * PAGE, 0);
            memory.grow_to(model.len()).unwrap();
            prop_assert!(bytes(&memory) == model);
            prop_assert!(!fits || memory.as_ptr() == base);
            assert_guarded(&memory);
        }
        prop_assert!(memory.grow_to(memory.byte_size() - PAGE).is_err());
        // What was written was written to this copy alone.
        prop_assert!(file.read().unwrap() == memory_of(pages));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_one_instance_wrote_to_later_ones_get_at_once_and_unchanged() {
    const PAGES: usize = 64;
    let (page, content) = (rustix::param::page_size(), memory_of(PAGES));
    let image = image(&content, content.len());
    let new = || Mapping::new(room(content.len(), content.len()), Some(&image)).unwrap();
    let _alone = alone();
    let (first, mut teacher) = (new(), new());
    for number in [3, 4, 40] {
        bytes_mut(&mut teacher)[number * page] ^= 1;
    }
    let written = |of: &Mapping| of.addresses.written(content.len()).unwrap();
    image.learn(written(&teacher), &[]);
    let later = new();
    assert_eq!(
        bytes(&later),
        content,
        "it has them as they are in the image"
    );
    let expected = [3 * page..5 * page, 40 * page..41 * page];
    // A system that does not get them at once leaves them to be got one by one.
    assert!(written(&later) == expected || written(&later).is_empty());
    assert!(written(&first).is_empty(), "it began before");
    // The first time counts.
    let mut other = new();
    bytes_mut(&mut other).fill(0);
    image.learn(written(&other), &[]);
    assert_eq!(image.usual().unwrap().ranges().len(), 2);
}

/// The number of a spare is that of its addresses.
#[cfg(target_os = "linux")]
fn place(of: &Mapping) -> usize {
    of.as_ptr().addr()
}

/// Spares are one list for the process: a test that counts on one runs alone among its kind.
#[cfg(target_os = "linux")]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// An image of which it is known that its instances write to some pages, and read others.
#[cfg(target_os = "linux")]
fn taught(content: &[u8], written: &[usize], read: &[usize]) -> Arc<Image> {
    let page = rustix::param::page_size();
    let image = image(content, PAGE);
    let ranges = |numbers: &[usize]| -> Vec<_> {
        let numbers = numbers.iter();
        numbers
            .map(|number| number * page..(number + 1) * page)
            .collect()
    };
    image.learn(ranges(written), &ranges(read));
    image
}

#[cfg(target_os = "linux")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was written, and however it grew.
    #[test]
    fn memory_that_was_given_back_begins_again_as_its_image_with_its_guards(
        pages in 1..4_usize,
        usual in proptest::collection::btree_set(0..16_usize, 0..6),
        read in proptest::collection::btree_set(0..64_usize, 0..6),
        writes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..40),
        more in 0..3_usize,
    ) {
        let _alone = alone();
        let content = memory_of(pages);
        let usual: Vec<usize> = usual.into_iter().collect();
        let read = read.into_iter().filter(|number| number * rustix::param::page_size() < content.len());
        let image = taught(&content, &usual, &read.collect::<Vec<_>>());
        let new = || Mapping::new(room(content.len(), 8 * PAGE), Some(&image)).unwrap();
        let mut first = new();
        let begins = first.addresses.written(content.len()).unwrap();
        first.grow_to(content.len() + more * PAGE).unwrap();
        for (at, byte) in &writes {
            let at = at.index(first.byte_size());
            bytes_mut(&mut first)[at] ^= byte;
        }
        let was = place(&first);
        drop(first);
        let mut again = new();
        prop_assert_eq!(place(&again), was, "it is the one that was given back");
        // Which pages the other one wrote to, nobody can tell from how long a write takes.
        prop_assert_eq!(&again.addresses.written(content.len()).unwrap(), &begins);
        // Nor which pages it read, from how long a read takes.
        let mapped = again.addresses.mapped(content.len()).unwrap();
        for (at, byte) in &writes {
            bytes_mut(&mut again)[at.index(content.len())] ^= byte;
        }
        prop_assert!(bytes(&again).len() == content.len());
        drop(again);
        let mut again = new();
        prop_assert_eq!(place(&again), was);
        prop_assert_eq!(again.addresses.mapped(content.len()).unwrap(), mapped);
        prop_assert_eq!(again.addresses.written(content.len()).unwrap(), begins);
        prop_assert!(bytes(&again) == content);
        assert_guarded(&again);
        again.grow_to(content.len() + 3 * PAGE).unwrap();
        prop_assert!(bytes(&again)[content.len()..].iter().all(|byte| *byte == 0));
        prop_assert!(image.read().unwrap() == content);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_given_back_to_nobody_else() {
    let _alone = alone();
    let content = memory_of(2);
    let (image, other) = (taught(&content, &[1], &[]), taught(&content, &[1], &[]));
    let new = |of, reserved| Mapping::new(room(content.len(), reserved), Some(of)).unwrap();
    let first = new(&image, 8 * PAGE);
    let was = place(&first);
    drop(first);
    // Another image's, with other room, and none that is in use.
    let (others, larger) = (new(&other, 8 * PAGE), new(&image, 9 * PAGE));
    let (own, next) = (new(&image, 8 * PAGE), new(&image, 8 * PAGE));
    assert_eq!(place(&own), was);
    for different in [others, larger, next] {
        assert_ne!(place(&different), was);
        assert!(bytes(&different) == content);
    }
}

#[cfg(target_os = "linux")]
#[test]
#[expect(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is asked for"
)]
fn an_image_with_pages_beside_its_file_has_no_spares() {
    let _alone = alone();
    let (page, file) = (rustix::param::page_size(), image(&memory_of(2), PAGE));
    let loose = Loose::new(vec![2 * page..3 * page], vec![7; page]);
    let image = Image::of_parts(file.parts().to_vec(), loose, PAGE, 2 * PAGE);
    image.learn(vec![page..2 * page], &[]);
    let (image, content) = (Arc::new(image), file.read().unwrap());
    assert!(image.read().unwrap() != content);
    for _ in 0..3 {
        let mut memory = Mapping::new(room(2 * PAGE, 8 * PAGE), Some(&image)).unwrap();
        assert!(bytes(&memory) == image.read().unwrap());
        bytes_mut(&mut memory).fill(1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn spares_are_bounded_and_go_with_their_image() {
    let _alone = alone();
    // No other test has memory of this size.
    let content = memory_of(7);
    let image = taught(&content, &[1], &[]);
    let new = || Mapping::new(room(content.len(), 8 * PAGE), Some(&image)).unwrap();
    let many: Vec<Mapping> = (0..300).map(|_| new()).collect();
    let places: Vec<usize> = many.iter().map(place).collect();
    let kept = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let is_there = |at: &&usize| maps.contains(&format!("{at:x}-{:x} ", **at + content.len()));
        places.iter().filter(is_there).count()
    };
    assert_eq!(kept(), places.len());
    drop(many);
    let most = 2 * std::thread::available_parallelism().unwrap().get();
    assert_eq!(kept(), most);
    drop(image);
    assert_eq!(kept(), 0);
}

#[test]
fn copies_of_an_image_share_nothing_that_is_written() {
    let file = image(&memory_of(2), PAGE);
    let new = || Mapping::new(room(2 * PAGE, 8 * PAGE), Some(&file)).unwrap();
    let (mut one, other) = (new(), new());
    bytes_mut(&mut one).fill(9);
    assert!(bytes(&other) == memory_of(2));
    assert!(bytes(&new()) == memory_of(2));
}

/// Bytes of memory that others may not have mapped.
fn copied(memory: &Owned) -> &[u8] {
    // SAFETY: as in `bytes`.
    unsafe { std::slice::from_raw_parts(memory.as_ptr(), memory.byte_size()) }
}

#[test]
fn memory_that_is_no_mapping_grows_and_begins_as_the_image_too() {
    let mut model = memory_of(2);
    let file = image(&model, PAGE);
    let mut memory = Owned::new(Room::of(2 * PAGE, Some(0), 0), Some(&file)).unwrap();
    for pages in [2, 3, 4, 9, 10] {
        model.resize(pages * PAGE, 0);
        memory.grow_to(model.len()).unwrap();
        assert!(copied(&memory) == model);
        assert!(memory.byte_capacity() >= model.len());
    }
    assert!(memory.grow_to(PAGE).is_err());
    assert!(Owned::new(Room::of(PAGE, Some(0), PAGE), None).is_err());
    assert!(copied(&Owned::new(Room::of(PAGE, None, 0), None).unwrap()) == vec![0; PAGE]);
}

#[test]
fn an_empty_memory_is_one() {
    for reserved in [0, PAGE] {
        let mut memory = Mapping::new(Room::of(0, Some(reserved), 0), None).unwrap();
        assert_eq!(memory.byte_size(), 0);
        memory.grow_to(PAGE).unwrap();
        assert!(bytes(&memory) == vec![0; PAGE]);
    }
}

#[test]
fn a_size_beyond_all_addresses_is_an_error() {
    let huge = Room::of(usize::MAX - 5, None, PAGE);
    assert!(Mapping::new(huge, None).is_err());
}

/// `load` and `store` at an address, `grow` by pages; the memory begins with one page.
const CODE: &str = "(module
    (memory (export \"memory\") 1)
    (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))";
/// It fills its memory itself, as embedders' modules do.
const OTHER: &str = "(module (memory (export \"memory\") 1) (data (i32.const 3) \"own\"))";

fn engine(change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::new();
    configure(&mut config);
    change(&mut config);
    Engine::new(&config).unwrap()
}

fn module(engine: &Engine, code: &str) -> Module {
    Module::new(engine, wat::parse_str(code).unwrap()).unwrap()
}

async fn instance(store: &mut Store<()>, code: &str, image: Option<&Arc<Image>>) -> Instance {
    let module = module(store.engine(), code);
    let linker = Linker::new(store.engine());
    let work = linker.instantiate_async(&mut *store, &module);
    let made = match image {
        Some(image) => with_image(image, work).await,
        None => work.await,
    };
    made.unwrap()
}

fn memory(store: &mut Store<()>, instance: Instance) -> Memory {
    instance.get_memory(store, "memory").unwrap()
}

#[tokio::test]
async fn compiled_code_sees_the_image_and_traps_behind_it() {
    let content = memory_of(3);
    let file = image(&content, PAGE);
    let settings: [fn(&mut Config); 4] = [
        |_| {},
        // It moves when it grows.
        |config| _ = config.memory_reservation(0),
        |config| _ = config.memory_reservation(PAGE as u64).memory_guard_size(0),
        // Bounds are checked, because no signal is caught.
        |config| _ = config.signals_based_traps(false),
    ];
    for change in settings {
        let mut store = Store::new(&engine(change), ());
        let instance = instance(&mut store, CODE, Some(&file)).await;
        assert!(memory(&mut store, instance).data(&store) == content);
        let load = instance.get_typed_func::<i32, i32>(&mut store, "load");
        let load = load.unwrap();
        let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow");
        let grow = grow.unwrap();
        let end = 3 * PAGE as i32;
        let last = load.call_async(&mut store, end - 1).await.unwrap();
        assert_eq!(last, i32::from(content[3 * PAGE - 1]));
        assert!(load.call_async(&mut store, end).await.is_err());
        assert!(load.call_async(&mut store, -1).await.is_err());
        assert_eq!(grow.call_async(&mut store, 70).await.unwrap(), 3);
        assert_eq!(load.call_async(&mut store, end).await.unwrap(), 0);
        let first = load.call_async(&mut store, end - 1).await.unwrap();
        assert_eq!(first, last, "it may have moved");
        assert!(load.call_async(&mut store, 73 * PAGE as i32).await.is_err());
    }
}

#[tokio::test]
async fn other_memories_of_the_engine_are_ordinary_ones() {
    let engine = engine(|_| {});
    let mut store = Store::new(&engine, ());
    let one = instance(&mut store, OTHER, None).await;
    let data = memory(&mut store, one).data(&store);
    assert_eq!(&data[..8], b"\0\0\0own\0\0");
    assert_eq!(data.len(), PAGE);
    // After and before an instance that has an image, too.
    let file = image(&memory_of(2), PAGE);
    let imaged = instance(&mut store, CODE, Some(&file)).await;
    assert_eq!(memory(&mut store, imaged).data(&store).len(), 2 * PAGE);
    let plain = instance(&mut store, CODE, None).await;
    assert!(memory(&mut store, plain).data(&store) == vec![0; PAGE]);
}

#[tokio::test]
async fn instances_that_are_made_at_once_get_their_own_images() {
    let engine = engine(|_| {});
    let make = |byte: u8| {
        let engine = engine.clone();
        async move {
            let file = image(&vec![byte; PAGE], PAGE);
            let mut store = Store::new(&engine, ());
            tokio::task::yield_now().await;
            let made = instance(&mut store, CODE, Some(&file)).await;
            memory(&mut store, made)
                .data(&store)
                .iter()
                .all(|b| *b == byte)
        }
    };
    let tasks: Vec<_> = (1..20).map(|byte| tokio::spawn(make(byte))).collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
}

#[tokio::test]
async fn an_engine_that_makes_its_memories_otherwise_is_refused() {
    let engine = Engine::default();
    let module = module(&engine, CODE);
    let mut store = Store::new(&engine, ());
    let linker = Linker::new(&engine);
    let file = image(&memory_of(1), PAGE);
    let made = with_image(&file, linker.instantiate_async(&mut store, &module)).await;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("OnDemand"), "{error}");
}

#[tokio::test]
async fn an_image_larger_than_the_modules_maximum_is_refused() {
    let code = CODE.replace(") 1)", ") 1 2)");
    let engine = engine(|_| {});
    let module = module(&engine, &code);
    let mut store = Store::new(&engine, ());
    let linker = Linker::new(&engine);
    let file = image(&memory_of(3), PAGE);
    let made = with_image(&file, linker.instantiate_async(&mut store, &module)).await;
    let error = format!("{:#}", made.unwrap_err());
    assert!(error.contains("larger than it may be"), "{error}");
}
