//! `sandbox-net middleware`: what it writes, and what it refuses to write.

use std::path::Path;
use std::process::Output;

use super::{TOOL_ERROR, command, text};

/// A component that imports nothing.
const NOTHING: &[u8] = b"\0asm\x0d\0\x01\0";

fn middleware(at: &Path, arguments: &[&str]) -> Output {
    let mut command = command(&["middleware"]);
    let command = command.args(arguments).current_dir(at);
    command.output().expect("the binary of this crate")
}

fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, body) in [
        ("good.toml", "allow = ['GET https://api.test/v1/**']"),
        ("also.toml", "allow = ['api.test']"),
        (
            "wide.toml",
            "mode = 'report'\nallow = ['db.test to 10.0.0.7', 'api.test']\nask = ['b.test']\n\
             [budgets]\nbytes_up = 9",
        ),
        ("bad.toml", "allow = ['*.com']"),
    ] {
        let text = format!("version = 1\n{body}\n[end]\n");
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    std::fs::write(directory.path().join("nothing.wasm"), NOTHING).expect("a file");
    directory
}

#[test]
fn it_writes_a_component_and_says_how_to_compose_it() {
    let files = files();
    let output = middleware(
        files.path(),
        &["--policy", "good.toml", "-o", "policy.wasm"],
    );
    let said = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said:?}");
    assert!(said.0.contains("wac plug --plug policy.wasm"), "{said:?}");
    let component = std::fs::read(files.path().join("policy.wasm")).expect("the component");
    assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));

    let both = [
        "--policy",
        "good.toml",
        "--policy",
        "also.toml",
        "-o",
        "policy.wasm",
    ];
    let output = middleware(files.path(), &both);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let other = std::fs::read(files.path().join("policy.wasm")).expect("the component");
    assert_eq!(component.len(), other.len());
    assert_ne!(component, other);
}

#[test]
fn it_writes_the_component_for_the_version_of_wasi_that_is_said() {
    let files = files();
    for (arguments, interface) in [
        (&[][..], "wasi:http/client@0.3.0"),
        (&["--wasi", "0.3"], "wasi:http/client@0.3.0"),
        (&["--wasi", "0.2"], "wasi:http/outgoing-handler@0.2.12"),
    ] {
        let all = [&["--policy", "good.toml", "-o", "policy.wasm"], arguments].concat();
        let output = middleware(files.path(), &all);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let component = std::fs::read(files.path().join("policy.wasm")).expect("the component");
        let has = |name: &str| {
            component
                .windows(name.len())
                .any(|it| it == name.as_bytes())
        };
        for wasi in [
            "wasi:http/client@0.3.0",
            "wasi:http/outgoing-handler@0.2.12",
        ] {
            assert_eq!(has(wasi), wasi == interface, "{arguments:?}: {wasi}");
        }
    }
}

#[test]
fn what_a_component_cannot_enforce_is_named_and_nothing_is_written() {
    let named = [
        "the mode 'report': there is no log",
        "the rule 'db.test to 10.0.0.7' of 'allow': the addresses",
        "the rule 'b.test' of 'ask': nobody can be asked",
        "the budget 'bytes_up': only a host counts in all",
    ];
    let files = files();
    let arguments = ["--policy", "wide.toml", "-o", "policy.wasm"];
    let output = middleware(files.path(), &arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(TOOL_ERROR), "{said}");
    for part in named {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("--accept-unenforced"), "{said}");
    assert!(!said.contains("'api.test'"), "{said}");
    assert!(!files.path().join("policy.wasm").exists());

    let output = middleware(
        files.path(),
        &[&arguments[..], &["--accept-unenforced"]].concat(),
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in named {
        assert!(
            said.contains(&format!("warning: not enforced: {part}")),
            "{part}: {said}"
        );
    }
    assert!(files.path().join("policy.wasm").exists());
}

#[test]
fn mistakes_are_one_line_that_names_the_file() {
    let files = files();
    for (arguments, parts) in [
        (&["-o", "a.wasm"][..], &["--policy <FILE>"][..]),
        (&["--policy", "good.toml"], &["--output <FILE>"]),
        (
            &["--policy", "no.toml", "-o", "a.wasm"],
            &["--policy no.toml: "],
        ),
        (
            &["--policy", "bad.toml", "-o", "a.wasm"],
            &["bad.toml: line 2: ", "*.com"],
        ),
        (
            &["--policy", "good.toml", "nothing.wasm", "-o", "a.wasm"],
            &["nothing.wasm: ", "nor 'wasi:http/client@0.3.0'"],
        ),
        (
            &["--policy", "good.toml", "good.toml", "-o", "a.wasm"],
            &["good.toml: not a WebAssembly component"],
        ),
        (
            &["--policy", "good.toml", "--wasi", "0.1", "-o", "a.wasm"],
            &["'0.1'", "possible values: 0.2, 0.3"],
        ),
        (
            &[
                "--policy",
                "good.toml",
                "--wasi",
                "0.2",
                "nothing.wasm",
                "-o",
                "a.wasm",
            ],
            &["'--wasi <VERSION>' cannot be used with '[GUEST]'"],
        ),
        (
            &["--policy", "good.toml", "-o", "no/such/a.wasm"],
            &["no/such/a.wasm: "],
        ),
    ] {
        let output = middleware(files.path(), arguments);
        let said = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(TOOL_ERROR),
            "{arguments:?}: {said}"
        );
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
        assert!(!files.path().join("a.wasm").exists());
    }
}
