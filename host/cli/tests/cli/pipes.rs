//! Commands whose output nobody reads any more, as after `| head`.

use std::io;
use std::process::Stdio;

use super::{command, text};

/// The exit code that shells have for SIGPIPE.
const NOBODY_READS: i32 = 141;

/// A pipe whose reader has left.
fn left() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_command_whose_reader_has_left_ends_silently() {
    let folder = tempfile::tempdir().expect("a directory");
    let at = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.into_os_string().into_string().expect("UTF-8")
    };
    let policy = at(
        "policy.toml",
        "version = 1\nallow = [\"https://a.test\"]\n[end]\n",
    );
    let log = at("log.jsonl", "");
    for arguments in [
        &["audit", &log][..],
        &["policy", "check", &policy],
        &["policy", "explain", "https://a.test", "--policy", &policy],
        &["distribution", "list"],
        &["run", "--json", "-c", "pass"],
    ] {
        let output = command(arguments).stdout(left()).output();
        let output = output.expect("the binary of this crate");
        let (code, said) = (output.status.code(), text(&output.stderr));
        assert_eq!((code, said), (Some(NOBODY_READS), ""), "{arguments:?}");
        // If somebody reads it, the message is printed.
        let output = command(arguments).output().expect("its end");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_last_message_that_nobody_reads_changes_no_exit_code() {
    for (options, expected) in [
        (&["-c", "raise SystemExit(1)"][..], 1),
        (&["--timeout", "300ms", "-c", "while True: pass"], 124),
        (&["-c", "raise SystemExit(3)"], 3),
    ] {
        let arguments = [&["run"][..], options].concat();
        let status = command(&arguments).stderr(left()).status();
        let status = status.expect("the binary of this crate");
        assert_eq!(status.code(), Some(expected), "{options:?}");
    }
}
