//! Snapshots of a user's own: what programs begin with, and what can't be made.

use std::path::Path;
use std::time::Duration;

use sandbox_net::{Engine, Error, Outcome, Sandbox, Snapshot, SnapshotBuilder, SnapshotError};
use sandbox_net_tests::{ForgedImage, wheel};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::built;

/// Tells all that a program may find otherwise in a copy.
const FOUND: &str = r#"
import gc, json, os, signal, sys, warnings
state = {
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "cwd": os.getcwd(),
    "environ": dict(os.environ), "main": sorted(vars(sys.modules["__main__"])),
    "streams": [sys.stdin.name, sys.stdout.name, sys.stderr.name, sys.stdout is sys.__stdout__],
    "files": sorted(os.listdir("/")), "enabled": gc.isenabled(),
    "signal": str(signal.getsignal(signal.SIGINT)), "hook": str(sys.excepthook),
    "names": [__name__, __builtins__.__name__], "flags": str(sys.flags),
    "filters": str(warnings.filters), "stdin": sys.stdin.read(),
}
print(json.dumps(state, sort_keys=True))
"#;

/// The modules of a package.
const MODULES: &[(&str, &str)] = &[
    (
        "good.py",
        "import os, sys\nvalue = [1]\nprint('imported')\n",
    ),
    (
        "untidy.py",
        "import os, sys\nos.chdir('/tmp')\nos.environ['LEFT'] = 'x'\nsys.argv.append('y')\n\
         sys.stdout = sys.stderr = open(os.devnull, 'w') if False else sys.stdout\n\
         sys.modules['__main__'] = sys\nopen('/home/left', 'w').write('x')\n",
    ),
    (
        "raises.py",
        "def inner():\n    raise ValueError('not today')\ninner()\n",
    ),
    ("loops.py", "while True: pass\n"),
    ("sleeps.py", "import time\ntime.sleep(600)\n"),
    ("exits.py", "import sys\nsys.exit(3)\n"),
    ("ends.py", "import os\nos._exit(4)\n"),
    ("asks.py", "answer = input('name? ')\n"),
    ("opens.py", "kept = open('/home/kept', 'w')\n"),
    (
        "opens_raw.py",
        "import os\nkept = os.open('/home/kept', os.O_CREAT | os.O_RDWR)\n",
    ),
    (
        "hoards.py",
        "kept = []\nwhile True: kept.append(bytearray(1 << 20))\n",
    ),
    ("floods.py", "for _ in range(20000): print('x' * 99)\n"),
    (
        "connects.py",
        "import socket\nsocket.create_connection(('127.0.0.1', 9), 5)\n",
    ),
    (
        "looks_up.py",
        "import socket\nsocket.getaddrinfo('a.test', 80)\n",
    ),
    (
        "fills.py",
        "open('/home/big', 'wb').write(bytes(1 << 27))\n",
    ),
];

fn package(directory: &Path) -> String {
    let wheel = wheel(directory, "modules", "1.0", MODULES);
    wheel.to_str().expect("a path in UTF-8").to_owned()
}

async fn making(directory: &Path) -> SnapshotBuilder {
    let engine = Engine::shared().await.expect("an engine");
    let limit = Duration::from_secs(60);
    let builder = Snapshot::builder().engine(engine).time_limit(limit);
    builder.with_package(package(directory))
}

async fn refusal(builder: SnapshotBuilder) -> SnapshotError {
    match builder.build().await {
        Err(Error::Snapshot(error)) => error,
        other => panic!("it is made: {other:?}"),
    }
}

async fn run(sandbox: &Sandbox, code: &str) -> Outcome {
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    outcome
}

#[tokio::test]
async fn programs_begin_with_what_was_imported_and_else_as_ever() {
    let directory = TempDir::new().expect("a directory");
    let builder = making(directory.path()).await;
    let builder = builder.import("good").import("untidy");
    let snapshot = builder.build().await.expect("a snapshot");
    assert_eq!(snapshot.output(), b"imported\n");
    assert_eq!(snapshot.imports(), ["good", "untidy"]);
    let plain = Sandbox::builder()
        .with_package(package(directory.path()))
        .automatic_snapshot(false);
    for allow in [None, Some("a.test")] {
        let with = |builder: sandbox_net::SandboxBuilder| match allow {
            Some(rule) => builder.allow(rule),
            None => builder,
        };
        let own = with(
            Sandbox::builder()
                .snapshot(snapshot.clone())
                .env("A", "1")
                .arg("b"),
        );
        let own = built(own).await;
        let plain = with(Sandbox::builder().env("A", "1").arg("b"));
        let plain = plain.with_package(package(directory.path()));
        let plain = built(plain.automatic_snapshot(false)).await;
        assert_eq!(
            run(&own, FOUND).await.stdout_text(),
            run(&plain, FOUND).await.stdout_text()
        );
        let code = "import sys\nassert 'good' in sys.modules\nimport good\ngood.value.append(2)\n\
                    print(good.value)";
        // Each has its own copy, and the import prints no more.
        for _ in 0..2 {
            assert_eq!(run(&own, code).await.stdout_text(), "[1, 2]\n");
        }
    }
    drop(plain);
}

