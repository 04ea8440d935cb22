//! What the host decides beyond rules: secrets, budgets, the embedder's hook, policies that are
//! replaced while a program runs, the audit log, and policies in files.

mod at_run_time;
mod audit;
mod budgets;
mod hook;
mod oracle;
mod policy_files;
mod reflection;
mod replacement;
mod secrets;
mod sinks;
mod unframed;

use std::time::Duration;

use sandbox_net::policy::Document;
use sandbox_net::{Outcome, Sandbox, SandboxBuilder};
use sandbox_net_tests::{Report, run};
use serde_json::{Value, json};

/// Much longer than every wait here: a program that hangs ends, and its test fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// The policy of these lines.
fn document(lines: &str) -> Document {
    let text = format!("version = 1\n{lines}\n[end]\n");
    Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A builder for programs that use `requests`, with a time limit.
fn builder() -> SandboxBuilder {
    Sandbox::builder()
        .with_package("requests")
        .time_limit(PATIENCE)
}

/// A sandbox with this policy.
async fn sandbox(lines: &str) -> Sandbox {
    let builder = builder().policy(document(lines));
    builder.build().await.expect("a sandbox")
}

/// Sends the requests that `cases` describe, see `programs/fetch.py`.
async fn fetch(sandbox: &Sandbox, cases: &[Value]) -> (Report, Outcome) {
    let text = json!(cases).to_string();
    let written = sandbox.write_file("/home/cases.json", text).await;
    written.expect("a file in the sandbox");
    run(sandbox, "fetch.py").await
}

/// A GET with urllib.
fn get(case: &str, url: impl Into<String>) -> Value {
    json!({ "case": case, "url": url.into() })
}

/// The same with another client.
fn get_with(client: &str, case: &str, url: impl Into<String>) -> Value {
    json!({ "case": case, "client": client, "url": url.into() })
}

/// Checks that `case` was denied for this reason.
#[track_caller]
fn assert_denied(report: &Report, case: &str, reason: &str) {
    let denial = report.error(case, "PermissionError");
    assert_eq!(denial["deny_reason"], reason, "{case}: {denial}");
}

/// Checks that `case` was answered with this status.
#[track_caller]
fn assert_status(report: &Report, case: &str, status: u16) {
    assert_eq!(report.result(case)["status"], status, "{case}: {report}");
}
