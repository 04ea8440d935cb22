//! The command ends at its time limit and at a signal, even if something blocks.
#![cfg(unix)]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::prepare;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// The exit code of a run that its time limit ended, and its line.
const TIME_LIMIT: i32 = 124;
const LINE: &str = "sandbox-net: the time limit ended the program";
/// How long an expected event may take.
const GUARD: Duration = Duration::from_secs(120);

fn start(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Child {
    prepare();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox-net"));
    command.args(arguments).stdin(Stdio::null());
    let started = command.stdout(stdout).stderr(stderr).spawn();
    started.expect("the binary of this crate")
}

/// Waits for the end, while nobody reads anything.
fn end(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if start.elapsed() > GUARD {
            let _ = child.kill();
            panic!("the command did not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn text(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).expect("a pipe");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A pipe with a name.
fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

#[test]
fn a_reader_that_reads_nothing_does_not_stretch_the_time_limit() {
    let writes =
        |stream: &str| format!("import sys\nwhile True: print('x' * 1000, file=sys.{stream})");
    let large = "print('x' * 10_000_000, flush=True)";
    for (arguments, has_stderr) in [
        (&["-c", &writes("stdout")][..], true),
        (&["-c", &writes("stderr")], false),
        (&["--json", "-c", large], true),
    ] {
        let arguments = [&["run", "--timeout", "1s"], arguments].concat();
        let mut child = start(&arguments, Stdio::piped(), Stdio::piped());
        let status = end(&mut child);
        assert_eq!(status.code(), Some(TIME_LIMIT), "{arguments:?}");
        let stderr = text(child.stderr.take());
        // If stderr itself is not read, the line cannot be written.
        assert!(
            !has_stderr || stderr.contains(LINE),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_reader_that_takes_its_time_gets_everything() {
    let code = "import sys\nfor n in range(20000): print(n)\nprint('end', file=sys.stderr)";
    let mut child = start(
        &["run", "--timeout", "100s", "-c", code],
        Stdio::piped(),
        Stdio::piped(),
    );
    thread::sleep(Duration::from_millis(500));
    let stdout = text(child.stdout.take());
    assert_eq!(end(&mut child).code(), Some(0));
    let expected: String = (0..20000).map(|number| format!("{number}\n")).collect();
    assert!(stdout == expected, "{} bytes", stdout.len());
    assert_eq!(text(child.stderr.take()), "end\n");
}

#[test]
fn a_reader_that_is_gone_is_a_broken_pipe_as_natively() {
    let code = "import os, sys\ntry:\n while True: os.write(1, b'x' * 1000)\n\
                except BrokenPipeError: sys.stderr.write('broken pipe')";
    let mut child = start(
        &["run", "--timeout", "100s", "-c", code],
        Stdio::piped(),
        Stdio::piped(),
    );
    drop(child.stdout.take());
    let status = end(&mut child);
    assert_eq!(text(child.stderr.take()), "broken pipe");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn whatever_blocks_the_host_the_time_limit_ends_the_command() {
    let folder = tempfile::tempdir().expect("a directory");
    let fifo = folder.path().join("pipe");
    pipe(&fifo);
    let fifo = fifo.to_str().expect("a path in UTF-8");
    for arguments in [
        &[fifo][..],
        &["--policy", fifo, "-c", "pass"],
        &["--ca", fifo, "-c", "pass"],
    ] {
        let arguments = [&["run", "--timeout", "500ms"], arguments].concat();
        let mut child = start(&arguments, Stdio::null(), Stdio::piped());
        let status = end(&mut child);
        let stderr = text(child.stderr.take());
        assert_eq!(status.code(), Some(TIME_LIMIT), "{arguments:?}: {stderr}");
        assert_eq!(stderr.trim_end(), LINE, "{arguments:?}");
    }
}

/// A policy with a secret whose command never ends. Its grandchild writes its number to `pid`, and
/// holds the output.
fn endless_secret(folder: &Path) -> String {
    let pid = folder.join("pid");
    let script = format!("sh -c 'echo $$ > {}; exec sleep 600' & wait", pid.display());
    let policy = format!(
        "version = 1\nallow = [\"https://a.test\"]\n\n[[secret]]\nname = \"s\"\nenv = \"S\"\n\
         rule = \"https://a.test\"\nheaders = [\"authorization\"]\n\
         source = {{ command = [\"sh\", \"-c\", \"{script}\"] }}\n\n[end]\n"
    );
    let path = folder.join("policy.toml");
    fs::write(&path, policy).expect("a file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Waits until a process has written its number to the file.
fn process(folder: &Path) -> Pid {
    let start = Instant::now();
    while start.elapsed() < GUARD {
        let text = fs::read_to_string(folder.join("pid")).unwrap_or_default();
        if let Some(number) = text.strip_suffix('\n') {
            return Pid::from_raw(number.parse().expect("a number")).expect("a process");
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the command was not run");
}

/// Waits until a process is gone, or is a zombie.
fn wait_for_the_end_of(process: Pid) {
    let start = Instant::now();
    while test_kill_process(process).is_ok() {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        if stat.is_ok_and(|stat| stat.contains(") Z ")) {
            return;
        }
        assert!(start.elapsed() < GUARD, "the process is still there");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_secrets_command_and_what_it_started_end_with_the_command() {
    for signal in [None, Some((Signal::INT, 130)), Some((Signal::TERM, 143))] {
        let folder = tempfile::tempdir().expect("a directory");
        let policy = endless_secret(folder.path());
        let limit = if signal.is_some() { "100s" } else { "3s" };
        let arguments = ["run", "--timeout", limit, "--policy", &policy, "-c", "pass"];
        let mut child = start(&arguments, Stdio::null(), Stdio::piped());
        let grandchild = process(folder.path());
        if let Some((signal, _)) = signal {
            let command = Pid::from_child(&child);
            kill_process(command, signal).expect("the command");
        }
        let expected = signal.map_or(TIME_LIMIT, |(_, code)| code);
        assert_eq!(end(&mut child).code(), Some(expected), "{signal:?}");
        wait_for_the_end_of(grandchild);
    }
}

#[test]
fn a_signal_ends_the_command_at_once_whatever_blocks() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        // A read of the host that never ends.
        let folder = tempfile::tempdir().expect("a directory");
        let fifo = folder.path().join("pipe");
        pipe(&fifo);
        let path = fifo.to_str().expect("a path in UTF-8");
        let mut child = start(
            &["run", "--ca", path, "-c", "pass"],
            Stdio::null(),
            Stdio::null(),
        );
        // It is open for writing once the command reads.
        let writer = OpenOptions::new().write(true).open(&fifo).expect("a pipe");
        kill_process(Pid::from_child(&child), signal).expect("the command");
        assert_eq!(end(&mut child).code(), Some(code));
        drop(writer);

        // A program that computes, and one whose output nobody reads.
        for program in ["while True: pass", "while True: print('x' * 1000)"] {
            let ready = folder.path().join("ready");
            let program = format!("open('/f/ready', 'w').close()\n{program}");
            let mount = format!("{}::/f:rw", folder.path().display());
            let arguments = ["run", "--dir", &mount, "-c", &program];
            let mut child = start(&arguments, Stdio::piped(), Stdio::null());
            let start = Instant::now();
            while !ready.exists() {
                assert!(start.elapsed() < GUARD, "the program did not begin");
                thread::sleep(Duration::from_millis(10));
            }
            kill_process(Pid::from_child(&child), signal).expect("the command");
            assert_eq!(end(&mut child).code(), Some(code));
            fs::remove_file(&ready).expect("a file");
        }
    }
}

#[test]
fn a_run_that_has_ended_does_not_wait_for_its_stdin() {
    prepare();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(["run", "-c", "import sys; print(sys.stdin.readline())"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"a line\n").expect("a pipe that is read");
    assert_eq!(end(&mut child).code(), Some(0));
    assert_eq!(text(child.stdout.take()), "a line\n\n");
}

#[test]
fn a_limit_for_the_preparation_says_what_it_is() {
    prepare();
    let folder = tempfile::tempdir().expect("a directory");
    let pip = folder.path().join("pip");
    let mut file = File::create(&pip).expect("a file");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exit\nexec sleep 600\n";
    file.write_all(script.as_bytes()).expect("a file");
    drop(file);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&pip, mode).expect("a file of ours");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(["run", "--prepare-timeout", "2s", "--timeout", "1ms"])
        .args(["--with", "sandbox-net-no-such-package", "-c", "pass"])
        .env("SANDBOX_NET_PIP", &pip)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    assert_eq!(end(&mut child).code(), Some(125));
    let stderr = text(child.stderr.take());
    let line = "downloading sandbox-net-no-such-package with pip took longer than the preparation \
                limit of 2s";
    assert!(
        stderr.contains(line) && stderr.contains("--prepare-timeout"),
        "{stderr}"
    );
}
