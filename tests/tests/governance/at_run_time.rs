//! An embedder changes rules and secrets, and sees what is used, while one program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox_net::policy::{
    Document, Mode, Policy, Rule, Rules, Secret, SecretAnswer, SecretSource,
};
use sandbox_net::{DirAccess, Error, Sandbox};
use sandbox_net_tests::{HttpServer, Servers};
use serde_json::{Value, json};

use crate::secrets::assert_unseen;
use crate::{assert_denied, assert_status, builder, document, fetch, get};

const FIRST: &str = "first-value-0123456789";
const SECOND: &str = "second-value-0123456789";

/// A GET with the placeholder of the secret `api-key`.
fn keyed(case: &str, url: &str) -> Value {
    json!({ "case": case, "client": "requests", "url": url,
        "headers": { "Authorization": "Bearer {API_KEY}" } })
}

/// A secret for GET of this origin.
fn api_key(origin: &str, source: SecretSource) -> Secret {
    let rule: Rule = format!("GET {origin}").parse().expect("a rule");
    Secret::new("api-key", rule, source)
}

/// A sandbox that may use these servers, with such a secret for the HTTPS server.
async fn with_key(servers: &Servers, control: &HttpServer, source: SecretSource) -> Sandbox {
    let https = servers.https.origin();
    let sandbox = builder()
        .allow(https.as_str())
        .allow(control.origin())
        .secret(api_key(&https, source))
        .trust_ca_pem(servers.ca.root_pem());
    sandbox.build().await.expect("a sandbox")
}

/// What the HTTPS server got for authorizations.
fn authorizations(servers: &Servers) -> Vec<String> {
    let requests = servers.https.requests();
    let values = requests
        .iter()
        .map(|request| request.header("authorization"));
    values.flatten().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_secret_that_is_replaced_between_two_requests_has_the_new_value_in_the_second() {
    let (servers, control) = (Servers::start().await, HttpServer::plain().await);
    let sandbox = with_key(&servers, &control, SecretSource::value(FIRST)).await;
    let fork = sandbox.fork().await.expect("a fork");
    let url = servers.https.origin() + "/get";
    let slow = get("control", control.origin() + "/slow");
    let cases = [keyed("before", &url), slow, keyed("after", &url)];
    let replacing = async {
        control.until_requested("/slow").await;
        let source = SecretSource::value(SECOND);
        sandbox
            .replace_secret("api-key", source)
            .await
            .expect("another value");
        control.release();
    };
    let ((report, outcome), ()) = tokio::join!(fetch(&sandbox, &cases), replacing);
    let bearer = [FIRST, SECOND].map(|value| format!("Bearer {value}"));
    assert_eq!(authorizations(&servers), bearer);
    for case in ["before", "after"] {
        let body = report.result(case)["body"].as_str().expect("a text");
        assert!(body.contains("Bearer ***"), "{case}: {body}");
    }
    for value in [FIRST, SECOND] {
        assert_unseen(value, &outcome);
    }
    // The fork was made before, and the next run goes on with the new value.
    for (sandbox, expected) in [(&fork, &bearer[0]), (&sandbox, &bearer[1])] {
        fetch(sandbox, &[keyed("again", &url)]).await;
        assert_eq!(authorizations(&servers).last(), Some(expected));
    }
    let error = sandbox
        .replace_secret("other", SecretSource::value(FIRST))
        .await;
    let said = error.expect_err("no such secret").to_string();
    assert_eq!(said, "there is no secret 'other'; the policy has 'api-key'");
}

#[tokio::test]
async fn a_callback_gives_tokens_that_expire_and_without_one_the_request_is_denied() {
    let (servers, control) = (Servers::start().await, HttpServer::plain().await);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let source =
        SecretSource::callback(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                match number {
                    3 => Err("the token service is down".into()),
                    _ => Ok(SecretAnswer::new(format!("token-number-{number}"))
                        .valid_for(Duration::ZERO)),
                }
            }
        });
    let sandbox = with_key(&servers, &control, source).await;
    assert_eq!(
        count.load(Ordering::SeqCst),
        0,
        "it is asked when it is needed"
    );
    let url = servers.https.origin() + "/get";
    let cases = ["first", "second", "third"].map(|case| keyed(case, &url));
    let (report, outcome) = fetch(&sandbox, &cases).await;
    assert_status(&report, "second", 200);
    assert_denied(&report, "third", "secret");
    let bearer = [1, 2].map(|number| format!("Bearer token-number-{number}"));
    assert_eq!(authorizations(&servers), bearer);
    for number in 1..=3 {
        assert_unseen(&format!("token-number-{number}"), &outcome);
    }
    let denied = outcome.decisions.last().expect("a decision");
    assert_eq!(denied.rule, "secret:api-key");
}

