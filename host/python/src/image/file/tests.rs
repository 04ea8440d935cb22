//! The tests of image files.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const IDENTITY: Identity = [7; 32];

/// A private directory, and the image of this memory in it.
fn written(memory: &[u8], minimum: usize) -> (TempDir, PathBuf) {
    written_in(tempfile::tempdir().unwrap(), memory, minimum)
}

fn written_in(directory: TempDir, memory: &[u8], minimum: usize) -> (TempDir, PathBuf) {
    let path = directory.path().join("image");
    let mut writer = ImageWriter::create(&path, IDENTITY, minimum).unwrap();
    for piece in memory.chunks(2 * WASM_PAGE) {
        writer.append(piece).unwrap();
    }
    writer.finish().unwrap();
    (directory, path)
}

fn patterned(pages: usize) -> Vec<u8> {
    let mut memory = vec![0; pages * WASM_PAGE];
    for at in (PAGE + 5..memory.len()).step_by(3 * PAGE) {
        memory[at] = (at / PAGE) as u8 | 1;
    }
    memory
}

fn refusal(path: &Path) -> String {
    Image::open(path, &IDENTITY).unwrap_err().to_string()
}

/// A hole of a mapped file that is only read takes room there, and the system ends who reads it where there is none.
#[cfg(target_os = "linux")]
#[test]
fn an_image_has_its_room_where_a_hole_that_is_read_would_take_some() {
    use std::os::unix::fs::MetadataExt;

    let Ok(in_memory) = TempDir::new_in("/dev/shm") else {
        println!("skipped: there is no /dev/shm");
        return;
    };
    let mut memory = patterned(3);
    memory.resize(64 * WASM_PAGE, 0);
    let (directory, path) = written_in(in_memory, &memory, WASM_PAGE);
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.blocks() * 512 >= metadata.len());
    assert!(Image::open(&path, &IDENTITY).unwrap().read().unwrap() == memory);
    // What has no room has it before anybody maps it.
    let full = File::create(directory.path().join("full")).unwrap();
    assert!(fill_holes(&full, 1 << 60).is_err());
}

#[test]
fn what_was_written_is_read_and_zeros_take_no_room() {
    let mut memory = patterned(3);
    memory.resize(64 * WASM_PAGE, 0);
    let (_directory, path) = written(&memory, WASM_PAGE);
    let image = Image::open(&path, &IDENTITY).unwrap();
    assert_eq!(image.size(), memory.len());
    assert_eq!(image.minimum(), WASM_PAGE);
    assert!(image.read().unwrap() == memory);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.blocks() * 512 < metadata.len() / 4);
    }
}

#[test]
fn an_image_whose_holes_were_filled_by_a_copy_is_the_same() {
    let (_directory, path) = written(&patterned(4), WASM_PAGE);
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, whole).unwrap();
    Image::open(&path, &IDENTITY).unwrap();
}

#[test]
fn an_image_of_something_else_is_refused() {
    let (_directory, path) = written(&patterned(1), WASM_PAGE);
    let error = Image::open(&path, &[8; 32]).unwrap_err();
    assert!(error.to_string().contains("something else"), "{error}");
}

#[test]
fn an_image_that_is_cut_short_or_longer_is_refused_wherever() {
    let (_directory, path) = written(&patterned(2), WASM_PAGE);
    let whole = fs::metadata(&path).unwrap().len();
    for length in [whole + 1, whole - 1, START as u64, HEADER as u64, 1, 0] {
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(length).unwrap();
        let error = refusal(&path);
        let says = ["cut short", "size that it claims"];
        assert!(says.iter().any(|say| error.contains(say)), "{error}");
    }
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let (_directory, path) = written(&patterned(1), WASM_PAGE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let error = Image::open(&path, &IDENTITY).unwrap_err();
    assert!(matches!(
        error,
        ImageError::File(Error::CacheNotPrivate { .. })
    ));
}

#[test]
fn a_header_that_claims_an_impossible_size_is_refused() {
    let header = |minimum, size| Header {
        identity: IDENTITY,
        minimum,
        size,
        contents: Sums::default().end(),
    };
    for (minimum, size) in [
        (0, 1),
        (1, WASM_PAGE),
        (2 * WASM_PAGE, WASM_PAGE),
        (0, (1 << 32) + WASM_PAGE),
        (0, usize::MAX),
    ] {
        let bytes = header(minimum, size).bytes().try_into().unwrap();
        assert!(Header::parse(&bytes).is_err(), "{minimum} {size}");
    }
    let bytes = header(0, 1 << 32).bytes().try_into().unwrap();
    assert!(Header::parse(&bytes).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_is_found_wherever_it_counts(at in 0..3 * WASM_PAGE, bit in 0..8_u8) {
        let (_directory, path) = written(&patterned(2), WASM_PAGE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1_u8 << bit;
        fs::write(&path, bytes).unwrap();
        // What is between the header and the memory is nobody's.
        let counts = !(HEADER..START).contains(&at);
        prop_assert_eq!(Image::open(&path, &IDENTITY).is_err(), counts);
    }

    #[test]
    fn any_header_is_read_or_refused(bytes in proptest::array::uniform32(any::<u8>())) {
        let mut header = [0; HEADER];
        header[..32].copy_from_slice(&bytes);
        header[..16].copy_from_slice(MAGIC);
        prop_assert!(Header::parse(&header).is_err());
    }
}
