//! The files that commands make: whole or not at all, and never one that the command reads.

use std::fs;
use std::path::Path;

use super::{TOOL_ERROR, run, text};

const POLICY: &str = "version = 1\nallow = [\"https://api.test\"]\n[end]\n";

fn at(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

#[test]
fn no_command_overwrites_what_it_reads() {
    let directory = tempfile::tempdir().unwrap();
    let policy = at(directory.path(), "policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let link = at(directory.path(), "link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&policy, &link).unwrap();
    let provider = ["componentize", "--provider", "wasi-http"];
    for command in [&["middleware"][..], &provider[..]] {
        for output in [&policy, &link] {
            let mut arguments = command.to_vec();
            arguments.extend(["--policy", &policy, "-o", output]);
            let refused = run(&arguments);
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(TOOL_ERROR), "{said}");
            assert!(said.contains("name another file with -o"), "{said}");
        }
    }
    assert_eq!(fs::read_to_string(&policy).unwrap(), POLICY);
}

#[cfg(unix)]
#[test]
fn a_snapshot_takes_the_place_of_files_only_and_follows_links() {
    super::prepare();
    let directory = tempfile::tempdir().unwrap();
    let pipe = at(directory.path(), "pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let place = directory.path().to_str().unwrap();
    for (output, why) in [(pipe.as_str(), "is no file"), (place, "is a directory")] {
        let refused = run(&["snapshot", "--import", "json", "-o", output]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(TOOL_ERROR), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (target, link) = (at(directory.path(), "target"), at(directory.path(), "link"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let made = run(&["snapshot", "--import", "json", "-o", &link]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&target).unwrap().len() > 1 << 20);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_whole_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let policy = at(directory.path(), "policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let output = at(directory.path(), "policy.wasm");
    fs::write(&output, "old").unwrap();
    // A file may have so many blocks of 512 bytes, and the component has more.
    let limited = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(["middleware", "--policy", &policy, "-o", &output])
        .output()
        .unwrap();
    let said = text(&limited.stderr);
    assert_eq!(limited.status.code(), Some(TOOL_ERROR), "{said}");
    assert_eq!(fs::read_to_string(&output).unwrap(), "old");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let written = run(&["middleware", "--policy", &policy, "-o", &output]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    assert!(fs::metadata(&output).unwrap().len() > 100 * 512);
}
