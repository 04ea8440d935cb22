//! The example `shell` does what the command line does, with the public interface alone.

use std::path::Path;

use crate::talk::{prepare, run, script, text};
use sandbox_net_tests::{Forbidden, HttpServer, skip};
use serde_json::Value;

/// What differs from run to run.
const OF_ONE_RUN: [&str; 3] = ["time", "sandbox", "duration_ms"];

/// The lines of an audit log, without what differs from run to run.
fn audit(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("an audit log");
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let fields = line.as_object_mut().expect("an object");
        for name in OF_ONE_RUN {
            assert!(
                fields.remove(name).is_some() || name == "duration_ms",
                "{fields:?}"
            );
        }
        line
    });
    lines.collect()
}

#[tokio::test]
async fn output_exit_code_and_audit_log_are_those_of_the_command_line() {
    let shell = env!("CARGO_BIN_EXE_shell");
    let command_line = Path::new(shell).with_file_name("sandbox-net");
    if !command_line.is_file() {
        skip("no command line beside the examples: run `cargo build -p sandbox-net-cli`");
        return;
    }
    let command_line = command_line.to_str().expect("a path in UTF-8");
    prepare().await;
    let (server, forbidden) = (HttpServer::plain().await, Forbidden::start().await);
    let (allowed, denied) = (server.origin(), forbidden.origin());
    let programs = [
        ("output", "print('one')\nprint('two', end='')".to_owned(), 0),
        ("code", "import sys; sys.exit(3)".to_owned(), 3),
        ("large", "import os; os._exit(300)".to_owned(), 44),
        (
            "raise",
            "print('before')\nraise ValueError('it')".to_owned(),
            1,
        ),
        (
            "stdin",
            "import sys; print(sys.stdin.read().upper())".to_owned(),
            0,
        ),
        (
            "bytes",
            "import sys; sys.stdout.buffer.write(bytes(range(256)) * 999)".to_owned(),
            0,
        ),
        (
            "name",
            "import sys; print(sys.argv, __file__, __name__)".to_owned(),
            0,
        ),
        (
            "allowed",
            format!(
                "import urllib.request as u; print(u.urlopen('{allowed}/get?key=private').status)"
            ),
            0,
        ),
        (
            "denied",
            format!(
                "import urllib.request as u\ntry: u.urlopen('{denied}/')\n\
                 except OSError as error: print(error)"
            ),
            0,
        ),
        (
            "posts",
            format!("import urllib.request as u; u.urlopen('{allowed}/post', b'body')"),
            1,
        ),
    ];
    let folder = tempfile::tempdir().expect("a temporary directory");
    let rule = format!("GET {allowed}");
    for (name, code, expected) in programs {
        let script = script(folder.path(), &format!("{name}.py"), &code);
        let logs = ["shell", "command-line"].map(|by| folder.path().join(format!("{name}.{by}")));
        let [ours, theirs] = logs.each_ref().map(|log| log.to_str().expect("UTF-8"));
        let options = ["--allow", rule.as_str(), "--audit"];
        let args = [&[script.as_str()], &options[..], &[ours]].concat();
        let ours = run(shell, &args, "from stdin").await;
        let args = [&["run"], &options[..], &[theirs, &script]].concat();
        let theirs = run(command_line, &args, "from stdin").await;

        assert_eq!(
            ours.status.code(),
            Some(expected),
            "{name}: {}",
            text(&ours.stderr)
        );
        assert_eq!(
            ours.status,
            theirs.status,
            "{name}: {}",
            text(&theirs.stderr)
        );
        assert_eq!(ours.stdout, theirs.stdout, "{name}");
        // The command line adds hints of its own below what the program wrote.
        let (ours, theirs) = (text(&ours.stderr), text(&theirs.stderr));
        assert!(theirs.starts_with(&ours), "{name}: {ours} / {theirs}");
        let [ours, theirs] = logs.each_ref().map(|log| audit(log));
        assert_eq!(ours, theirs, "{name}");
        let is_online = ["allowed", "denied", "posts"].contains(&name);
        assert_eq!(!ours.is_empty(), is_online, "{name}: {ours:?}");
    }
    assert_eq!(server.requests().len(), 2, "one by each");
    assert_eq!(forbidden.connections().await, 0);
}
