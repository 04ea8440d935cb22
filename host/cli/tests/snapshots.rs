//! Compares each text of the command line with its file in `snapshots/`: a change of words shows as
//! a difference there. `INSTA_UPDATE=always cargo test -p sandbox-net-cli --test snapshots` rewrites
//! the files; check the changes before you commit them.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;
use serde_json::Value;

use common::http_server;

/// Runs the command line in `directory`, and returns everything that it printed.
fn output(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env_remove("SANDBOX_NET_CACHE")
        .output()
        .expect("the command line runs")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

/// The command with its exit code and both streams.
fn session(directory: &Path, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = output(directory, arguments);
    let code = status.code().unwrap_or(-1);
    let line = arguments.join(" ");
    format!(
        "$ sandbox-net {line}\n[exit code {code}]\n{}{}",
        text(stdout),
        text(stderr)
    )
}

/// Replaces what differs from run to run.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (what, instead) in [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (
            r#""(duration_seconds|cpu_seconds|duration_ms|memory_bytes|bytes_up|bytes_down)":( ?)[\d.]+"#,
            r#""$1":${2}N"#,
        ),
    ] {
        settings.add_filter(what, instead);
    }
    settings
}

/// The names below `Commands:` of a help text.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_command_has_its_help() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut commands = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let printed = output(directory.path(), &arguments);
        assert!(printed.status.success(), "{arguments:?}");
        let help = text(printed.stdout);
        commands.extend(subcommands(&help).into_iter().map(|name| {
            let below: Vec<String> = command.iter().cloned().chain([name]).collect();
            below
        }));
        let name = [vec!["help".to_owned()], command].concat().join("_");
        settings().bind(|| assert_snapshot!(name, help));
        seen += 1;
    }
    assert!(seen > 10, "{seen} commands");
}

const POLICY: &str = r#"version = 1
allow = ["GET https://api.test/v1/**", "*.files.test", "10.0.0.0/8:8080"]
deny = ["https://api.test/v1/admin/**", "secret.files.test"]
ask = ["POST https://api.test/v1/**"]

[budgets]
requests = 100

[end]
"#;

#[test]
fn a_policy_is_explained() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("policy.toml"), POLICY).expect("a file");
    let urls = [
        ("GET", "https://api.test/v1/items"),
        ("GET", "https://api.test/v2/items"),
        ("GET", "http://api.test/v1/items"),
        ("POST", "https://api.test/v1/items"),
        ("DELETE", "https://api.test/v1/items"),
        ("GET", "https://api.test/v1/admin/users"),
        ("GET", "https://api.test/v1/%61dmin/users"),
        ("GET", "https://a.files.test/"),
        ("GET", "https://secret.files.test/"),
        ("GET", "http://10.1.2.3:8080/"),
        ("GET", "http://10.1.2.3/"),
        ("TRACE", "https://a.files.test/"),
        ("GET", "https://user@a.files.test/"),
    ];
    let said = urls.map(|(method, url)| {
        let arguments = ["policy", "explain", url, "--method", method];
        let policy = ["--policy", "policy.toml"];
        session(directory.path(), &[&arguments[..], &policy].concat())
    });
    settings().bind(|| assert_snapshot!("policy_explain", said.join("\n")));
}

#[test]
fn mistakes_in_policies_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in [
        ("good.toml", POLICY.to_owned()),
        ("cut.toml", POLICY.replace("[end]\n", "")),
        ("typo.toml", POLICY.replace("deny =", "denny =")),
        ("broad.toml", POLICY.replace("*.files.test", "*.com")),
        (
            "rule.toml",
            POLICY.replace("10.0.0.0/8:8080", "ftp://a.test"),
        ),
        (
            "budget.toml",
            POLICY.replace("requests = 100", "requests = -1"),
        ),
        ("version.toml", POLICY.replace("version = 1", "version = 2")),
        ("empty.toml", String::new()),
    ] {
        std::fs::write(directory.path().join(name), content).expect("a file");
    }
    let said = [
        "good", "cut", "typo", "broad", "rule", "budget", "version", "empty", "missing",
    ]
    .map(|name| {
        let file = format!("{name}.toml");
        session(directory.path(), &["policy", "check", &file])
    });
    settings().bind(|| assert_snapshot!("policy_check", said.join("\n")));
}