#[tokio::test]
async fn an_import_that_does_not_come_to_an_end_is_an_error_that_names_it() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path();
    for (module, says) in [
        ("raises", "importing raises failed: ValueError: not today"),
        (
            "missing",
            "importing missing failed: ModuleNotFoundError: No module named 'missing'",
        ),
        ("exits", "importing exits failed: SystemExit: 3"),
        (
            "ends",
            "importing ends ended the interpreter with exit code 4",
        ),
        ("asks", "importing asks failed: EOFError"),
        ("opens", "the file /home/kept is open"),
        ("opens_raw", "open files"),
        ("connects", "there is no network while a snapshot is made"),
        ("looks_up", "there is no network while a snapshot is made"),
        ("fills", "importing fills failed: OSError"),
    ] {
        let error = refusal(making(path).await.import("good").import(module)).await;
        let error = error.to_string();
        assert!(error.contains(says), "{module}: {error}");
    }
    let limit = Duration::from_millis(700);
    for module in ["loops", "sleeps"] {
        let error = refusal(making(path).await.time_limit(limit).import(module)).await;
        let error = error.to_string();
        let says = format!("importing {module} took longer than the limit of 700 ms");
        assert!(error.contains(&says), "{error}");
    }
    let hoard = making(path).await.memory_limit(96 << 20).import("hoards");
    let error = refusal(hoard).await.to_string();
    assert!(
        error.contains("importing hoards failed: MemoryError"),
        "{error}"
    );
}

#[tokio::test]
async fn what_imports_print_is_kept_within_bounds() {
    let directory = TempDir::new().expect("a directory");
    let builder = making(directory.path()).await.import("floods");
    let snapshot = builder.build().await.expect("a snapshot");
    assert_eq!(snapshot.output().len(), 64 << 10);
}

#[tokio::test]
async fn a_traceback_says_where_an_import_failed() {
    let directory = TempDir::new().expect("a directory");
    let error = refusal(making(directory.path()).await.import("raises")).await;
    let SnapshotError::Import { traceback, .. } = error else {
        panic!("{error}");
    };
    assert!(
        traceback.contains("/packages/raises.py\", line 2, in inner"),
        "{traceback}"
    );
    assert!(!traceback.contains("sandbox_net"), "{traceback}");
}

#[tokio::test]
async fn a_program_with_a_snapshot_has_the_network_of_its_policy() {
    let directory = TempDir::new().expect("a directory");
    let builder = making(directory.path())
        .await
        .import("good")
        .import("http.client");
    let snapshot = builder.build().await.expect("a snapshot");
    let code = "import http.client\nc = http.client.HTTPConnection('127.0.0.1', 1)\n\
                try: c.request('GET', '/')\nexcept OSError as e: print(e)";
    let none = built(Sandbox::builder().snapshot(snapshot.clone())).await;
    let outcome = run(&none, code).await;
    assert!(
        outcome
            .stdout_text()
            .contains("this sandbox has no network")
    );
    assert!(
        outcome.decisions.is_empty(),
        "nothing of a network is linked"
    );
    let other = built(
        Sandbox::builder()
            .snapshot(snapshot.clone())
            .allow("a.test"),
    )
    .await;
    let outcome = run(&other, code).await;
    assert_eq!(outcome.decisions.len(), 1, "{}", outcome.stdout_text());
    let allowed = built(
        Sandbox::builder()
            .snapshot(snapshot)
            .allow("http://127.0.0.1:1"),
    )
    .await;
    let outcome = run(&allowed, code).await;
    assert!(
        outcome.stdout_text().contains("Connection refused"),
        "{}",
        outcome.stdout_text()
    );
}

