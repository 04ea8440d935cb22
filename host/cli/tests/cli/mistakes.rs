//! Mistakes in a command, and machines without room for a run: the message and the exit code.

use std::path::Path;
use std::process::{Command, Output};

use super::{TOOL_ERROR, command, run, text};

/// The output for arguments that the command refuses.
fn refused(arguments: &[&str]) -> Output {
    let output = run(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(TOOL_ERROR),
        "{arguments:?}: {stderr}"
    );
    output
}

#[test]
fn a_mistake_in_the_command_says_what_to_write() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["run", "--timeout", "5", "-c", "pass"],
            &["such as 5s or 5m"],
        ),
        (
            &["run", "--prepare-timeout", "2.5", "-c", "pass"],
            &["with its unit"],
        ),
        (
            &["run", "--with", "../package", "-c", "pass"],
            &["it is a path", "pip wheel --no-deps"],
        ),
        (
            &["run", "--allwo", "https://api.test", "-c", "pass"],
            &["--allwo is no option of 'run'", "run --help"],
        ),
        (&["run"], &["SCRIPT", "-c", "-m", "Usage"]),
        (&["run", "--json"], &["SCRIPT", "-c", "-m", "Usage"]),
    ];
    for (arguments, parts) in cases {
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(TOOL_ERROR), "{said}");
        for part in *parts {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
    }
    for time in ["5s", "1m 30s"] {
        let output = run(&["run", "--timeout", time, "-c", "pass"]);
        assert_eq!(output.status.code(), Some(0), "{time}");
    }
}

#[cfg(unix)]
#[test]
fn a_machine_without_room_for_a_run_is_told_as_that() {
    let missing = command(&["run", "-c", "pass"])
        .env("TMPDIR", "/no/such/place")
        .output();
    let few = Command::new("sh")
        .args(["-c", "ulimit -n 12; exec \"$0\" run -c pass"])
        .arg(env!("CARGO_BIN_EXE_sandbox-net"))
        .output();
    for (output, part) in [
        (missing, "the temporary directory '/no/such/place' can't be"),
        (few, "ulimit -n 1024"),
    ] {
        let output = output.expect("the binary of this crate");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(TOOL_ERROR), "{said}");
        assert!(said.contains(part) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn every_mistake_gets_one_clear_line_and_its_own_exit_code() {
    let missing = Path::new("no").join("such").join("place");
    let missing = missing.to_str().expect("a path in UTF-8");
    let directory = format!("{missing}::/data");
    let cases: &[(&[&str], &str)] = &[
        (&["run", missing], missing),
        (&["run", "--allow", "http://", "-c", "pass"], "http://"),
        (&["run", "--allow", "ftp://host", "-c", "pass"], "ftp"),
        (&["run", "--allow", "host:99999", "-c", "pass"], "99999"),
        (&["run", "--allow", "", "-c", "pass"], "rule"),
        (&["run", "--dir", &directory, "-c", "pass"], missing),
        (
            &["distribution", "path", "no-such-distribution"],
            "no-such-distribution",
        ),
        (&["run", "--timeout", "0s", "-c", "pass"], "time limit"),
        (
            &["run", "--prepare-timeout", "0s", "-c", "pass"],
            "preparation limit",
        ),
        (&["run", "--memory", "0", "-c", "pass"], "memory limit"),
        (
            &["run", "--prepare-timeout", "0s", "-c", "pass"],
            "preparation limit",
        ),
        (&["run", "--memory", "1MiB", "-c", "pass"], "give it more"),
        (
            &["run", "--name", "a\nb", "-c", "pass"],
            "control character",
        ),
        (
            &["run", "--env", "PYTHONHASHSEED=1", "-c", "pass"],
            "PYTHONHASHSEED",
        ),
        (&["run", "--env", "=1", "-c", "pass"], "variable ''"),
        (&["run", "--audit", "-", "-c", "pass"], "--audit FILE"),
        (&["run", "--with", "", "-c", "pass"], "requirement"),
    ];
    for (arguments, word) in cases {
        let output = refused(arguments);
        let stderr = text(&output.stderr);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(
            stderr.contains(word),
            "{arguments:?}: {word} is missing in {stderr:?}"
        );
        for noise in ["panicked", "backtrace", "Caused by", "    at "] {
            assert!(!stderr.contains(noise), "{arguments:?}: {stderr}");
        }
        assert_eq!(
            stderr.trim_end().lines().count(),
            1,
            "{arguments:?}: {stderr:?}"
        );
    }
}

#[test]
fn arguments_that_do_not_parse_are_named() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["run", "--dir", "only-one-part", "-c", "pass"],
            "only-one-part",
        ),
        (&["run", "--env", "NO_VALUE", "-c", "pass"], "NO_VALUE"),
        (&["run", "--timeout", "soon", "-c", "pass"], "soon"),
        (&["run", "--memory", "much", "-c", "pass"], "much"),
        (&["run", "--no-such-option"], "--no-such-option"),
        (&["run"], "Usage"),
        (&["no-such-command"], "no-such-command"),
        (&[], "Usage"),
    ];
    for (arguments, word) in cases {
        let output = refused(arguments);
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains(word),
            "{arguments:?}: {word} is missing in {stderr:?}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
}
