//! How runs end: exit codes, signals, streams, and what becomes of processes that are left.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{can_confine, confined, confined_program, python, shell, stderr, stdout};

#[test]
fn exit_codes_and_signals_are_the_programs() {
    if !can_confine("exit codes") {
        return;
    }
    for (script, expected) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
    ] {
        assert_eq!(shell(&[], script).status.code(), Some(expected), "{script}");
    }
}

#[test]
fn a_command_that_cannot_run_has_the_codes_of_shells() {
    if !can_confine("exit codes of missing commands") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/does/not/exist\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let script = script.to_str().unwrap();
    for (command, code, message) in [
        (
            "no-such-command",
            127,
            "confined: no-such-command: command not found\n",
        ),
        (
            "/no/such/file",
            127,
            "confined: /no/such/file: command not found\n",
        ),
        (
            "/etc/passwd",
            126,
            "confined: /etc/passwd: Permission denied\n",
        ),
        ("/etc", 126, "confined: /etc: Permission denied\n"),
        (
            script,
            127,
            &format!("confined: {script}: command not found\n"),
        ),
    ] {
        let output = confined().args(["--", command]).output().unwrap();
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(code), message)
        );
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn streams_pass_through_whole() {
    if !can_confine("streams") {
        return;
    }
    let mut run = confined()
        .args(["--", "sh", "-c", "cat; echo done >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let sent = vec![b'x'; 8 << 20];
    let mut input = run.stdin.take().unwrap();
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || input.write_all(&sent).unwrap()
    });
    let output = run.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == sent, "{} bytes", output.stdout.len());
    assert_eq!(stderr(&output), "done\n");
}

#[test]
fn a_stream_ends_when_the_program_closes_it() {
    if !can_confine("closed streams") {
        return;
    }
    let mut run = confined()
        .args(["--", "sh", "-c", "echo out; exec >&- 2>&-; sleep 30"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut text = String::new();
    run.stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "out\n");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "nobody else holds the stream"
    );
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn what_the_program_leaves_ends_with_it() {
    if !can_confine("processes that are left") {
        return;
    }
    let begun = Instant::now();
    // The daemon holds stdout: its end is seen by this process.
    let output = shell(
        &[],
        "setsid sleep 61 & setsid sh -c 'trap \"\" TERM INT HUP; sleep 61' & echo started",
    );
    assert_eq!(stdout(&output), "started\n");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn everything_ends_with_the_parent() {
    if !can_confine("the parent's end") {
        return;
    }
    let mut run = confined()
        .args([
            "--",
            "sh",
            "-c",
            "trap '' TERM INT HUP; (sleep 62; echo late) & echo started; wait",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = run.stdout.take().unwrap();
    let mut begun = [0; 8];
    out.read_exact(&mut begun).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    let at = Instant::now();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(
        at.elapsed() < Duration::from_secs(20),
        "the last process has ended"
    );
}

#[test]
fn a_time_limit_ends_the_program() {
    if !can_confine("time limits") {
        return;
    }
    let begun = Instant::now();
    let output = shell(&["--timeout-ms", "300"], "trap '' TERM; sleep 63");
    assert_eq!(output.status.code(), Some(124));
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_program_has_the_callers_mask_of_signals() {
    if !can_confine("signals") {
        return;
    }
    let output = shell(&[], "grep -E 'SigBlk|SigPnd' /proc/self/status; umask");
    let text = stdout(&output);
    assert_eq!(text.matches("0000000000000000").count(), 2, "{text}");
    let here = std::process::Command::new("sh")
        .args(["-c", "umask"])
        .output()
        .unwrap();
    assert!(text.ends_with(&stdout(&here)), "{text}");
}

/// Runs a command at a terminal, and prints what it prints.
const TERMINAL: &str = "
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
text = b''
try:
    while True:
        more = os.read(terminal, 999)
        if not more:
            break
        text += more
except OSError:
    pass
print(text.decode().split(), os.waitpid(child, 0)[1])
";

#[test]
fn a_program_at_a_terminal_cannot_signal_its_caller() {
    if !can_confine("signals to the caller's group") {
        return;
    }
    let Some(python) = python() else { return };
    let attack = "trap '' USR1; kill -USR1 0; echo attacked";
    let at_terminal = |command: &[&str]| {
        let mut driver = Command::new(&python);
        stdout(
            &driver
                .args(["-c", TERMINAL])
                .args(command)
                .output()
                .unwrap(),
        )
    };
    let caller = "sh -c \"$1\"; echo survived";
    let outside = at_terminal(&["/bin/sh", "-c", caller, "sh", attack]);
    assert!(!outside.contains("survived"), "control: {outside}");
    let program = confined_program();
    let caller = "\"$1\" -- sh -c \"$2\"; echo survived";
    let program = program.to_str().unwrap();
    let inside = at_terminal(&["/bin/sh", "-c", caller, "sh", program, attack]);
    assert_eq!(inside, "['attacked', 'survived'] 0\n");
}
