//! The command line as a user meets it: exit codes, streams, `--json`, and one clear line for each
//! mistake.

mod common;

#[cfg(unix)]
#[path = "cli/broker.rs"]
mod broker;
#[path = "cli/budgets.rs"]
mod budgets;
#[cfg(unix)]
#[path = "cli/clean_up.rs"]
mod clean_up;
#[cfg(target_os = "linux")]
#[path = "cli/componentize.rs"]
mod componentize;
#[path = "cli/interrupt.rs"]
mod interrupt;
#[path = "cli/middleware.rs"]
mod middleware;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[cfg(target_os = "linux")]
#[path = "cli/native.rs"]
mod native;
#[cfg(unix)]
#[path = "cli/native_patch.rs"]
mod native_patch;
#[path = "cli/outputs.rs"]
mod outputs;
#[cfg(unix)]
#[path = "cli/pipes.rs"]
mod pipes;
#[cfg(unix)]
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/repl.rs"]
mod repl;
#[path = "cli/scripts.rs"]
mod scripts;
#[cfg(unix)]
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/snapshot.rs"]
mod snapshot;
#[path = "cli/tunnels.rs"]
mod tunnels;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use common::{http_server, prepare};

/// The exit code of the tool's own errors.
const TOOL_ERROR: i32 = 125;

