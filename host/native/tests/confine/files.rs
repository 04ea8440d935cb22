//! What a program sees of the host's files.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::{can_confine, confined, shell, stderr, stdout, text};

#[test]
fn only_granted_files_are_there() {
    if !can_confine("files") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for name in ["read", "write", "other"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("file"), name).unwrap();
    }
    symlink(directory.path().join("read"), directory.path().join("link")).unwrap();
    let path = |name: &str| text(directory.path().join(name));
    let script = format!(
        "cd {0}; cat read/file link/file; cat other/file; echo x >> read/file; echo new > write/new; \
         rm write/file; ls; ls -A /tmp; ls /home /var /run 2>/dev/null; ls -A ~",
        text(directory.path())
    );
    let options = ["--read", &path("link"), "--write", &path("write")];
    let output = shell(&options, &script);
    let seen = stdout(&output);
    assert!(seen.starts_with("readread"), "{seen}{}", stderr(&output));
    assert!(!seen.contains("other"), "{seen}");
    assert!(
        stderr(&output).contains("Read-only file system"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        fs::read_to_string(directory.path().join("read/file")).unwrap(),
        "read"
    );
    assert_eq!(
        fs::read_to_string(directory.path().join("write/new")).unwrap(),
        "new\n"
    );
    assert!(!directory.path().join("write/file").exists());
}

#[test]
fn the_program_starts_where_its_caller_is_or_at_home() {
    if !can_confine("directories") {
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let here = directory.path().canonicalize().unwrap();
    fs::write(here.join("file"), "text\n").unwrap();
    let start = |options: &[&str]| {
        let script = "pwd; cat file";
        let mut command = confined();
        command
            .args(options)
            .args(["--env", "HOME=/home/one", "--", "sh", "-c", script]);
        stdout(&command.current_dir(&here).output().unwrap())
    };
    let shown = format!("{}\ntext\n", here.display());
    assert_eq!(start(&["--read", "."]), shown);
    assert_eq!(
        start(&["--read", "file"]),
        shown,
        "a file below it is granted"
    );
    assert_eq!(start(&[]), "/home/one\n");
}

#[test]
fn a_read_only_directory_stays_so_inside_a_writable_one() {
    if !can_confine("nested grants") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("inner")).unwrap();
    let (outer, inner) = (text(directory.path()), text(directory.path().join("inner")));
    let script =
        format!("touch {outer}/a; touch {inner}/b; mv {inner} {outer}/moved; ls {outer} {inner}");
    shell(&["--write", &outer, "--read", &inner], &script);
    assert!(directory.path().join("a").exists(), "control");
    assert!(!directory.path().join("inner/b").exists());
    assert!(directory.path().join("inner").exists());
}

#[test]
fn a_path_that_is_not_there_is_named_with_its_option() {
    for (option, path) in [("--read", "/no/such/path"), ("--write", "/no/such/path")] {
        let output = confined()
            .args([option, path, "--", "true"])
            .output()
            .unwrap();
        let expected = format!("confined: {option} {path}: No such file or directory\n");
        if can_confine("missing paths") {
            assert_eq!(
                (output.status.code(), stderr(&output)),
                (Some(125), expected)
            );
        }
    }
}

#[test]
fn private_directories_are_writable_and_gone_afterwards() {
    if !can_confine("private directories") {
        return;
    }
    let name = format!("sandbox-net-left-{}", std::process::id());
    let script = format!(
        "for d in /tmp /var/tmp /dev/shm ~; do echo x > $d/{name} || exit 1; done; \
         touch /usr/{name} /etc/{name} /{name} /dev/{name} && exit 2; exit 0"
    );
    let output = shell(&[], &script);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for place in ["/tmp", "/var/tmp", "/dev/shm", "/usr", "/etc"] {
        assert!(!std::path::Path::new(place).join(&name).exists(), "{place}");
    }
}

#[test]
fn nothing_of_the_callers_rights_is_left() {
    if !can_confine("rights") {
        return;
    }
    let text = stdout(&shell(
        &[],
        "cat /proc/self/status; ls /proc/self/fd; cat /proc/1/environ",
    ));
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let line = format!("{name}:\t0000000000000000\n");
        assert!(text.contains(&line), "{name} in {text}");
    }
    assert!(text.contains("NoNewPrivs:\t1\n"));
    // `ls` opens the directory as the fourth.
    assert!(text.ends_with("0\n1\n2\n3\n"), "{text}");
}

