//! Sessions that are saved, and go on later.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use sandbox_net::{DirAccess, Exit, Sandbox, Session};
use sandbox_net_tests::ForgedImage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{session, text, turn};

/// Much longer than it takes to load one.
const PATIENCE: Duration = Duration::from_secs(60);

/// A saved session with `x = [1, 2]` and a file, in a directory of its own.
async fn saved() -> (TempDir, Sandbox) {
    let directory = tempfile::tempdir().unwrap();
    let (sandbox, mut session) = session().await;
    let code = "x = [1, 2]; big = bytes(4 << 20)\nimport os, json\nos.mkdir('/home/d'); open('/home/d/a', 'w').write('of it')\n\
                kept = open('/home/d/a')";
    turn(&mut session, code).await;
    session.save(directory.path().join("saved")).await.unwrap();
    assert_eq!(text(&mut session, "kept.read()").await, "'of it'");
    (directory, sandbox)
}

#[tokio::test]
async fn a_saved_session_goes_on_in_any_sandbox_of_the_same_kind() {
    let (directory, sandbox) = saved().await;
    let path = directory.path().join("saved");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    sandbox.close().await.unwrap();
    let other = Sandbox::builder().env("NEW", "1").build().await.unwrap();
    let mut first = Session::load(&other, &path).await.unwrap();
    let mut second = Session::load(&other, &path).await.unwrap();
    fs::remove_dir_all(&path).unwrap();
    turn(
        &mut first,
        "x.append(3); open('/home/d/a', 'w').write('changed') and None",
    )
    .await;
    assert_eq!(text(&mut first, "json.dumps(x)").await, "'[1, 2, 3]'");
    assert_eq!(
        text(&mut second, "x, os.environ['NEW']").await,
        "([1, 2], '1')"
    );
    assert_eq!(
        text(&mut second, "open('/home/d/a').read()").await,
        "'of it'"
    );
    let failed = turn(&mut second, "kept.read()").await.exception.unwrap();
    assert!(failed.message.contains("open it again"), "{failed:?}");
    let files = first.sandbox().expect("it has its own");
    assert_eq!(files.read_file("/home/d/a").await.unwrap(), b"changed");
    assert!(other.read_file("/home/d/a").await.is_err());
    // It can be forked and saved again.
    let mut fork = first.fork().await.unwrap();
    fork.save(&path).await.unwrap();
    let mut again = Session::load(&other, &path).await.unwrap();
    assert_eq!(text(&mut again, "x").await, "[1, 2, 3]");
    let ended = again.close().await.unwrap();
    assert_eq!(ended.exit, Exit::Code(0));
}

#[tokio::test]
async fn what_is_damaged_or_foreign_is_refused_with_the_reason() {
    let (directory, sandbox) = saved().await;
    let path = directory.path().join("saved");
    let memory = fs::read(path.join("memory")).unwrap();
    let refused = async || {
        let refused = Session::load(&sandbox, &path)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with(&format!("the saved session '{}' ", path.display())),
            "{refused}"
        );
        refused
    };
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = memory.clone();
        change(&mut bytes);
        fs::write(path.join("memory"), bytes).unwrap();
    };
    with(&|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(refused().await.contains("damaged"));
    with(&|bytes| bytes.truncate(100_000));
    assert!(
        refused()
            .await
            .contains("does not have the size that it claims")
    );
    with(&|bytes| bytes[0] ^= 1);
    assert!(refused().await.contains("a file of another kind"));
    with(&|bytes| bytes[15] ^= 2);
    assert!(refused().await.contains("another version"));
    with(&|bytes| bytes[200] ^= 1);
    assert!(refused().await.contains("damaged"));
    with(&|_| ());
    drop(Session::load(&sandbox, &path).await.unwrap());
    fs::write(path.join("files/home/d/a"), "of It").unwrap();
    assert!(refused().await.contains("has damaged files"));
    fs::remove_file(path.join("files/home/d/a")).unwrap();
    assert!(refused().await.contains("has damaged files"));
    fs::remove_dir_all(path.join("files")).unwrap();
    assert!(refused().await.contains("can't be read"));
    fs::remove_file(path.join("memory")).unwrap();
    assert!(refused().await.contains("can't be read"));
}