/// The exit code of a run that its time limit ended.
const TIME_LIMIT: i32 = 124;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox-net"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments)
        .output()
        .expect("the binary of this crate")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_exit_code_is_the_scripts() {
    let cases = [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import sys; sys.exit('a message')", 1),
        ("1 / 0", 1),
        ("syntax error", 1),
    ];
    for (code, expected) in cases {
        let output = run(&["run", "-c", code]);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{code}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_streams_are_the_scripts() {
    let code = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]); \
                sys.stderr.write('to stderr')";
    let mut child = command(&["run", "-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(b"\x00\xffabc\n")
        .expect("a pipe that is read");
    drop(stdin);
    let output = child.wait_with_output().expect("the end of the run");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(output.stdout, b"\ncba\xff\x00");
    assert!(text(&output.stderr).ends_with("to stderr"));
}

#[test]
fn scripts_come_as_file_code_module_and_stdin_and_take_arguments() {
    let folder = tempfile::tempdir().expect("a directory");
    let script = folder.path().join("script.py");
    let code = "import sys; print(sys.argv[1:])";
    std::fs::write(&script, code).expect("a file");
    let script = script.to_str().expect("a path in UTF-8");
    for how in [
        ["run", script, "a"],
        ["run", "-c", code],
        ["run", "-m", "this"],
    ] {
        let output = run(&how);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{how:?}: {}",
            text(&output.stderr)
        );
    }
    // What follows the script belongs to the script, including options.
    let output = run(&["run", script, "--timeout", "-x", "ä b"]);
    assert_eq!(text(&output.stdout), "['--timeout', '-x', 'ä b']\n");

    let mut child = command(&["run", "-", "first"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(code.as_bytes())
        .expect("a pipe that is read");
    drop(stdin);
    let output = child.wait_with_output().expect("the end of the run");
    assert_eq!(text(&output.stdout), "['first']\n");
}

#[test]
fn a_program_that_fails_without_a_network_is_told_how_to_get_one() {
    let code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')";
    let hint = "--allow HOST gives it one";
    let without = run(&["run", "-c", code]);
    assert_eq!(without.status.code(), Some(1));
    assert!(
        text(&without.stderr).contains(hint),
        "{}",
        text(&without.stderr)
    );
    for arguments in [
        &["run", "--allow", "a.test", "-c", code][..],
        &["run", "-c", "print('fine')"],
        &["run", "-c", "raise SystemExit(2)"],
    ] {
        let other = run(arguments);
        assert!(!text(&other.stderr).contains(hint), "{arguments:?}");
    }
}

#[test]
fn a_mistake_that_has_nothing_to_do_with_the_network_gets_no_hint() {
    let hint = "--allow HOST gives it one";
    for (code, expected) in [
        ("1 / 0", false),
        ("open('/no/such')", false),
        ("raise SystemExit(1)", false),
        ("import sys; sys.exit('the socket is broken')", false),
        ("raise ValueError('cannot connect the dots')", false),
        ("raise KeyError('network')", false),
        ("import no_such_module", false),
        (
            "import socket, ssl; ssl.create_default_context().wrap_socket(socket.socket())",
            true,
        ),
        ("import socket; socket.socket()", true),
        (
            "import socket; socket.create_connection(('a.test', 80))",
            true,
        ),
        (
            "import asyncio; asyncio.run(asyncio.open_connection('a.test', 80))",
            true,
        ),
    ] {
        let output = run(&["run", "-c", code]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{code}: {said}");
        assert_eq!(said.contains(hint), expected, "{code}: {said}");
    }
}

#[test]
fn with_json_a_hint_is_a_field() {
    for (code, expected) in [
        (
            "import socket; socket.create_connection(('a.test', 80))",
            Some("--allow HOST gives it one"),
        ),
        ("import no_such_module", Some("--with no_such_module")),
        ("raise ValueError('cannot connect the dots')", None),
        ("print('fine')", None),
    ] {
        let output = run(&["run", "--json", "-c", code]);
        let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        match expected {
            Some(end) => {
                let hint = object["hint"].as_str().unwrap_or_default();
                assert!(hint.ends_with(end), "{code}: {object}");
            }
            None => assert!(object.get("hint").is_none(), "{code}: {object}"),
        }
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn the_time_limit_has_its_own_exit_code() {
    let output = run(&[
        "run",
        "--timeout",
        "1s",
        "-c",
        "print('begun', flush=True)\nwhile 1: pass",
    ]);
    assert_eq!(
        output.status.code(),
        Some(TIME_LIMIT),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stdout), "begun\n");
}

#[test]
fn environment_and_directories_are_passed() {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("given.txt"), "given").expect("a file");
    let host = folder.path().to_str().expect("a path in UTF-8");
    let code = "import os\n\
                print(os.environ['KEY'], open('/data/given.txt').read())\n\
                open('/data/new.txt', 'w').write('new')";
    let read_only = run(&[
        "run",
        "--env",
        "KEY=a=b",
        "--dir",
        &format!("{host}::/data"),
        "-c",
        code,
    ]);
    assert_eq!(
        text(&read_only.stdout),
        "a=b given\n",
        "{}",
        text(&read_only.stderr)
    );
    assert_eq!(read_only.status.code(), Some(1));
    assert!(!folder.path().join("new.txt").exists());

    let directory = format!("{host}::/data:rw");
    let writable = run(&["run", "--env", "KEY=a=b", "--dir", &directory, "-c", code]);
    assert_eq!(
        writable.status.code(),
        Some(0),
        "{}",
        text(&writable.stderr)
    );
    let written = std::fs::read_to_string(folder.path().join("new.txt"));
    assert_eq!(written.expect("the new file"), "new");
}

#[test]
fn files_beside_a_writable_directory_or_in_one_that_is_only_read_are_used() {
    let folder = tempfile::tempdir().expect("a directory");
    let at = folder.path();
    std::fs::create_dir(at.join("out")).expect("a directory");
    std::fs::write(
        at.join("agent.py"),
        "open('/out/made.txt', 'w').write('made')",
    )
    .expect("a file");
    std::fs::write(
        at.join("policy.toml"),
        "version = 1\nallow = [\"a.test\"]\n[end]\n",
    )
    .expect("a file");
    let arguments = [
        "run",
        "--dir",
        ".::/work",
        "--dir",
        "./out::/out:rw",
        "--policy",
        "policy.toml",
        "--audit",
        "audit.jsonl",
        "agent.py",
    ];
    // The second time everything is cached.
    for _ in 0..2 {
        let output = command(&arguments)
            .current_dir(at)
            .output()
            .expect("the binary");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let made = std::fs::read_to_string(at.join("out/made.txt"));
        assert_eq!(made.expect("the file"), "made");
        assert!(at.join("audit.jsonl").is_file());
    }
}

#[test]
fn json_tells_the_whole_run_in_one_object() {
    let address = http_server();
    let rule = format!("http://{address}");
    let denied = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let denied = denied.local_addr().expect("a bound address");
    let code = format!(
        "import urllib.request, sys\n\
         print(urllib.request.urlopen('http://{address}/path').status)\n\
         sys.stderr.write('to stderr')\n\
         try: urllib.request.urlopen('http://{denied}/')\n\
         except OSError as error: print(type(error.reason).__name__)\n\
         sys.exit(3)"
    );
    let output = run(&["run", "--json", "--allow", &rule, "-c", &code]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(object["stdout"], "200\nPermissionError\n");
    assert_eq!(object["stderr"], "to stderr");
    assert_eq!(object["exit_code"], 3);
    assert!(object["duration_seconds"].is_number(), "{object:#}");
    let decisions = object["decisions"].as_array().expect("decisions");
    let told = |verdict: &str, address: SocketAddr| {
        decisions.iter().any(|decision| {
            let target = decision["target"].as_str().unwrap_or_default();
            decision["verdict"] == verdict && target.contains(&address.to_string())
        })
    };
    assert!(
        told("allow", address) && told("deny", denied),
        "{decisions:#?}"
    );
    assert!(
        decisions
            .iter()
            .any(|decision| decision["rule"] == json!(rule)),
        "{decisions:#?}"
    );
}

#[test]
fn json_tells_of_the_time_limit() {
    let output = run(&["run", "--json", "--timeout", "1s", "-c", "while 1: pass"]);
    assert_eq!(
        output.status.code(),
        Some(TIME_LIMIT),
        "{}",
        text(&output.stderr)
    );
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(object["exit_code"], TIME_LIMIT);
    assert_eq!(object["ended"], "time-limit");
}

/// A program that writes what looks like a line of the log.
const FORGER: &str = "import sys; print('{\"type\":\"forged\"}', file=sys.stderr)";

#[test]
fn a_log_that_the_program_writes_to_as_well_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("log.jsonl");
    let name = log.to_str().expect("a path in UTF-8");
    let link = folder.path().join("link");
    std::fs::write(&log, "").expect("a file");
    std::fs::hard_link(&log, &link).expect("another name");
    let link = link.to_str().expect("a path in UTF-8");
    for (audit, stream) in [
        ("-", "stderr"),
        ("/dev/stderr", "stderr"),
        ("/dev/fd/2", "stderr"),
        ("/proc/self/fd/2", "stderr"),
        (name, "stderr"),
        (link, "stderr"),
        ("/dev/stdout", "stdout"),
        (name, "stdout"),
    ] {
        let file = std::fs::OpenOptions::new().append(true).open(&log);
        let file = file.expect("the file");
        let mut command = command(&["run", "--audit", audit, "-c", FORGER]);
        let command = match stream {
            "stderr" => command.stderr(file).stdout(Stdio::null()),
            _ => command.stdout(file).stderr(Stdio::null()),
        };
        let status = command.status().expect("the binary of this crate");
        assert_eq!(status.code(), Some(TOOL_ERROR), "{audit} {stream}");
        let written = std::fs::read_to_string(&log).expect("the file");
        assert!(!written.contains("forged"), "{audit} {stream}: {written}");
        if stream == "stderr" {
            let said = format!("the program's {stream} goes to the same place");
            assert!(written.contains(&said), "{audit}: {written}");
        }
        std::fs::write(&log, "").expect("a file");
    }
}

#[test]
fn a_log_of_its_own_has_the_hosts_lines_only() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("log.jsonl");
    let name = path.to_str().expect("a path in UTF-8");
    let code = format!("{FORGER}; import urllib.request; urllib.request.urlopen('http://b.test')");
    let arguments = |rest: &[&'static str]| -> Vec<String> {
        let rest = rest.iter().map(|one| (*one).to_owned());
        let all = ["run", "--allow", "a.test"].map(str::to_owned).into_iter();
        all.chain(rest)
            .chain(["-c".to_owned(), code.clone()])
            .collect()
    };
    let types = |log: &[u8]| -> Vec<String> {
        let lines = text(log).lines().map(serde_json::from_str);
        let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect("JSON lines");
        lines
            .iter()
            .map(|it| it["type"].as_str().expect("a type").to_owned())
            .collect()
    };
    // Then the program's stderr is in the object, and the tool's own has only the log.
    let output = command(&[])
        .args(arguments(&["--json", "--audit", "-"]))
        .output();
    let output = output.expect("the binary of this crate");
    assert_eq!(
        types(&output.stderr),
        ["lookup", "decision"],
        "{}",
        text(&output.stderr)
    );
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(
        object["stderr"]
            .as_str()
            .expect("stderr")
            .contains("forged")
    );
    assert_eq!(
        object["dropped"],
        json!({ "decisions": 0, "exchanges": 0, "lookups": 0 })
    );

    let mut command = command(&[]);
    let mut all = arguments(&[]);
    all.splice(1..1, ["--audit".to_owned(), name.to_owned()]);
    let output = command
        .args(all)
        .output()
        .expect("the binary of this crate");
    assert!(text(&output.stderr).contains("forged"));
    let log = std::fs::read(&path).expect("the log");
    assert_eq!(types(&log), ["lookup", "decision"]);
}
