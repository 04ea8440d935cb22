//! `repl` with source text from elsewhere: each statement is a turn, and the exit code tells how it went.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::{prepare, text};

/// Runs `repl` with this source text as its stdin.
fn repl(arguments: &[&str], source: &str) -> Output {
    prepare();
    let state = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox-net"));
    let mut child = command
        .arg("repl")
        .args(arguments)
        .env("XDG_STATE_HOME", state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(source.as_bytes())
        .expect("a pipe that is read");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    let files = std::fs::read_dir(state.path()).expect("the directory");
    assert_eq!(files.count(), 0, "what nobody typed is no history");
    output
}

#[test]
fn statements_from_a_pipe_are_run_one_by_one_and_values_printed() {
    let source = "x = 20\nx + 1\ndef f(n):\n    return n * 2\n\nf(x)\nprint('hi')\n\
                  import asyncio\nawait asyncio.sleep(0, 'slept')\n'''two\nlines'''\n_";
    let output = repl(&[], source);
    let expected = "21\n40\nhi\n'slept'\n'two\\nlines'\n'two\\nlines'\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_exception_does_not_end_it_and_the_last_one_tells_in_the_exit_code() {
    for (source, code, stdout) in [
        ("1 / 0\n5", 0, "5\n"),
        ("5\n1 / 0", 1, "5\n"),
        ("exit(3)\n5", 3, ""),
        (
            "import atexit; atexit.register(print, 'end')",
            0,
            "<built-in function print>\nend\n",
        ),
        ("input()\n", 1, ""),
        ("if 1:\n  print('no empty line')", 0, "no empty line\n"),
        ("import sys; sys.modules.clear()\n1 + 1", 0, "2\n"),
        ("", 0, ""),
    ] {
        let output = repl(&[], source);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{source}: {}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stdout), stdout, "{source}");
        let has_error = text(&output.stderr).contains("Traceback (most recent call last)");
        assert_eq!(
            has_error,
            source.contains("1 / 0") || source.contains("input"),
            "{source}"
        );
    }
}

#[test]
fn options_are_those_of_run_and_what_is_missing_is_said() {
    let options = [
        "--env",
        "A=1",
        "--turn-timeout",
        "300ms",
        "--",
        "one",
        "--two",
    ];
    let source = "import os, sys\nos.environ['A'], sys.argv\nwhile True: pass\n\n'goes on'";
    let output = repl(&options, source);
    assert_eq!(
        text(&output.stdout),
        "('1', ['', 'one', '--two'])\n'goes on'\n"
    );
    let said = text(&output.stderr);
    assert!(said.contains("KeyboardInterrupt"), "{said}");
    assert!(
        said.contains("sandbox-net: the time limit ended the statement"),
        "{said}"
    );
    let output = repl(&[], "import flask");
    let said = text(&output.stderr);
    assert!(said.contains("--with flask"), "{said}");
    let output = repl(&["--memory", "1MiB"], "1");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).starts_with("sandbox-net: the memory limit can't be used"));
}
