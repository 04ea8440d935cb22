//! The tests of image files with notes, which anybody may have written.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const NOTE: &[u8] = b"{\"what\": \"it was made of\"}";

fn memory() -> Vec<u8> {
    let mut memory = vec![0; 3 * WASM_PAGE];
    for at in (5..memory.len()).step_by(5 * PAGE + 1) {
        memory[at] = (at / PAGE) as u8 | 1;
    }
    memory
}

/// A directory, and the image of this memory in it.
fn written() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let mut writer = ImageWriter::with_notes(Some(&path), NOTE.to_vec(), WASM_PAGE).unwrap();
    writer.append(&memory()).unwrap();
    writer.finish().unwrap();
    (directory, path)
}

fn refusal(path: &Path) -> String {
    Image::open_copy(path).unwrap_err().to_string()
}

#[test]
fn a_copy_is_what_was_written_whatever_becomes_of_the_file() {
    let (_directory, path) = written();
    let (image, notes) = Image::open_copy(&path).unwrap();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert_eq!(notes, NOTE);
    assert_eq!((image.size(), image.minimum()), (3 * WASM_PAGE, WASM_PAGE));
    assert!(image.read().unwrap() == memory());
    #[cfg(target_os = "linux")]
    {
        let mut file = &*image.parts()[0].file;
        assert!(file.set_len(0).is_err(), "it is sealed");
        file.seek(SeekFrom::Start(START as u64)).unwrap();
        assert!(file.write_all(b"x").is_err(), "it is sealed");
    }
}

#[test]
fn what_is_saved_is_the_same_image_and_takes_the_place_of_another_at_once() {
    let (directory, path) = written();
    let (image, _) = Image::open_copy(&path).unwrap();
    let saved = directory.path().join("saved");
    for _ in 0..2 {
        image.save(&saved).unwrap();
        let (again, notes) = Image::open_copy(&saved).unwrap();
        assert!(again.read().unwrap() == memory() && notes == NOTE);
    }
    let missing = directory.path().join("missing/saved");
    assert!(image.save(&missing).is_err());
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing else stays");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&saved).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let (directory, path) = written();
    let whole = fs::metadata(&path).unwrap().len();
    for length in [whole + 1, whole - 1, START as u64, HEADER as u64, 1, 0] {
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length)
            .unwrap();
        let error = refusal(&path);
        let says = ["cut short", "size that it claims"];
        assert!(says.iter().any(|say| error.contains(say)), "{error}");
    }
    let other = vec![b'x'; START + WASM_PAGE];
    fs::write(&path, &other).unwrap();
    assert!(refusal(&path).contains("another kind"));
    let later = [b"sandbox-net i\0\0\x02".as_slice(), &other].concat();
    fs::write(&path, later).unwrap();
    assert!(refusal(&path).contains("another version"));
    assert!(refusal(directory.path()).contains("is not a file"));
    #[cfg(unix)]
    {
        let pipe = directory.path().join("pipe");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        assert!(refusal(&pipe).contains("is not a file"));
    }
    // An image of the cache has no notes.
    let plain = directory.path().join("plain");
    let mut writer = ImageWriter::create(&plain, [7; 32], WASM_PAGE).unwrap();
    writer.append(&memory()).unwrap();
    writer.finish().unwrap();
    assert!(refusal(&plain).contains("has no notes"));
}

#[test]
fn notes_that_do_not_fit_are_refused_before_anything_is_written() {
    for notes in [Vec::new(), vec![b' '; MAX_NOTES + 1]] {
        assert!(ImageWriter::with_notes(None, notes, WASM_PAGE).is_err());
    }
    let mut most = ImageWriter::with_notes(None, vec![b' '; MAX_NOTES], WASM_PAGE).unwrap();
    most.append(&[0; WASM_PAGE]).unwrap();
    most.finish().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_is_found_wherever_it_counts(
        at in prop_oneof![0..NOTES_TEXT + NOTE.len() + 9, 0..4 * WASM_PAGE],
        bit in 0..8_u8,
    ) {
        let (_directory, path) = written();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1_u8 << bit;
        fs::write(&path, bytes).unwrap();
        let padding = (HEADER..NOTES).contains(&at) || (NOTES_TEXT + NOTE.len()..START).contains(&at);
        prop_assert_eq!(Image::open_copy(&path).is_err(), !padding);
    }
}
