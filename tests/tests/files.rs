//! A program sees its own directory and the mounted ones, with the access that was granted, wherever it
//! runs.

use sandbox_net::{DirAccess, Sandbox};
use sandbox_net_tests::{Place, Program};
use serde_json::json;

#[tokio::test]
async fn programs_see_the_directories_that_they_were_given_and_no_others() {
    for place in Place::ALL {
        only_what_it_was_given(place).await;
    }
}

async fn only_what_it_was_given(place: Place) {
    let (read_only, writable) = (tempfile::tempdir(), tempfile::tempdir());
    let (read_only, writable) = (
        read_only.expect("a directory"),
        writable.expect("a directory"),
    );
    let outside = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(outside.path(), "secret").expect("a file");
    std::fs::write(read_only.path().join("given.txt"), "given").expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), read_only.path().join("link")).expect("a link");

    let builder = Sandbox::builder()
        .dir(read_only.path(), "/given", DirAccess::ReadOnly)
        .dir(writable.path(), "/shared", DirAccess::ReadWrite)
        .arg("/given")
        .arg("/shared");
    let program = Program::new("files.py").file("/home/in.txt", b"\x00\xff\n");
    let ended = place.run(builder, &program).await;
    let (report, sandbox) = (ended.report(), ended.sandbox());

    assert_eq!(report.result("own directory"), &json!(3));
    assert_eq!(
        sandbox
            .read_file("/home/out.bin")
            .await
            .expect("the result"),
        b"\n\xff\x00"
    );
    assert_eq!(report.result("working directory"), &json!("home"));
    assert_eq!(report.result("read-only read"), &json!("given"));
    assert_eq!(
        report.result("read-only list"),
        &json!(["given.txt", "link"])
    );
    assert_eq!(
        report.result("read-only changes"),
        &json!(vec!["refused"; 6])
    );
    assert_eq!(report.result("writable read"), &json!("written inside"));
    assert_eq!(report.result("outside"), &json!(vec!["refused"; 5]));

    let written = std::fs::read_to_string(writable.path().join("written.txt"));
    assert_eq!(
        written.expect("the file that the program wrote"),
        "written inside"
    );
    let mut left: Vec<_> = std::fs::read_dir(read_only.path())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["given.txt", "link"]);
}

#[tokio::test]
async fn files_of_a_sandbox_are_read_and_written_from_outside_only_within_it() {
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    sandbox
        .write_file("/home/a.txt", b"first")
        .await
        .expect("a file");
    sandbox
        .write_file("/home/a.txt", b"2")
        .await
        .expect("the file again");
    assert_eq!(
        sandbox.read_file("/home/a.txt").await.expect("the file"),
        b"2"
    );
    for path in [
        "/home/missing.txt",
        "/etc/passwd",
        "/home/../../../../etc/passwd",
        "",
    ] {
        assert!(
            sandbox.read_file(path).await.is_err(),
            "{path:?} is not in the sandbox"
        );
    }
    for path in ["/home/../../a.txt", "/home", "home/a.txt", ""] {
        assert!(
            sandbox.write_file(path, b"x").await.is_err(),
            "{path:?} is not in the sandbox"
        );
    }
}

#[tokio::test]
async fn a_missing_directory_is_an_error_before_the_run() {
    let missing = tempfile::tempdir()
        .expect("a directory")
        .path()
        .join("missing");
    let result = Sandbox::builder()
        .dir(&missing, "/given", DirAccess::ReadOnly)
        .build()
        .await;
    let message = result.expect_err("an error").to_string();
    assert!(message.contains("missing"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_an_error_before_the_run() {
    for rule in [
        "",
        "http://",
        "ftp://host",
        "host:99999",
        "ho*st",
        "http://user@host",
        "a b",
    ] {
        let result = Sandbox::builder().allow(rule).build().await;
        let message = result
            .err()
            .unwrap_or_else(|| panic!("{rule:?} is no rule"))
            .to_string();
        assert!(
            !message.is_empty() && !message.contains('\n'),
            "{rule:?}: {message}"
        );
    }
}
