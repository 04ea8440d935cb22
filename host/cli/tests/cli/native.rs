//! `sandbox-net native run`: a native program that reaches the network through the broker alone.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{TIME_LIMIT, TOOL_ERROR, command, http_server, run, text};

/// Longer than anything here takes, even on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Whether this machine can confine. If not, says so.
fn can_confine() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let output = run(&["native", "run", "--", "true"]);
        let can = output.status.success();
        if !can {
            eprintln!("SKIPPED native run: {}", text(&output.stderr));
        }
        can
    })
}

fn native(options: &[&str], script: &str) -> Output {
    let arguments = [&["native", "run"], options, &["--", "sh", "-c", script]].concat();
    run(&arguments)
}

/// What this machine has to make requests with.
fn has_curl() -> bool {
    let has = Command::new("curl").arg("--version").output().is_ok();
    if !has {
        eprintln!("SKIPPED requests: there is no curl");
    }
    has
}

#[test]
fn the_only_way_out_is_the_broker_under_the_policy() {
    if !can_confine() || !has_curl() {
        return;
    }
    let (allowed, denied) = (http_server(), http_server());
    let folder = tempfile::tempdir().expect("a directory");
    let audit = folder.path().join("audit.jsonl");
    let rule = format!("GET http://{allowed}");
    let code = "curl -s -o /dev/null -w '%{http_code} '";
    let script = format!(
        "{code} http://{allowed}/; {code} http://{denied}/; {code} --noproxy '*' http://{allowed}/; exit 5"
    );
    let options = ["--allow", &rule, "--audit", audit.to_str().expect("UTF-8")];
    let output = native(&options, &script);
    assert_eq!(
        text(&output.stdout),
        "200 403 000 ",
        "{}",
        text(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(5));
    let log = std::fs::read_to_string(audit).expect("a log");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let verdicts: Vec<_> = lines
        .filter(|line| line["type"] == "decision" && line["stage"] != "resolve")
        .map(|line| (line["target"].to_string(), line["verdict"].to_string()))
        .collect();
    let told = |address: &str, verdict: &str| {
        verdicts
            .iter()
            .any(|(target, v)| target.contains(address) && v.contains(verdict))
    };
    assert!(
        told(&allowed.to_string(), "allow") && told(&denied.to_string(), "deny"),
        "{verdicts:?}"
    );
}

#[test]
fn the_environment_names_the_broker_and_holds_no_secrets() {
    if !can_confine() {
        return;
    }
    let output = command(&[
        "native",
        "run",
        "--env",
        "MINE=1",
        "--",
        "sh",
        "-c",
        "env; head -1 $SSL_CERT_FILE",
    ])
    .env("AWS_SECRET_ACCESS_KEY", "do not tell")
    .env("SSH_AUTH_SOCK", "/run/agent")
    .env("NO_PROXY", "*")
    .output()
    .expect("the binary of this crate");
    let seen = text(&output.stdout);
    for expected in [
        "MINE=1",
        "SANDBOX_NET_BROKER_HOST=127.0.0.1",
        "SANDBOX_NET_BROKER_PORT=6969",
        "HTTPS_PROXY=http://127.0.0.1:6969",
        "https_proxy=http://127.0.0.1:6969",
        "REQUESTS_CA_BUNDLE=/run/sandbox-net/ca.pem",
        "-----BEGIN CERTIFICATE-----",
    ] {
        assert!(
            seen.lines().any(|line| line == expected),
            "{expected} in {seen}"
        );
    }
    for secret in ["do not tell", "SSH_AUTH_SOCK", "NO_PROXY", "TOKEN"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
}

#[test]
fn each_mistake_has_one_line_and_its_code() {
    if !can_confine() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("data");
    std::fs::write(&file, "x").expect("a file");
    let (file, folder) = (
        file.to_str().expect("UTF-8"),
        folder.path().to_str().expect("UTF-8"),
    );
    let hint = format!("sandbox-net: the program may not read {file}: add --read {folder}\n");
    let cases: [(&[&str], i32, &str); 6] = [
        (
            &["--", "no-such-command"],
            127,
            "sandbox-net: no-such-command: command not found\n",
        ),
        (
            &["--", "/etc/passwd"],
            126,
            "sandbox-net: /etc/passwd: Permission denied\n",
        ),
        (
            &["--read", "/no/path", "--", "true"],
            TOOL_ERROR,
            "sandbox-net: --read /no/path: No such file or directory\n",
        ),
        (
            &["--write", "/", "--", "true"],
            TOOL_ERROR,
            "sandbox-net: --write /: grant the directories",
        ),
        (
            &["--timeout", "200ms", "--", "sleep", "60"],
            TIME_LIMIT,
            "sandbox-net: the time limit ended the program\n",
        ),
        (&["--", "test", "-e", file], 1, &hint),
    ];
    for (arguments, code, message) in cases {
        let output = run(&[&["native", "run"], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.starts_with(message) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(
        native(&["--read", folder], &format!("cat {file}")).stdout,
        b"x"
    );
}

#[test]
fn a_command_needs_no_dashes_before_it_and_keeps_options_that_look_like_ours() {
    if !can_confine() {
        return;
    }
    for dashes in [&[][..], &["--"]] {
        let program = ["printf", "%s|", "--allow", "-x"];
        let ended = run(&[&["native", "run", "--timeout", "20s"], dashes, &program].concat());
        assert_eq!(text(&ended.stdout), "--allow|-x|", "{ended:?}");
    }
    let mistyped = run(&["native", "run", "--allwo", "https://a.test", "--", "true"]);
    let said = text(&mistyped.stderr);
    assert_eq!(mistyped.status.code(), Some(TOOL_ERROR), "{said}");
    assert!(said.contains("--allwo is no option"), "{said}");
}

#[test]
fn a_program_that_needs_more_memory_than_it_may_have_ends_with_a_reason() {
    if !can_confine() {
        return;
    }
    let fill = "python3 -c 'x = bytearray(10 ** 9)'";
    let ended = native(&["--memory", "64MiB"], &format!("exec {fill}"));
    let said = text(&ended.stderr);
    // Without a control group of its own the interpreter is told by the kernel.
    let is_told = match ended.status.code() {
        Some(137) => said.contains("the memory limit ended the program"),
        code => code == Some(1) && said.contains("MemoryError"),
    };
    assert!(is_told, "{:?}: {said}", ended.status);
    let killed = native(&["--memory", "64MiB"], "kill -9 $$");
    assert_eq!(killed.status.code(), Some(137));
    assert_eq!(text(&killed.stderr), "");
}

#[test]
fn signals_reach_the_program() {
    if !can_confine() {
        return;
    }
    for (name, code) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("USR1", 10)] {
        let script = format!(
            "trap 'echo caught; exit {code}' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let mut child = command(&["native", "run", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary of this crate");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        let killed = Command::new("kill")
            .args([format!("-{name}"), child.id().to_string()])
            .status();
        assert!(killed.expect("kill").success());
        lines.read_to_string(&mut line).expect("the rest");
        assert_eq!(line, "ready\ncaught\n", "{name}");
        assert_eq!(child.wait().expect("the end").code(), Some(code), "{name}");
    }
}

#[test]
fn ctrl_c_at_a_terminal_reaches_the_program_once() {
    let driver = "
import os, pty, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
text = b''
while b'ready' not in text:
    text += os.read(terminal, 999)
os.write(terminal, b'\\x03')
try:
    while True:
        more = os.read(terminal, 999)
        if not more:
            break
        text += more
except OSError:
    pass
print(text.count(b'caught'), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let script =
        "trap 'echo caught; sleep 0.3; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let output = Command::new("python3")
        .args(["-c", driver, env!("CARGO_BIN_EXE_sandbox-net")])
        .args([
            "native",
            "run",
            "--timeout",
            "20s",
            "--",
            "bash",
            "-c",
            script,
        ])
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED the terminal: there is no python3");
        return;
    };
    if can_confine() {
        assert_eq!(text(&output.stdout), "1 9\n", "{}", text(&output.stderr));
    }
}

#[test]
fn a_program_that_closes_its_output_is_waited_for() {
    if !can_confine() {
        return;
    }
    let begun = Instant::now();
    let mut child = command(&[
        "native",
        "run",
        "--",
        "sh",
        "-c",
        "echo out; exec >&-; sleep 60",
    ])
    .stdout(Stdio::piped())
    .spawn()
    .expect("the binary of this crate");
    let mut seen = String::new();
    let mut out = child.stdout.take().expect("a pipe");
    out.read_to_string(&mut seen).expect("the whole output");
    assert_eq!(seen, "out\n");
    assert!(begun.elapsed() < SOON && child.try_wait().expect("a state").is_none());
    child.kill().expect("a running program");
    child.wait().expect("the end");
}

#[test]
fn a_kernel_without_namespaces_is_refused_or_has_a_weaker_confinement() {
    if !can_confine() || !has_curl() {
        return;
    }
    let (allowed, denied) = (http_server(), http_server());
    let none = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let run = |options: &[&str], script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", none, "sh"])
            .args([env!("CARGO_BIN_EXE_sandbox-net"), "native", "run"])
            .args(options)
            .args(["--", "sh", "-c", script])
            .output()
    };
    let Ok(refused) = run(&[], "echo ran") else {
        eprintln!("SKIPPED: there is no unshare");
        return;
    };
    let said = text(&refused.stderr);
    assert_eq!(
        (refused.status.code(), text(&refused.stdout)),
        (Some(TOOL_ERROR), "")
    );
    assert!(
        said.lines().count() == 1 && said.contains("did not run"),
        "{said}"
    );
    assert!(said.contains("--require-confinement=false"), "{said}");

    let rule = format!("GET http://{allowed}");
    let code = "curl -s -o /dev/null -w '%{http_code} '";
    let script = format!(
        "{code} http://{allowed}/; {code} http://{denied}/; {code} --noproxy '*' http://{allowed}/; \
         echo x > ~/x; cat ~/x; head -1 $SSL_CERT_FILE"
    );
    let weaker = run(&["--allow", &rule, "--require-confinement=false"], &script).expect("unshare");
    let said = text(&weaker.stderr);
    assert_eq!(
        text(&weaker.stdout),
        "200 403 000 x\n-----BEGIN CERTIFICATE-----\n",
        "{said}"
    );
    assert!(
        said.starts_with("sandbox-net: weaker confinement: this kernel gives no namespaces"),
        "{said}"
    );
}

#[test]
fn a_profile_for_macos_is_printed() {
    let output = run(&[
        "native",
        "profile",
        "seatbelt",
        "--workspace",
        "/w",
        "--port",
        "7000",
    ]);
    let profile = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        profile.contains("(deny default)") && profile.contains("\"localhost:7000\""),
        "{profile}"
    );
}

#[test]
fn what_the_host_reads_or_records_is_not_where_the_program_writes() {
    let folder = tempfile::tempdir().expect("a directory");
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    for directory in [&inside, &outside] {
        std::fs::create_dir(directory).expect("a directory");
    }
    std::fs::write(outside.join("policy.toml"), "version = 1\n").expect("a file");
    std::os::unix::fs::symlink(outside.join("policy.toml"), inside.join("link.toml"))
        .expect("a link");
    let path = |place: &std::path::Path| place.to_str().expect("UTF-8").to_owned();
    let write = path(&inside);
    for (option, file) in [
        ("--audit", path(&inside.join("new.jsonl"))),
        ("--audit", path(&outside.join("../in/new.jsonl"))),
        ("--policy", path(&inside.join("link.toml"))),
        ("--ca", path(&inside.join("link.toml"))),
    ] {
        let output = native(&["--write", &write, option, &file], "echo ran");
        assert_eq!(output.status.code(), Some(TOOL_ERROR), "{option} {file}");
        let said = text(&output.stderr);
        assert!(
            said.contains("put it elsewhere") && said.contains(option),
            "{said}"
        );
        assert_eq!(text(&output.stdout), "");
    }
    if can_confine() {
        let log = path(&outside.join("log.jsonl"));
        let output = native(&["--write", &write, "--audit", &log], "echo ran");
        assert_eq!(text(&output.stdout), "ran\n", "control");
    }
}