#[tokio::test]
async fn a_session_of_another_kind_and_a_name_that_is_taken_are_refused() {
    let (directory, sandbox) = saved().await;
    let path = directory.path().join("saved");
    let network = Sandbox::builder()
        .allow("https://a.test")
        .build()
        .await
        .unwrap();
    let refused = Session::load(&network, &path)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("with a network where this sandbox has none"),
        "{refused}"
    );
    let mounted = tempfile::tempdir().unwrap();
    let mounts = Sandbox::builder()
        .dir(mounted.path(), "/data", DirAccess::ReadOnly)
        .build()
        .await
        .unwrap();
    let refused = Session::load(&mounts, &path).await.unwrap_err().to_string();
    assert!(
        refused.contains("build one with the same packages and mounts"),
        "{refused}"
    );
    let small = Sandbox::builder()
        .memory_limit(42 << 20)
        .build()
        .await
        .unwrap();
    assert!(Session::load(&small, &path).await.is_err());
    let full = Sandbox::builder().disk_limit(1).build().await.unwrap();
    assert!(Session::load(&full, &path).await.is_err());
    let mut session = sandbox.session().await.unwrap();
    let refused = session.save(&path).await.unwrap_err().to_string();
    assert!(refused.contains("can't be written"), "{refused}");
    assert_eq!(text(&mut session, "1").await, "1");
    drop(Session::load(&sandbox, &path).await.unwrap());
}

/// Whoever writes one can make every checksum right.
#[tokio::test]
async fn what_a_forged_one_claims_is_refused_or_ends_that_session_alone() {
    let (directory, sandbox) = saved().await;
    let path = directory.path().join("saved");
    let memory = path.join("memory");
    let good = ForgedImage::of(fs::read(&memory).unwrap());
    let size = (good.bytes.len() - (64 << 10)) as u64;
    let note = |name: &'static str, value: Value| good.clone().notes(|it| it[name] = value);
    let refused = [
        ("version", note("session", json!(2)), "another version"),
        (
            "interpreter",
            note("interpreter", json!("lava")),
            "another version",
        ),
        (
            "no directory",
            note("directories", json!([])),
            "needs the directories",
        ),
        (
            "other directories",
            note("directories", json!(["/", "/etc"])),
            "needs the directories",
        ),
        ("files", note("files", json!(1)), ""),
        ("a note more", note("more", json!(1)), "is no saved session"),
        ("a text", note("mailbox", json!("x")), "is no saved session"),
        ("no size", good.clone().sizes(1 << 16, 0), "is smaller than"),
        (
            "half",
            good.clone().sizes(1 << 16, ((size / 2) >> 16) << 16),
            "size",
        ),
        ("more", good.clone().sizes(1 << 16, 1 << 32), "size"),
        ("another beginning", good.clone().sizes(1 << 16, size), ""),
        (
            "all of it at the beginning",
            good.clone().sizes(size, size),
            "",
        ),
        ("zeros", good.clone().memory(0), ""),
        ("noise", good.clone().memory(0xA5), ""),
        ("mailbox", note("mailbox", json!(u32::MAX - 8)), ""),
        ("mailbox elsewhere", note("mailbox", json!(5000)), ""),
    ];
    for (what, forged, says) in refused {
        fs::write(&memory, forged.bytes).unwrap();
        let loaded = tokio::time::timeout(PATIENCE, Session::load(&sandbox, &path)).await;
        let refused = loaded.expect("no wedge").map(drop).unwrap_err().to_string();
        assert!(refused.contains(says), "{what}: {refused}");
    }
    // These claim what one may claim.
    for (what, forged) in [
        ("nothing else", good.clone()),
        ("clock", note("clock", json!(u64::MAX))),
        ("requests", note("requests", json!(u32::MAX))),
        ("open files", note("has_open", json!(false))),
    ] {
        fs::write(&memory, forged.bytes).unwrap();
        let mut session = Session::load(&sandbox, &path).await.unwrap();
        assert_eq!(text(&mut session, "x").await, "[1, 2]", "{what}");
        let code = "import time; time.sleep(0.01); time.monotonic() > 0";
        let outcome = session.exec(code).await.unwrap();
        assert!(outcome.is_done() || what == "clock", "{what}: {outcome:?}");
    }
}
