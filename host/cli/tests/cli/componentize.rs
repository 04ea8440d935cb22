//! `sandbox-net componentize`: what it refuses before it does any work.

use super::{TOOL_ERROR, command, text};

#[test]
fn mistakes_are_told_before_any_work_and_nothing_is_written() {
    let files = tempfile::tempdir().expect("a directory");
    for (name, body) in [
        ("good.toml", "allow = ['https://api.test']"),
        (
            "wide.toml",
            "allow = ['db.test to 10.0.0.7']\n[budgets]\nbytes_up = 9",
        ),
        ("bad.toml", "allow = ['*.com']"),
    ] {
        let text = format!("version = 1\n{body}\n[end]\n");
        std::fs::write(files.path().join(name), text).expect("a file");
    }
    let provider = ["--provider", "wasi-http"];
    for (arguments, parts) in [
        (&[][..], &["--policy FILE", "--policy-of-host"][..]),
        (&["--policy", "no.toml"], &["--policy no.toml: "]),
        (&["--policy", "bad.toml"], &["bad.toml: line 2: ", "*.com"]),
        (
            &["--policy", "good.toml", "--policy", "wide.toml"],
            &[
                "the rule 'db.test to 10.0.0.7' of 'allow'",
                "the budget 'bytes_up'",
                "--accept-unenforced",
            ],
        ),
        (
            &["--policy", "good.toml", "--policy-of-host"],
            &["cannot be used with"],
        ),
        (
            &["--policy", "good.toml", "--no-network"],
            &["cannot be used with"],
        ),
        (
            &["--policy", "good.toml", "--snapshot", "a", "--with", "b"],
            &["cannot be used with"],
        ),
        (
            &["--policy", "good.toml", "--snapshot", "a", "--embed"],
            &["cannot be used with"],
        ),
    ] {
        let mut command = command(&["componentize", "-o", "app.wasm"]);
        let command = command
            .args(provider)
            .args(arguments)
            .current_dir(files.path());
        let output = command.output().expect("the binary of this crate");
        let said = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(TOOL_ERROR),
            "{arguments:?}: {said}"
        );
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
        assert!(!files.path().join("app.wasm").exists());
    }
}

#[test]
fn what_belongs_to_a_provider_is_refused_without_one() {
    for option in ["--policy=a.toml", "--policy-of-host", "--one-bit-exit"] {
        let output = command(&["componentize", "-o", "app.wasm", option]).output();
        let output = output.expect("the binary of this crate");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(TOOL_ERROR), "{option}: {said}");
        assert!(said.contains("--provider"), "{option}: {said}");
    }
}