#[tokio::test]
async fn rules_change_while_a_program_runs_and_what_is_used_is_seen() {
    let (servers, control) = (Servers::start().await, HttpServer::plain().await);
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let lines = format!(
        "allow = {}\n[budgets]\nrequests = 5\nbytes_down = 1000000\n[[tls]]\nown_roots = true\n\
         hosts = ['{https}']",
        json!([http, control.origin()])
    );
    let sandbox = builder()
        .policy(document(&lines))
        .secret(api_key(&https, SecretSource::value(FIRST)))
        .trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    assert_eq!(sandbox.usage().network.requests.used, 0);
    let (before, after) = (http.clone() + "/get?before", http.clone() + "/get?after");
    let cases = [
        get("http before", before),
        keyed("https before", &(https.clone() + "/get")),
        get("control", control.origin() + "/slow"),
        get("http after", after),
        keyed("https after", &(https.clone() + "/get")),
    ];
    let changing = async {
        control.until_requested("/slow").await;
        // What is under way counts, too.
        let usage = sandbox.usage();
        let requests = usage.network.requests;
        assert_eq!(
            (requests.used, requests.left, requests.limit),
            (2, Some(3), Some(5))
        );
        assert!(usage.network.connections.used >= 1);
        assert!(usage.network.host_memory.used > 0);
        assert!(usage.disk_bytes.used > 0, "the program's cases");
        let rules = Rules::default().allow(control.origin()).expect("a rule");
        let rules = rules.allow(&https).expect("a rule").mode(Mode::Enforce);
        sandbox.set_rules(rules).expect("rules");
        control.release();
    };
    let ((report, outcome), ()) = tokio::join!(fetch(&sandbox, &cases), changing);
    assert_status(&report, "http before", 200);
    assert_denied(&report, "https before", "no-rule");
    assert_denied(&report, "http after", "no-rule");
    assert_status(&report, "https after", 200);
    assert_eq!(authorizations(&servers), [format!("Bearer {FIRST}")]);
    assert_unseen(FIRST, &outcome);
    assert_eq!(servers.http.requests_for("/get?after").len(), 0);

    let usage = sandbox.usage();
    assert_eq!(
        (usage.network.requests.used, usage.network.requests.left),
        (3, Some(2))
    );
    assert_eq!(usage.network.connections.used, 0);
    assert!(usage.network.denials.used >= 2);
    let down = usage.network.bytes_down;
    assert_eq!(down.used + down.left.expect("a budget"), 1_000_000);
    let received: u64 = outcome.exchanges.iter().map(|one| one.bytes_down).sum();
    assert!(
        down.used >= received,
        "with TLS, {} of {received}",
        down.used
    );
    let line = serde_json::to_value(usage).expect("JSON");
    assert_eq!(
        line["requests"],
        json!({ "limit": 5, "used": 3, "left": 2 })
    );
    assert_eq!(line["disk_bytes"]["limit"], 1_u64 << 30);

    // The policy goes round, and can be narrowed on its way.
    sandbox
        .set_policy(sandbox.policy())
        .expect("the same policy");
    let narrow = sandbox.policy().narrow([https.as_str()]).expect("a rule");
    sandbox.set_policy(narrow).expect("a narrower policy");
    let cases = [
        get("control", control.origin() + "/get"),
        keyed("https", &(https.clone() + "/get")),
        keyed("second", &(https.clone() + "/get")),
        keyed("third", &(https + "/get")),
    ];
    let (report, _) = fetch(&sandbox, &cases).await;
    assert_denied(&report, "control", "no-rule");
    assert_status(&report, "second", 200);
    assert_eq!(report.error("third", "OSError")["limit"], "requests");
    assert_eq!(sandbox.usage().network.requests.left, Some(0));
}

#[tokio::test]
async fn what_a_file_could_not_have_is_refused_at_run_time_too() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let origin = "https://api.test";
    let base = || {
        builder()
            .allow(origin)
            .secret(api_key(origin, SecretSource::value(FIRST)))
    };
    let said = |error: Error| error.to_string();
    for (secret, expected) in [
        (
            SecretSource::value("2small"),
            "the value has fewer than 8 bytes",
        ),
        (
            SecretSource::value("two\nlines of it"),
            "the value must be printable ASCII",
        ),
    ] {
        let bad = builder().allow(origin).secret(api_key(origin, secret));
        let checked = said(bad.check().expect_err("a bad value"));
        let built = bad.build().await;
        let error = said(built.map(drop).expect_err("a bad value"));
        assert_eq!(error, checked);
        assert!(
            error.contains(expected) && !error.contains("lines of it"),
            "{error}"
        );
    }
    let twice = base().secret(api_key(origin, SecretSource::value(SECOND)));
    let error = said(twice.check().expect_err("two of one name"));
    assert!(error.contains("already called 'api-key'"), "{error}");
    let any = base().secret(Secret::new(
        "b",
        "any".parse().expect("a rule"),
        SecretSource::value(FIRST),
    ));
    let error = said(any.check().expect_err("any host"));
    assert!(error.contains("a secret cannot use 'any'"), "{error}");

    let sandbox = base().dir(directory.path(), "/shared", DirAccess::ReadWrite);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let file = directory.path().join("key");
    std::fs::write(&file, SECOND).expect("a file");
    let replaced = sandbox
        .replace_secret("api-key", SecretSource::File(file))
        .await;
    let error = said(replaced.expect_err("a file that the program can write"));
    assert!(
        error.contains("the file of the secret 'api-key'"),
        "{error}"
    );
    let mut broad = Rules::default();
    broad.allow = vec![Rule::parse_deny("*.com").expect("a rule that denies")];
    let error = said(sandbox.set_rules(broad).expect_err("too broad"));
    assert!(
        error.contains("allow: the rule '*.com' is refused"),
        "{error}"
    );
    let other = Document {
        allow: vec![origin.parse().expect("a rule")],
        secrets: vec![api_key(origin, SecretSource::value(FIRST))],
        ..Document::default()
    };
    let error = said(
        sandbox
            .set_policy(other.into())
            .expect_err("another secret"),
    );
    assert!(error.contains("changes the secret 'api-key'"), "{error}");
    assert_eq!(sandbox.policy().allow_rules().count(), 1);

    let without = builder().build().await.expect("a sandbox");
    let rules = || Rules::default().allow(origin).expect("a rule");
    let error = said(without.set_rules(rules()).expect_err("no network"));
    assert!(error.contains("without a network"), "{error}");
    without
        .set_rules(Rules::default())
        .expect("nothing is nothing");
    without
        .set_policy(Policy::deny_all())
        .expect("nothing is nothing");
}
