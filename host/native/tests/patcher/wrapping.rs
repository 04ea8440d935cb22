//! The wrapper passes everything through.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sandbox_net_native::patch::PatchError;

use super::support::{Venv, output};

fn wrapper(venv: &Venv) -> PathBuf {
    let out = venv.directory.path().join("wrapped python");
    let patcher = venv.patcher().variable("SANDBOX_NET_BROKER_PORT", "7070");
    let patcher = patcher.variable("SANDBOX_NET_BROKER_TOKEN", "the' token");
    patcher.write_wrapper(&out).unwrap();
    out
}

#[test]
fn arguments_the_exit_code_and_standard_input_pass_through() {
    let venv = Venv::new();
    let program = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(7)";
    let arguments = ["-c", program, "a b", "$HOME", "", "*", "'\""];
    let mut command = Command::new(wrapper(&venv));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"input").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(7));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(printed, "['a b', '$HOME', '', '*', '\\'\"'] input\n");
}

#[test]
fn a_signal_reaches_the_interpreter_itself() {
    let venv = Venv::new();
    let program = "import os, signal; os.kill(os.getppid(), 0); print(os.getpid(), flush=True); \
         os.kill(os.getpid(), signal.SIGTERM)";
    let child = Command::new(wrapper(&venv))
        .args(["-c", program])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let done = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), format!("{id}\n"));
    assert_eq!(done.status.signal(), Some(15));
}

#[test]
fn the_brokers_environment_is_there_and_the_callers_own_wins() {
    let venv = Venv::new();
    let path = wrapper(&venv);
    let program = "import os; print([os.environ.get('SANDBOX_NET_' + name) for name in \
         ('BROKER_PORT', 'BROKER_TOKEN', 'ENABLED', 'CA')])";
    let done = output(Command::new(&path).args(["-c", program]));
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(printed, "['7070', \"the' token\", '1', None]\n");
    let mut command = Command::new(&path);
    command
        .args(["-c", program])
        .env("SANDBOX_NET_BROKER_PORT", "1");
    let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(printed.starts_with("['1', "), "{printed}");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn a_wrapper_replaces_a_wrapper_and_no_other_file() {
    let venv = Venv::new();
    wrapper(&venv);
    wrapper(&venv);
    let other = venv.directory.path().join("other");
    fs::write(&other, "mine").unwrap();
    let error = venv.patcher().write_wrapper(&other).unwrap_err();
    assert!(matches!(error, PatchError::NotAWrapper { .. }), "{error}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
}
