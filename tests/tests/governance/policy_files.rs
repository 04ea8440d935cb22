//! A policy in a file: all of it applies, or nothing runs.

use std::path::{Path, PathBuf};

use sandbox_net::policy::Document;
use sandbox_net::{Error, Sandbox};
use sandbox_net_tests::{Report, Servers};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_denied, assert_status, builder, document, fetch, get};

/// Checks that `check` and `build` refuse this file, with these words after its name.
async fn assert_refused(path: &Path, words: &[&str]) {
    let refused = |error: Error| {
        let text = error.to_string();
        assert!(
            text.contains(&path.display().to_string()),
            "the file: {text}"
        );
        assert!(!text.contains(char::is_control), "one line: {text:?}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    };
    refused(builder().policy_file(path).check().expect_err("a refusal"));
    // A rule outside the file does not replace it.
    let built = builder()
        .policy_file(path)
        .allow("https://a.test")
        .build()
        .await;
    refused(built.expect_err("a refusal"));
}

fn write(directory: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, bytes).expect("a file");
    path
}

#[tokio::test]
async fn a_file_that_is_no_whole_policy_is_refused_with_its_line_and_key() {
    let directory = TempDir::new().expect("a directory");
    assert_refused(&directory.path().join("missing.toml"), &["No such file"]).await;
    assert_refused(directory.path(), &["directory"]).await;
    for (text, words) in [
        (&b""[..], &["version"][..]),
        (b"\n\n", &["version"]),
        (b"version = 1\n", &["[end]"]),
        (b"version = 2\n[end]\n", &["line 1", "version"]),
        (
            b"version = 1\nallow = ['https://a.test']\nalow = []\n[end]\n",
            &["line 3", "'alow'", "'allow'"],
        ),
        (
            b"version = 1\n[budgets]\nrequest = 1\n[end]\n",
            &["line 3", "'request'", "'requests'"],
        ),
        (
            b"version = 1\nallow = ['https://a.test', 'ftp://b.test']\n[end]\n",
            &["line 2", "ftp"],
        ),
        (
            b"version = 1\nallow = 'https://a.test'\n[end]\n",
            &["line 2", "allow"],
        ),
        (
            b"version = 1\n[budgets]\nrequests = -1\n[end]\n",
            &["line 3", "requests"],
        ),
        (b"version = 1\nmode = 'off'\n[end]\n", &["line 2", "mode"]),
        (
            b"version = 1\nmode = 'report'\nmode = 'enforce'\n[end]\n",
            &["line 3", "mode"],
        ),
        (b"version = 1\nallow = [\xff]\n[end]\n", &["UTF-8"]),
        (b"\xff\xfev\0e\0r\0", &["UTF-8"]),
        (b"{\"version\": 1}", &["line 1"]),
        (
            b"version = 1\n[end]\nallow = ['any']\n",
            &["line 3", "'allow'"],
        ),
    ] {
        assert_refused(&write(&directory, text), words).await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_anywhere_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let whole = "version = 1\nallow = ['https://a.test']\ndeny = ['https://a.test/admin/**']\n\
                 [budgets]\nrequests = 10\n[[secret]]\nname = 'key'\nrule = 'https://a.test'\n\
                 source = { env = 'HOME' }\n[end]";
    assert!(Document::parse(whole).is_ok());
    for end in 0..whole.len() {
        let path = write(&directory, &whole.as_bytes()[..end]);
        let refused = builder().policy_file(&path).check();
        let error = refused.expect_err(&whole[..end]).to_string();
        assert!(error.contains("policy.toml"), "{error}");
    }
    let half = write(&directory, &whole.as_bytes()[..whole.len() / 2]);
    assert_refused(&half, &[]).await;
}

async fn from_file(servers: &Servers, text: &str, narrowing: &[String]) -> Sandbox {
    let directory = TempDir::new().expect("a directory");
    let mut sandbox = builder()
        .policy_file(write(&directory, text.as_bytes()))
        .trust_ca_pem(servers.ca.root_pem());
    for lines in narrowing {
        sandbox = sandbox.intersect(document(lines).into());
    }
    sandbox.check().expect("a good policy");
    sandbox.build().await.expect("a sandbox")
}

fn case(name: &str, method: &str, url: String) -> Value {
    json!({ "case": name, "method": method, "url": url })
}

/// The policy of these tests.
fn ours(servers: &Servers) -> String {
    let (http, https) = (servers.http.origin(), servers.https.origin());
    format!(
        "# Ours.\nversion = 1\nallow = ['GET,POST {http}/get', 'GET {http}/bytes/*', '{https}']\n\
         deny = ['{https}/bytes/**']\n[budgets]\nrequests = 100\n[end]\n"
    )
}

/// Requests to decide on.
fn questions(servers: &Servers) -> Vec<Value> {
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let raw = servers.raw.origin();
    vec![
        case("get", "GET", http.clone() + "/get?any=1"),
        case("post", "POST", http.clone() + "/get"),
        case("segment", "GET", http.clone() + "/bytes/3"),
        case("https", "GET", https.clone() + "/get"),
        case("put", "PUT", http.clone() + "/get"),
        case("another path", "GET", http.clone() + "/csv"),
        case("two segments", "GET", http.clone() + "/bytes/3/4"),
        case(
            "a path of two readings",
            "GET",
            http.clone() + "/bytes/..%2fcsv",
        ),
        case("denied path", "GET", https.clone() + "/bytes/3"),
        case("denied path, encoded", "GET", https.clone() + "/%62ytes/3"),
        case("another server", "GET", raw.clone() + "/ok"),
    ]
}

/// Sends these requests: the named ones are answered, all others denied.
async fn assert_allowed(sandbox: &Sandbox, cases: &[Value], allowed: &[&str]) -> Report {
    let (report, _) = fetch(sandbox, cases).await;
    for case in cases {
        let name = case["case"].as_str().expect("a name");
        match allowed.contains(&name) {
            true => assert_status(&report, name, 200),
            false => drop(report.error(name, "PermissionError").clone()),
        }
    }
    report
}

#[tokio::test]
async fn a_good_file_allows_what_it_says() {
    let servers = Servers::start().await;
    let sandbox = from_file(&servers, &ours(&servers), &[]).await;
    let allowed = ["get", "post", "segment", "https"];
    let report = assert_allowed(&sandbox, &questions(&servers), &allowed).await;
    assert_denied(&report, "denied path", "deny-rule");
    assert_denied(&report, "denied path, encoded", "deny-rule");
    assert_denied(&report, "put", "no-rule");
    assert_eq!(servers.raw.connections(), 0);
}

#[tokio::test]
async fn a_narrowing_policy_only_removes_permissions() {
    let servers = Servers::start().await;
    let (text, cases) = (ours(&servers), questions(&servers));
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let raw = servers.raw.origin();
    for (narrowing, allowed) in [
        // Rules beyond the file do not allow this.
        (
            vec![format!("allow = ['GET {http}', '{raw}']")],
            &["get", "segment"][..],
        ),
        (
            vec![format!(
                "allow = ['{https}', '{http}']\ndeny = ['POST {http}']"
            )],
            &["get", "segment", "https"],
        ),
        (
            vec![
                format!("allow = ['{https}']"),
                format!("allow = ['{http}']"),
            ],
            &[],
        ),
        (
            vec!["mode = 'report'".to_owned()],
            &["get", "post", "segment", "https"],
        ),
        (vec!["mode = 'ask'".to_owned()], &[]),
        (vec![String::new()], &[]),
    ] {
        let sandbox = from_file(&servers, &text, &narrowing).await;
        if sandbox.policy().denies_everything() {
            assert!(allowed.is_empty());
            continue;
        }
        assert_allowed(&sandbox, &cases, allowed).await;
    }
    let budget = format!("allow = ['{http}']\n[budgets]\nrequests = 1");
    let sandbox = from_file(&servers, &text, &[budget]).await;
    let (report, _) = fetch(&sandbox, &cases[..2]).await;
    assert_status(&report, "get", 200);
    assert_eq!(report.error("post", "OSError")["limit"], "requests");
    assert_eq!(servers.raw.connections(), 0);
}

#[tokio::test]
async fn rules_of_the_builder_add_to_the_file_and_a_narrowing_policy_brings_no_secret() {
    let servers = Servers::start().await;
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let directory = TempDir::new().expect("a directory");
    let text = format!("version = 1\nallow = ['{http}']\n[end]\n");
    let path = write(&directory, text.as_bytes());
    let sandbox = builder()
        .policy_file(&path)
        .allow(&*https)
        .deny(format!("{http}/csv"));
    let sandbox = sandbox
        .trust_ca_pem(servers.ca.root_pem())
        .build()
        .await
        .expect("a sandbox");
    let urls = [http.clone() + "/get", https + "/get", http.clone() + "/csv"];
    let (report, _) = fetch(&sandbox, &urls.each_ref().map(|url| get(url, url.as_str()))).await;
    assert_status(&report, &urls[0], 200);
    assert_status(&report, &urls[1], 200);
    assert_denied(&report, &urls[2], "deny-rule");

    let secret = "[[secret]]\nname = 'a'\nrule = 'https://a.test'\nsource = { env = 'HOME' }";
    let narrowing = builder()
        .policy_file(&path)
        .intersect(document(secret).into());
    let error = narrowing.check().expect_err("a refusal").to_string();
    assert!(error.contains("secrets"), "{error}");
}