#[test]
fn a_stream_is_open_for_no_more_than_it_was() {
    if !can_confine("streams that are files") {
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = directory.path().join("file");
    let script = "cat /dev/stdin; echo more >> /dev/stdin; echo more >> /proc/self/fd/0; echo end";
    let run = |mut command: Command| {
        fs::write(&file, "old\n").unwrap();
        let opened = fs::File::open(&file).unwrap();
        let output = command.stdin(opened).output().unwrap();
        (stdout(&output), fs::read_to_string(&file).unwrap())
    };
    let mut outside = Command::new("sh");
    outside.args(["-c", script]);
    let (seen, left) = run(outside);
    assert!(left.contains("more"), "control: {seen}");
    let mut inside = confined();
    inside.args(["--", "sh", "-c", script]);
    assert_eq!(run(inside), ("old\nend\n".to_owned(), "old\n".to_owned()));
}

#[test]
fn a_stream_that_leads_out_is_refused() {
    if !can_confine("streams that lead out") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let (stream, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let streams: [(OwnedFd, bool); 4] = [
        (client.into(), false),
        (fs::File::open("/").unwrap().into(), false),
        (one.into(), false),
        (stream.into(), true),
    ];
    for (descriptor, is_fine) in streams {
        let output = confined()
            .args(["--", "echo", "ran"])
            .stdin(descriptor)
            .output()
            .unwrap();
        assert_eq!(stdout(&output) == "ran\n", is_fine, "{}", stderr(&output));
        assert_eq!(stderr(&output).contains("cannot hand over stdin"), !is_fine);
    }
}

#[test]
fn no_dump_reaches_the_host() {
    if !can_confine("dumps") {
        return;
    }
    let script = "ulimit -c; ulimit -c 0 2>/dev/null; ulimit -c; ulimit -n 64 && ulimit -n";
    // The shell counts in blocks of 512 bytes.
    assert_eq!(stdout(&shell(&[], script)), "0\n0\n64\n");
    let script =
        "grep 'core file' /proc/self/limits; ulimit -c 0; grep 'core file' /proc/self/limits";
    let text = stdout(&shell(&[], script));
    let limits: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().nth(4))
        .collect();
    assert_eq!(limits, [Some("1"), Some("1")], "{text}");
}

#[test]
fn a_project_does_not_choose_what_else_is_granted() {
    if !can_confine("hostile projects") {
        return;
    }
    let Some(python) = crate::support::python() else {
        return;
    };
    // A temporary directory is private in there, so the project is elsewhere.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let here = directory.path().canonicalize().unwrap();
    let environment = here.join("other/venv");
    let made = Command::new(&python)
        .args(["-m", "venv", "--without-pip"])
        .arg(&environment)
        .status()
        .unwrap();
    assert!(made.success());
    for secret in ["other/.env", "other/venv/.env", "tool"] {
        fs::write(here.join(secret), "#!/bin/sh\necho secret\n").unwrap();
        crate::support::make_executable(&here.join(secret));
    }
    symlink(here.join("other/venv"), here.join("venv")).unwrap();
    let secrets = ["other/.env", "other/venv/.env", "tool"].map(|name| text(here.join(name)));
    let program = format!("import os\nfor name in {secrets:?}: print(os.path.exists(name))");
    let output = confined()
        .arg("--")
        .arg(here.join("venv/bin/python"))
        .args(["-c", &program])
        .output()
        .unwrap();
    assert_eq!(
        stdout(&output),
        "False\nFalse\nFalse\n",
        "{}",
        stderr(&output)
    );
    // Lines that name a file which the script's author wants to read.
    for line in [
        format!("#!{}", text(here.join("tool"))),
        format!("#!/usr/bin/env -S -u {} sh", text(here.join("tool"))),
    ] {
        let script = here.join("script");
        let tool = text(here.join("tool"));
        fs::write(&script, format!("{line}\ncat {tool}\n")).unwrap();
        crate::support::make_executable(&script);
        let output = confined().arg("--").arg(&script).output().unwrap();
        assert!(!stdout(&output).contains("secret"), "{line}");
    }
}

#[test]
fn a_named_pipe_in_the_place_of_a_file_holds_nothing_up() {
    if !can_confine("named pipes") {
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let here = directory.path().canonicalize().unwrap();
    fs::create_dir_all(here.join("venv/bin")).unwrap();
    symlink("/bin/sh", here.join("venv/bin/sh")).unwrap();
    for pipe in ["venv/pyvenv.cfg", "command"] {
        let made = Command::new("mkfifo")
            .arg(here.join(pipe))
            .status()
            .unwrap();
        assert!(made.success());
    }
    crate::support::make_executable(&here.join("command"));
    let output = confined()
        .arg("--")
        .arg(here.join("venv/bin/sh"))
        .args(["-c", "echo ran"])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "ran\n", "{}", stderr(&output));
    let output = confined()
        .arg("--")
        .arg(here.join("command"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
}

#[test]
fn a_grant_does_not_cover_the_files_of_the_run() {
    let output = confined()
        .args(["--read", "/run", "--", "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(
        stderr(&output).contains("holds the run's own files"),
        "{}",
        stderr(&output)
    );
}