#[tokio::test]
async fn a_snapshot_goes_with_its_packages_and_its_engine_alone() {
    let directory = TempDir::new().expect("a directory");
    let builder = making(directory.path()).await.import("good");
    let snapshot = builder.build().await.expect("a snapshot");
    let other = wheel(directory.path(), "other", "1.0", &[("other.py", "")]);
    let other = other.to_str().expect("a path");
    let sandbox = Sandbox::builder().snapshot(snapshot.clone());
    let error = sandbox
        .with_package(package(directory.path()))
        .with_package(other);
    let error = error.build().await.expect_err("another set");
    let says = "other 1.0 is not part of it";
    assert!(error.to_string().contains(says), "{error}");
    // The same wheel is no other one.
    let sandbox = Sandbox::builder().snapshot(snapshot.clone());
    built(sandbox.with_package(package(directory.path()))).await;
    let engine = Engine::builder().build().await.expect("another engine");
    let sandbox = Sandbox::builder().engine(engine).snapshot(snapshot);
    let error = sandbox.build().await.expect_err("another engine");
    assert!(error.to_string().contains("another engine"), "{error}");
}

/// Whoever makes one can make every checksum right.
#[tokio::test]
async fn what_a_forged_snapshot_claims_is_refused_or_ends_its_programs_alone() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("forged");
    let engine = Engine::shared().await.expect("an engine");
    let made = making(directory.path()).await.import("good").build().await;
    made.expect("a snapshot").save(&path).await.expect("a file");
    let good = ForgedImage::of(std::fs::read(&path).expect("the file"));
    let size = (good.bytes.len() - (64 << 10)) as u64;
    let note = |name: &'static str, value: Value| good.clone().notes(|it| it[name] = value);
    let minimum = u64::from_le_bytes(good.bytes[48..56].try_into().expect("eight bytes"));
    let opened = async |forged: ForgedImage| {
        std::fs::write(&path, forged.bytes).expect("a file");
        let opened = tokio::time::timeout(super::PATIENCE, Snapshot::open(&engine, &path)).await;
        opened.expect("an end")
    };
    for (what, forged, says) in [
        (
            "interpreter",
            note("interpreter", json!("lava")),
            "another version",
        ),
        (
            "form",
            note("interpreter", json!(7)),
            "notes of another form",
        ),
        (
            "no list",
            note("packages", Value::Null),
            "notes of another form",
        ),
        ("no size", good.clone().sizes(minimum, 0), "is smaller than"),
        (
            "half",
            good.clone().sizes(minimum, size - (1 << 16)),
            "size that it claims",
        ),
        (
            "more",
            good.clone().sizes(minimum, 1 << 32),
            "size that it claims",
        ),
        (
            "odd",
            good.clone().sizes(minimum, size + 1),
            "has no possible size",
        ),
    ] {
        let refused = opened(forged).await.expect_err(what).to_string();
        assert!(refused.contains(says), "{what}: {refused}");
    }
    // It may open; no program runs with it, or it ends as any other does that can't go on.
    for (what, forged) in [
        ("another beginning", good.clone().sizes(1 << 16, size)),
        ("all of it at the beginning", good.clone().sizes(size, size)),
        ("zeros", good.clone().memory(0)),
        ("noise", good.clone().memory(0xA5)),
    ] {
        let Ok(snapshot) = opened(forged).await else {
            continue;
        };
        let limit = Duration::from_secs(10);
        let builder = Sandbox::builder().snapshot(snapshot).time_limit(limit);
        let Ok(sandbox) = builder.build().await else {
            continue;
        };
        let ended = tokio::time::timeout(super::PATIENCE, sandbox.run("print('ran')")).await;
        if let Ok(outcome) = ended.expect("an end") {
            assert_ne!(outcome.exit_code(), 0, "{what}: {outcome:?}");
        }
    }
    // Of a large one every page counts, whatever it says of its beginning.
    let mut grown = good.clone();
    grown.bytes.resize((64 << 10) + (256 << 20), 0);
    let grown = grown.sizes(minimum, 256 << 20);
    let snapshot = opened(grown).await.expect("a large snapshot");
    assert_eq!(snapshot.memory(), 256 << 20);
    let small = Sandbox::builder()
        .snapshot(snapshot.clone())
        .memory_limit(128 << 20);
    let small = match small.build().await {
        Ok(sandbox) => sandbox.run("print('ran')").await.map(|it| it.exit_code()),
        Err(error) => Err(error),
    };
    assert!(!matches!(small, Ok(0)), "{small:?}");
    let large = built(Sandbox::builder().snapshot(snapshot)).await;
    assert_eq!(run(&large, "print('ran')").await.stdout_text(), "ran\n");
}