/// A log as `--audit` writes it.
const LOG: &str = r#"{"type":"lookup","time":"2026-11-21T10:20:29.900Z","sandbox":"agent","sequence":0,"name":"api.test","verdict":"allow","rule":"https://api.test","reason":null,"outcome":"found"}
{"type":"decision","time":"2026-11-21T10:20:30.123Z","sandbox":"agent","sequence":1,"stage":"connect","target":"api.test:443","method":null,"verdict":"allow","rule":"https://api.test","reason":null,"address":"93.184.216.34:443"}
{"type":"decision","time":"2026-11-21T10:20:30.124Z","sandbox":"agent","sequence":2,"stage":"request","target":"https://api.test/items","method":"GET","verdict":"allow","rule":"https://api.test","reason":null,"address":null}
{"type":"decision","time":"2026-11-21T10:20:31.000Z","sandbox":"agent","sequence":4,"stage":"connect","target":"b.test:443","method":null,"verdict":"deny","rule":"default-deny","reason":"no-rule","address":null}
{"type":"decision","time":"2026-11-21T10:20:32.000Z","sandbox":"agent","sequence":5,"stage":"request","target":"https://api.test/items/7","method":"DELETE","verdict":"deny","rule":"default-deny","reason":"no-rule","address":null}
"#;

#[test]
fn a_log_is_shown_as_tables_and_decided_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("log.jsonl"), LOG).expect("a file");
    std::fs::write(at.join("policy.toml"), POLICY).expect("a file");
    let replay = ["audit", "replay", "log.jsonl", "--policy", "policy.toml"];
    let said = [
        session(at, &["audit", "log.jsonl"]),
        session(at, &["audit", "log.jsonl", "--last", "1"]),
        session(at, &replay),
        session(at, &["audit", "missing.jsonl"]),
    ];
    // The terminal's width and the host's clock must not matter: times come from the log.
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!("audit", said.join("\n")));
}

/// Causes a denial of each kind, and prints what Python gets.
const PROGRAM: &str = r#"
import sys, urllib.request
base, other = sys.argv[1:]
def fetch(method, url):
    try:
        print(method, url, urllib.request.urlopen(urllib.request.Request(url, method=method)).status)
    except OSError as error:
        print(method, url, f"{type(error.reason).__name__}: {error.reason}")
fetch("GET", f"{base}/public/a")
fetch("POST", f"{base}/public/a")
fetch("GET", f"{base}/other")
fetch("GET", f"{base}/public/private/a")
fetch("GET", other)
fetch("GET", "https://b.test/")
fetch("GET", "http://169.254.169.254/latest/meta-data/")
fetch("TRACE", f"{base}/public/a")
"#;

#[test]
fn a_run_is_told_to_python_as_json_and_in_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let base = format!("http://{}", http_server());
    let other = format!("http://{}/", http_server());
    let allow = format!("GET {base}/public/**");
    let deny = format!("{base}/public/private/**");
    let arguments = [
        &["run", "--json", "--name", "agent", "--audit", "log.jsonl"][..],
        &["--allow", &allow, "--deny", &deny],
        &["-c", PROGRAM, &base, &other],
    ];
    let printed = output(at, &arguments.concat());
    let errors = text(printed.stderr);
    assert_eq!(printed.status.code(), Some(0), "{errors}");
    let object: Value = serde_json::from_slice(&printed.stdout).expect("one JSON object");
    let denials = object["stdout"].as_str().expect("a text");
    settings().bind(|| {
        assert_snapshot!("denials", denials);
        let pretty = serde_json::to_string_pretty(&object).expect("JSON");
        assert_snapshot!("run_json", pretty);
        let lines = std::fs::read_to_string(at.join("log.jsonl")).expect("the log");
        assert_snapshot!("audit_lines", lines);
    });
}
