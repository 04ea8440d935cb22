//! huggingface_hub downloads files from a hub on loopback, in parallel and with file locks.

use sandbox_net::{Sandbox, Script};
use sandbox_net_tests::{LIMIT, Native, ScriptedServer, native_python_with};

const PACKAGES: &[&str] = &["huggingface_hub", "filelock"];
const PROGRAM: &str = "functions/with_hub.py";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const FILES: [&str; 4] = ["config.json", "README.md", "model.txt", "vocab.txt"];

/// The content of a file of the hub.
fn content(name: &str) -> String {
    format!("{name}\n").repeat(name.len())
}

/// The answers of a hub.
fn answer(head: &str) -> sandbox_net_tests::Script {
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let (status, kind, body) = if path.contains("/tree/") {
        let files = FILES.map(|name| {
            let size = content(name).len();
            format!(r#"{{"type": "file", "path": "{name}", "size": {size}, "oid": "{name}-1"}}"#)
        });
        (
            "200 OK",
            "application/json",
            format!("[{}]", files.join(", ")),
        )
    } else if path.starts_with("/api/models/some/model") {
        let files = FILES.map(|name| format!(r#"{{"rfilename": "{name}"}}"#));
        let body = format!(
            r#"{{"id": "some/model", "sha": "{COMMIT}", "siblings": [{}]}}"#,
            files.join(", ")
        );
        ("200 OK", "application/json", body)
    } else if path.contains("/resolve/") && FILES.contains(&name) {
        ("200 OK", "text/plain", content(name))
    } else {
        (
            "404 Not Found\r\nX-Error-Code: EntryNotFound",
            "text/plain",
            String::new(),
        )
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nX-Repo-Commit: {COMMIT}\r\n\
         ETag: \"{name}-1\"\r\n\r\n",
        body.len()
    );
    let mut piece = head.into_bytes();
    if method != "HEAD" {
        piece.extend(body.into_bytes());
    }
    sandbox_net_tests::Script {
        pieces: vec![piece],
        close: false,
    }
}

#[tokio::test]
async fn huggingface_hub_downloads_files_and_snapshots() {
    let Some(python) = native_python_with(PACKAGES).await else {
        return;
    };
    let hub = ScriptedServer::plain(answer).await;
    let builder = Sandbox::builder()
        .time_limit(LIMIT)
        .allow(hub.origin())
        .arg(hub.origin());
    let builder = PACKAGES
        .iter()
        .fold(builder, |builder, package| builder.with_package(*package));
    let sandbox = builder.build().await.expect("a sandbox");
    let outcome = sandbox.run(Script::path(Native::path(PROGRAM))).await;
    let outcome = outcome.expect("a run");
    let native = Native::with(&python, PROGRAM, [hub.origin()]).end().await;
    let found = (outcome.stdout_text().into_owned(), outcome.exit_code());
    assert_eq!(found, native, "{}", outcome.stderr_text());
    assert_eq!(found.1, 0);
}
