//! The command line as a process: its exit codes, and what goes to which stream.

use std::path::Path;
use std::process::{Command, Output};

const POLICY: &str = "version = 1\nallow = [\"https://a.test\"]\n[end]\n";
const LOG: &str = r#"{"type":"decision","time":"2026-11-21T10:20:30.123Z","sandbox":"s","sequence":0,"stage":"connect","target":"b.test:443","method":null,"verdict":"deny","rule":"default-deny","reason":"no-rule","address":null}
"#;

/// Runs it in `directory`, without a cache: nothing may need one.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_sandbox-net"))
        .args(arguments)
        .current_dir(directory)
        .env("SANDBOX_NET_CACHE", directory.join("no-such/cache"))
        .output()
        .expect("the command line runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[test]
fn policies_and_logs_are_read_without_a_distribution() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("good.toml"), POLICY).expect("a file");
    std::fs::write(at.join("cut.toml"), &POLICY[..POLICY.len() - 6]).expect("a file");
    std::fs::write(at.join("log.jsonl"), LOG).expect("a file");
    for (arguments, code, out, err) in [
        (
            &["policy", "check", "good.toml"][..],
            0,
            "good.toml: ok: 1 rule allows",
            "",
        ),
        (
            &["policy", "check", "cut.toml"],
            1,
            "",
            "cut.toml: the last line '[end]' is missing",
        ),
        (
            &[
                "policy",
                "explain",
                "https://a.test/x",
                "--policy",
                "good.toml",
            ],
            0,
            "GET https://a.test/x: allowed by 'https://a.test'",
            "",
        ),
        (
            &[
                "policy",
                "explain",
                "http://a.test/x",
                "--policy",
                "good.toml",
            ],
            1,
            "GET http://a.test/x: denied (no-rule)",
            "",
        ),
        (&["policy", "schema"], 0, "\"sandbox-net policy\"", ""),
        (&["audit", "log.jsonl"], 0, "\"https://b.test\",", ""),
        (
            &["audit", "replay", "log.jsonl", "--allow", "b.test"],
            1,
            "0 the same, 0 now denied, 1 now allowed",
            "",
        ),
        (
            &["audit", "replay", "log.jsonl", "--policy", "cut.toml"],
            125,
            "",
            "cut.toml: the last line '[end]' is missing",
        ),
    ] {
        let (exit, stdout, stderr) = run(at, arguments);
        assert_eq!(exit, code, "{arguments:?}\n{stdout}\n{stderr}");
        assert!(stdout.contains(out), "{arguments:?}: {stdout}");
        assert!(stderr.contains(err), "{arguments:?}: {stderr}");
        assert!(
            !err.is_empty() || stderr.is_empty(),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn a_policy_that_cannot_be_used_runs_nothing_and_says_why_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("empty.toml"), "# nothing\n").expect("a file");
    std::fs::write(at.join("cut.toml"), &POLICY[..20]).expect("a file");
    std::fs::write(at.join("typo.toml"), POLICY.replace("allow", "alow")).expect("a file");
    std::fs::write(at.join("binary.toml"), [0xff, 0xfe]).expect("a file");
    for (file, why) in [
        ("missing.toml", "No such file"),
        ("empty.toml", "the policy is empty"),
        ("cut.toml", "line 2: not TOML"),
        (
            "typo.toml",
            "line 2: unknown key 'alow'; did you mean 'allow'?",
        ),
        ("binary.toml", "not a text in UTF-8"),
    ] {
        let arguments = ["run", "--policy", file, "-c", "print('ran')"];
        let (exit, stdout, stderr) = run(at, &arguments);
        assert_eq!((exit, stdout.as_str()), (125, ""), "{file}: {stderr}");
        assert!(stderr.contains(file) && stderr.contains(why), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_missing_file_is_named_with_its_option() {
    let directory = tempfile::tempdir().expect("a directory");
    let code = ["-c", "print('ran')"];
    for (arguments, beginning) in [
        (
            &["--policy", "nofile"][..],
            "sandbox-net: --policy nofile: ",
        ),
        (&["--ca", "nofile"], "sandbox-net: --ca nofile: "),
        (
            &["--with-requirements", "nofile"],
            "sandbox-net: --with-requirements nofile: ",
        ),
        (&[], "sandbox-net: the script nofile: "),
    ] {
        let program: &[&str] = if arguments.is_empty() {
            &["nofile"]
        } else {
            &code
        };
        let all = [&["run"], arguments, program].concat();
        let (exit, stdout, stderr) = run(directory.path(), &all);
        assert_eq!((exit, stdout.as_str()), (125, ""), "{all:?}: {stderr}");
        assert!(stderr.starts_with(beginning), "{all:?}: {stderr}");
        assert!(stderr.contains("No such file"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn the_version_is_that_of_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let (exit, stdout, _) = run(directory.path(), &["--version"]);
    let expected = format!("sandbox-net {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((exit, stdout), (0, expected));
}

#[test]
fn what_the_program_could_replace_is_refused_by_its_option_and_nothing_is_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    for folder in ["work/inputs", "other"] {
        std::fs::create_dir_all(at.join(folder)).expect("a directory");
    }
    for (file, content) in [
        ("policy.toml", POLICY),
        ("work/policy.toml", POLICY),
        ("work/ca.pem", ""),
        ("agent.py", "print('ran')"),
        ("work/agent.py", "print('ran')"),
    ] {
        std::fs::write(at.join(file), content).expect("a file");
    }
    let work = &["--dir", "work::/work:rw", "-c", "print('ran')"][..];
    for (before, after, expected) in [
        (
            &["--policy", "work/policy.toml"][..],
            work,
            "--policy 'work/policy.toml' lies in",
        ),
        (
            &[
                "--policy",
                "policy.toml",
                "--policy",
                "other/../work/policy.toml",
            ],
            work,
            "--policy 'other/../work/policy.toml' lies in",
        ),
        (
            &["--audit", "work/audit.jsonl"],
            work,
            "--audit 'work/audit.jsonl' lies in",
        ),
        (&["--ca", "work/ca.pem"], work, "--ca 'work/ca.pem' lies in"),
        (
            &["--with", "work/a-1-py3-none-any.whl"],
            work,
            "the wheel 'work/a-1-py3-none-any.whl'",
        ),
        (
            &["--dir", "work/inputs::/inputs:rw"],
            work,
            "the mount at /inputs 'work/inputs' lies in",
        ),
        (
            &["--dir", "work::/again"],
            work,
            "the mount at /again 'work' is the directory 'work'",
        ),
        (
            &[],
            &["--dir", "work::/work:rw", "work/agent.py"],
            "the script 'work/agent.py' lies in",
        ),
        (
            &[],
            &["--dir", ".::/work:rw", "agent.py"],
            "the script 'agent.py' lies in",
        ),
        (
            &["--policy", "policy.toml"],
            &["--dir", ".::/work:rw", "-c", "1"],
            "--policy 'policy.toml'",
        ),
    ] {
        let arguments = [&["run"], before, after].concat();
        let (exit, stdout, stderr) = run(at, &arguments);
        assert_eq!(
            (exit, stdout.as_str()),
            (125, ""),
            "{arguments:?}: {stderr}"
        );
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("as /work: mount a subdirectory or mount it read-only"),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[cfg(unix)]
#[test]
fn what_the_environment_names_is_kept_from_the_program() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::create_dir_all(at.join("work/tmp")).expect("directories");
    std::os::unix::fs::symlink("../beside", at.join("work/link")).expect("a link");
    for (variable, value, expected) in [
        (
            "TMPDIR",
            "work/tmp",
            "the temporary directory 'work/tmp' lies in",
        ),
        (
            "TMPDIR",
            "work",
            "the temporary directory 'work' is the directory",
        ),
        (
            "TMPDIR",
            "work/link",
            "the temporary directory 'work/link' is reached through",
        ),
        (
            "SSL_CERT_FILE",
            "work/ca.pem",
            "SSL_CERT_FILE 'work/ca.pem' lies in",
        ),
        (
            "SSL_CERT_DIR",
            "work/tmp",
            "SSL_CERT_DIR 'work/tmp' lies in",
        ),
        (
            "SANDBOX_NET_PIP",
            "work/bin/python -m pip",
            "SANDBOX_NET_PIP 'work/bin/python' lies in",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sandbox-net"))
            .args(["run", "--dir", "work::/work:rw", "-c", "print('ran')"])
            .current_dir(at)
            .env("SANDBOX_NET_CACHE", at.join("no-such/cache"))
            .env(variable, value)
            .output()
            .expect("the command line runs");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(
            output.status.code(),
            Some(125),
            "{variable}={value}: {stderr}"
        );
        assert!(
            output.stdout.is_empty() && stderr.contains(expected),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn what_is_built_into_a_distribution_is_listed_with_its_versions_where_it_is_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let list = |arguments: &[&str]| {
        let arguments = [&["distribution", "list"], arguments].concat();
        let (code, out, err) = run(directory.path(), &arguments);
        assert_eq!((code, &*err), (0, ""));
        out
    };
    let manifest = sandbox_net::python::Manifest::find(None).expect("a manifest");
    let short = list(&[]);
    assert_eq!(short.lines().count(), 1, "{short}");
    for option in ["-v", "--verbose"] {
        let long = list(&[option]);
        assert!(long.starts_with(&short), "{long}");
        let built_in = manifest.provides.iter();
        let built_in = built_in.map(|(name, version)| format!("  {name} {version}"));
        assert!(built_in.eq(long.lines().skip(1)), "{long}");
    }
}
