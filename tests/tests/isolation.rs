//! Sandboxes in one process share nothing; a fork starts as a copy of its parent and is then separate.

use sandbox_net::Sandbox;
use sandbox_net_tests::{HttpServer, Report, Servers, run};
use serde_json::json;

/// Checks that a run could use one server and not the other.
fn assert_only(report: &Report, allowed: &str, denied: &str) {
    assert_eq!(report.result(allowed), &json!(200));
    report.error(denied, "PermissionError");
}

#[tokio::test]
async fn two_sandboxes_at_once_have_each_its_own_rules_and_connections() {
    let (first, second) = (HttpServer::plain().await, HttpServer::plain().await);
    let (to_first, to_second) = (first.origin() + "/get", second.origin() + "/get");
    let slow = first.origin() + "/slow";
    let one = Sandbox::builder()
        .allow(first.origin())
        .env("OWN", "one")
        .arg(to_first.as_str())
        .arg(to_second.as_str())
        .arg(slow.as_str())
        .build()
        .await
        .expect("a sandbox");
    let other = Sandbox::builder()
        .allow(second.origin())
        .env("OWN", "other")
        .arg(to_second.as_str())
        .arg(to_first.as_str())
        .build()
        .await
        .expect("a sandbox");
    one.write_file("/home/one.txt", b"one")
        .await
        .expect("a file in the sandbox");

    // The first run is inside its last request while the second one runs.
    let running = async {
        first.until_requested("/slow").await;
        let (report, _) = run(&other, "state.py").await;
        first.release();
        report
    };
    let ((one, _), other) = tokio::join!(run(&one, "state.py"), running);

    assert_only(&one, &to_first, &to_second);
    assert_only(&other, &to_second, &to_first);
    assert_eq!(one.result("environment"), &json!({ "OWN": "one" }));
    assert_eq!(other.result("environment"), &json!({ "OWN": "other" }));
    assert_eq!(one.result("files"), &json!({ "one.txt": "one" }));
    assert_eq!(other.result("files"), &json!({}));
    assert_eq!(one.result(&slow), &json!(200));
    assert_eq!((first.requests().len(), second.requests().len()), (2, 1));
}

#[tokio::test]
async fn a_sandbox_does_not_use_the_connections_of_another() {
    let server = HttpServer::plain().await;
    for runs in 1..=2 {
        let sandbox = Sandbox::builder()
            .allow(server.origin())
            .arg(server.origin() + "/get")
            .build()
            .await
            .expect("a sandbox");
        run(&sandbox, "state.py").await;
        assert_eq!(
            server.connections(),
            runs,
            "each sandbox makes its own connection"
        );
    }
}

#[tokio::test]
async fn a_fork_inherits_everything_and_diverges() {
    let servers = Servers::start().await;
    let (allowed, denied) = (
        servers.http.origin() + "/get",
        servers.forbidden.origin() + "/get",
    );
    let parent = Sandbox::builder()
        .allow(servers.http.origin())
        .env("SHARED", "from the parent")
        .arg(allowed.as_str())
        .arg(denied.as_str())
        .build()
        .await
        .expect("a sandbox");
    parent
        .write_file("/home/shared.txt", b"before")
        .await
        .expect("a file in the sandbox");
    let child = parent.fork().await.expect("a fork");
    child
        .write_file("/home/shared.txt", b"changed")
        .await
        .expect("a file in the sandbox");
    child
        .write_file("/home/child.txt", b"new")
        .await
        .expect("a file in the sandbox");
    child.set_env("OWN", "child").expect("a variable");
    parent
        .set_env("SHARED", "changed by the parent")
        .expect("a variable");

    let (of_parent, _) = run(&parent, "state.py").await;
    let (of_child, _) = run(&child, "state.py").await;
    for report in [&of_parent, &of_child] {
        assert_only(report, &allowed, &denied);
    }
    assert_eq!(
        of_parent.result("files"),
        &json!({ "shared.txt": "before" })
    );
    let expected = json!({ "child.txt": "new", "shared.txt": "changed" });
    assert_eq!(of_child.result("files"), &expected);
    let expected = json!({ "SHARED": "changed by the parent" });
    assert_eq!(of_parent.result("environment"), &expected);
    let expected = json!({ "OWN": "child", "SHARED": "from the parent" });
    assert_eq!(of_child.result("environment"), &expected);
    assert_eq!(parent.get_env("OWN"), None);
    assert_eq!(servers.forbidden.connections().await, 0);

    // Grandchildren get what their parent's run left behind.
    let grandchild = child.fork().await.expect("a fork of a fork");
    drop(child);
    let read = grandchild
        .read_file("/home/child.txt")
        .await
        .expect("the file of the fork");
    assert_eq!(read, b"new");
}

#[tokio::test]
async fn every_run_has_random_numbers_of_its_own() {
    let sandbox = Sandbox::builder().allow("https://a.test").build().await;
    let sandbox = sandbox.expect("a sandbox");
    let code = "import os, random, uuid; print(random.random(), os.urandom(8), uuid.uuid4())";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let outcome = sandbox.run(code).await.expect("a run");
        for number in outcome.stdout_text().split_whitespace() {
            assert!(seen.insert(number.to_owned()), "{number} came twice");
        }
    }
    assert!(seen.len() >= 9);
}
