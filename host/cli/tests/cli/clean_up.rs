//! What a run keeps on disk is removed with it, however it ends.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Reports that it runs, and then waits; some of its files are deep.
const WAITING: &str = "
import os, time
fd = os.open('/tmp', os.O_RDONLY)
for _ in range(200):
    os.mkdir('d', dir_fd=fd)
    fd, old = os.open('d', os.O_RDONLY, dir_fd=fd), fd
    os.close(old)
print('ready', flush=True)
time.sleep(600)
";

/// The command line with a temporary directory of its own.
fn command(temporary: &TempDir, arguments: &[&str]) -> Command {
    // Under nohup and in some CI a hangup is ignored, and a child would inherit that.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP")
        .arg(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(arguments)
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null());
    command
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Starts a run that waits, and returns when it does.
fn waiting(temporary: &TempDir) -> Child {
    let mut child = command(temporary, &["run", "-c", WAITING])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.as_mut().expect("its stdout"));
    reader.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

fn directories(at: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(at).expect("the directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn kill(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

#[test]
fn a_signal_ends_a_run_with_its_code_and_nothing_is_left() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-INT", 130)] {
        let temporary = temporary();
        let mut child = waiting(&temporary);
        assert_eq!(directories(temporary.path()).len(), 1);
        kill(&child, signal);
        let status = child.wait().expect("an end");
        assert_eq!(status.code(), Some(code), "{signal}");
        assert_eq!(
            directories(temporary.path()),
            Vec::<PathBuf>::new(),
            "{signal}"
        );
    }
}

#[test]
fn what_a_killed_run_left_goes_with_a_later_run_and_a_live_one_keeps_its_own() {
    let temporary = temporary();
    let mut alive = waiting(&temporary);
    let live = directories(temporary.path());
    let mut killed = waiting(&temporary);
    killed.kill().expect("a kill");
    killed.wait().expect("an end");
    assert_eq!(directories(temporary.path()).len(), 2);

    // A sweep runs beside a run, and may not finish during a short one.
    for _ in 0..200 {
        let status = command(&temporary, &["run", "-c", "pass"]).status();
        assert!(status.expect("a run").success());
        if directories(temporary.path()).len() == 1 {
            break;
        }
    }
    assert_eq!(directories(temporary.path()), live);
    assert!(live[0].join("files/tmp/d").exists());
    kill(&alive, "-TERM");
    alive.wait().expect("an end");
    assert_eq!(directories(temporary.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_wide_and_deep_tree_goes_with_few_descriptors_and_a_small_stack() {
    let temporary = temporary();
    let code = "
import os
for top in range(8):
    fd = os.open('/tmp', os.O_RDONLY)
    for level in range(250):
        name = f'{top}' if level == 0 else 'd'
        os.mkdir(name, dir_fd=fd)
        fd, old = os.open(name, os.O_RDONLY, dir_fd=fd), fd
        os.close(old)
    os.close(fd)
print(len(os.listdir('/tmp')))
";
    let binary = env!("CARGO_BIN_EXE_sandbox-net");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && ulimit -s 2048 && exec \"$@\"", "sh"])
        .args([binary, "run", "-c", code])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"8\n", "{stderr}");
    assert_eq!(stderr, "");
    assert_eq!(directories(temporary.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_cannot_be_removed_is_told_with_its_name() {
    let temporary = temporary();
    let mut child = command(&temporary, &["run", "-c", WAITING])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary of this crate");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.as_mut().expect("its stdout"));
    reader.read_line(&mut line).expect("a line");
    let [directory] = &directories(temporary.path())[..] else {
        panic!("one directory");
    };
    // It was renamed: its contents are removed, and the directory itself stays.
    let moved = temporary.path().join("moved");
    std::fs::rename(directory, &moved).expect("another name");
    kill(&child, "-TERM");
    let output = child.wait_with_output().expect("an end");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let name = directory.display().to_string();
    assert!(stderr.contains(&name), "{stderr}");
    assert!(stderr.contains("can't be removed"), "{stderr}");
    assert!(stderr.contains("a later run tries again"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(directories(&moved), Vec::<PathBuf>::new());
}

#[test]
fn the_disk_of_a_run_has_the_limit_that_the_command_gives_it() {
    let temporary = temporary();
    let code = "
with open('/home/a', 'wb', buffering=0) as file:
    file.write(bytes(1 << 20))
    try:
        file.write(b'x')
    except OSError as error:
        print(error.strerror)
";
    let output = command(&temporary, &["run", "--disk", "1MiB", "-c", code])
        .output()
        .expect("a run");
    assert_eq!(output.stdout, b"No space left on device\n");
    let output = command(&temporary, &["run", "--disk", "2MiB", "-c", code])
        .output()
        .expect("a run");
    assert_eq!(
        (&output.stdout[..], output.status.code()),
        (&b""[..], Some(0))
    );
    let output = command(&temporary, &["run", "--disk", "much", "-c", code])
        .output()
        .expect("a run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--disk"), "{stderr}");
    assert_eq!(output.status.code(), Some(125));
}
