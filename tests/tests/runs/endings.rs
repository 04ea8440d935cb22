//! Programs end as natively: `programs/endings` has a program for each way to end. Each runs on this
//! machine's own Python and inside, with a network and without, and its output, its exit code and the
//! files that it leaves are the same.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};
use sandbox_net::{Exit, RunOptions, Sandbox, Script};
use sandbox_net_tests::{LIMIT, Native};

use crate::{built, soon};

/// A rule that gives a sandbox the network; it is never used.
const RULE: &str = "https://sandbox-net.test";
/// How many programs run at once.
const AT_ONCE: usize = 4;
/// The programs whose stderr versions of CPython word differently, and how.
const WORDED_OTHERWISE: &[(&str, &str)] = &[
    (
        "asyncio_never_awaited",
        "what logging can still say depends on the version",
    ),
    (
        "exit_with_an_error_in_its_text",
        "3.13 reports the error with that of another function",
    ),
    (
        "resource_warnings",
        "whether the function of the program still shows them",
    ),
    (
        "stdout_is_broken",
        "whether the error of its end is reported, and with its context",
    ),
];

/// What comes of a program.
#[derive(Debug, PartialEq)]
struct End {
    stdout: String,
    errors: Vec<String>,
    code: i32,
    /// What is in its files, by their names.
    files: Vec<(String, String)>,
}

#[tokio::test]
async fn programs_end_as_natively() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/endings");
    let found = std::fs::read_dir(folder).expect("the programs");
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "py"));
    paths.sort();
    assert!(paths.len() > 70, "{paths:?}");
    let builder = || Sandbox::builder().time_limit(LIMIT);
    let without = built(builder()).await;
    let with = built(builder().allow(RULE)).await;
    let compared = paths.iter().map(|path| compare(path, [&without, &with]));
    let faults: Vec<Option<String>> = stream::iter(compared).buffered(AT_ONCE).collect().await;
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What is wrong with one program, if anything is.
async fn compare(path: &Path, sandboxes: [&Sandbox; 2]) -> Option<String> {
    let name = path.file_stem()?.to_string_lossy().into_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let native = natively(path, directory.path()).await;
    for sandbox in sandboxes {
        let mut found = inside(path, sandbox, &native.files).await;
        let is_worded_otherwise = WORDED_OTHERWISE.iter().any(|(known, _)| *known == name);
        if is_worded_otherwise {
            found.errors.clone_from(&native.errors);
        }
        if found != native {
            return Some(format!(
                "{name}:\n  inside:   {found:?}\n  natively: {native:?}"
            ));
        }
    }
    None
}

async fn natively(path: &Path, directory: &Path) -> End {
    let program = path.to_string_lossy();
    let native = Native::new::<&str>(&program, []).directory(directory);
    let (stdout, stderr, code) = native.whole_end().await;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("its directory") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(path).expect("its file")));
    }
    let errors = errors(&stderr);
    End {
        stdout,
        errors,
        code,
        files,
    }
}

async fn inside(path: &Path, sandbox: &Sandbox, files: &[(String, String)]) -> End {
    let script = Script::path(path.to_path_buf());
    let outcome = soon(sandbox.run(script)).await.expect("a run");
    let mut found = Vec::new();
    for (name, _) in files {
        let file = sandbox.read_file(&format!("/home/{name}")).await;
        let text = file.unwrap_or_else(|error| error.to_string().into());
        found.push((name.clone(), String::from_utf8_lossy(&text).into_owned()));
    }
    End {
        stdout: outcome.stdout_text().into_owned(),
        errors: errors(&outcome.stderr_text()),
        code: outcome.exit_code(),
        files: found,
    }
}

/// The lines of a stderr that say what happened, without what only says where.
fn errors(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| {
        let first = line.trim_start();
        let is_indented = first.len() < line.len() || first.is_empty();
        !is_indented
            && !["Traceback", "Exception ignored"]
                .iter()
                .any(|word| line.starts_with(word))
    });
    lines.map(plain).collect()
}

/// A line without what differs from machine to machine, and from version to version of CPython.
fn plain(line: &str) -> String {
    let line = line.replace("sys:1:", "<sys>:0:").replace("UTF-8", "utf-8");
    match line.split_once("[Errno ") {
        Some((before, after)) => {
            let text = after.split_once(']').map_or(after, |(_, text)| text);
            // Temporary files have other names each time.
            let text = text.split_once("'/").map_or(text, |(text, _)| text);
            format!("{before}{text}")
        }
        None => line,
    }
}

#[tokio::test]
async fn the_end_of_a_program_is_within_its_limits() {
    let endless = [
        "import atexit\n@atexit.register\ndef last():\n    while True: pass",
        "class A:\n    def __del__(self):\n        while True: pass\na = A()",
        "class A:\n    def __del__(self): self.next = A()\n    def __init__(self): self.me = \
         self\nimport gc\na = A()\ngc.callbacks.append(lambda *_: [A() for _ in range(9)])\n\
         import atexit; atexit.register(__import__('time').sleep, 1000)",
    ];
    let sandbox = built(Sandbox::builder()).await;
    for code in endless {
        let options = RunOptions::new().time_limit(std::time::Duration::from_millis(500));
        let mut run = sandbox.start(code, options).await.unwrap();
        let outcome = soon(run.wait()).await.unwrap();
        assert_eq!(outcome.exit, Exit::TimeLimit, "{code}");
    }
    // What is over the memory's limit is an error that nobody can be told of, and no other end.
    let code = "class A:\n    def __del__(self):\n        kept = [bytearray(1 << 20)]\n        while \
                True: kept.append(bytearray(len(kept[-1]) * 2))\na = A()\nprint('end')";
    let small = built(Sandbox::builder().memory_limit(128 << 20)).await;
    let outcome = soon(small.run(code)).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.stderr_text());
    assert_eq!(outcome.stdout_text(), "end\n");
    assert!(outcome.stderr_text().contains("MemoryError"));
    // A run is killed at its end, too.
    let mut run = sandbox.start(endless[1], RunOptions::new()).await.unwrap();
    run.kill();
    assert_eq!(soon(run.wait()).await.unwrap().exit, Exit::Killed);
}
