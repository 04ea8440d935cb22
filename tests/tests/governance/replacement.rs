//! Another policy takes effect while a program runs.

use std::sync::Arc;

use sandbox_net::policy::{Document, Policy};
use sandbox_net::{Error, HookAnswer, HookRequest, Sandbox, Stage};
use sandbox_net_tests::{Alpn, HttpServer, Script, ScriptedServer, Servers, Validity};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::hook::{Answering, told};
use crate::{assert_denied, assert_status, builder, document, fetch, get, get_with};

const CLIENTS: [&str; 2] = ["urllib", "requests"];

/// A policy that allows these.
fn allowing(origins: &[String]) -> Policy {
    document(&format!("allow = {}", json!(origins))).into()
}

/// A sandbox that may use these.
async fn allowed(servers: &Servers, origins: &[String]) -> Sandbox {
    let policy = document(&format!("allow = {}", json!(origins)));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    sandbox.build().await.expect("a sandbox")
}

/// Runs `cases`, one of which requests `/slow` from `server`; meanwhile `then` runs.
async fn while_it_waits(
    sandbox: &Sandbox,
    cases: &[Value],
    server: &HttpServer,
    then: impl FnOnce(),
) -> sandbox_net_tests::Report {
    let meanwhile = async {
        server.until_requested("/slow").await;
        then();
        server.release();
    };
    let ((report, _), ()) = tokio::join!(fetch(sandbox, cases), meanwhile);
    report
}

/// The beginning of a body that never ends.
fn endless(_: &str) -> Script {
    let piece = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this".to_vec();
    Script {
        pieces: vec![piece],
        close: false,
    }
}

fn download(by: &str, origin: &str, control: &HttpServer) -> Value {
    let then = control.origin() + "/slow";
    json!({ "case": "download", "client": "streamed", "by": by, "url": format!("{origin}/x"), "then": then })
}

#[tokio::test]
async fn a_download_that_the_new_policy_denies_ends_and_its_connection_is_closed() {
    for client in CLIENTS {
        for is_tls in [false, true] {
            let servers = Servers::start().await;
            let leaf = servers.ca.loopback_leaf();
            let endless = match is_tls {
                true => ScriptedServer::tls(&leaf, &[b"http/1.1"], endless).await,
                false => ScriptedServer::plain(endless).await,
            };
            let origins = [servers.http.origin(), endless.origin()];
            let sandbox = allowed(&servers, &origins).await;
            let cases = [
                download(client, &endless.origin(), &servers.http),
                get("denied now", endless.origin() + "/again"),
                get("still allowed", servers.http.origin() + "/get"),
            ];
            let report = while_it_waits(&sandbox, &cases, &servers.http, || {
                sandbox
                    .set_policy(allowing(&origins[..1]))
                    .expect("a policy");
            })
            .await;
            assert_denied(&report, "download", "no-rule");
            assert_denied(&report, "denied now", "no-rule");
            assert_status(&report, "still allowed", 200);
            endless.until_closed(1).await;
            assert_eq!((endless.connections(), endless.heads().len()), (1, 1));
        }
    }
}

#[tokio::test]
async fn a_download_over_http2_that_the_new_policy_denies_ends() {
    for client in CLIENTS {
        let servers = Servers::start().await;
        let (http, http2) = (servers.http.origin(), servers.http2.origin());
        let sandbox = allowed(&servers, &[http.clone(), http2.clone()]).await;
        let mut case = download(client, &http2, &servers.http);
        case["url"] = json!(http2.clone() + "/slow-body");
        let cases = [case, get("denied now", http2 + "/get")];
        let report = while_it_waits(&sandbox, &cases, &servers.http, || {
            sandbox.set_policy(allowing(&[http])).expect("a policy");
        })
        .await;
        assert_denied(&report, "download", "no-rule");
        assert_denied(&report, "denied now", "no-rule");
        assert_eq!(servers.http2.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_ends_when_the_new_policy_denies_it() {
    for client in ["urllib", "requests", "http.client", "frames"] {
        let servers = Servers::start().await;
        for server in [&servers.http, &servers.http2] {
            if client == "frames" && server.origin().starts_with("https") {
                continue;
            }
            let sandbox = allowed(&servers, &[server.origin(), servers.raw.origin()]).await;
            let cases = [get_with(client, "waits", server.origin() + "/slow")];
            let replacing = async {
                server.until_requested("/slow").await;
                let policy = allowing(&[servers.raw.origin()]);
                sandbox.set_policy(policy).expect("a policy");
            };
            let ((report, outcome), ()) = tokio::join!(fetch(&sandbox, &cases), replacing);
            match client {
                // The frame's error number is that of `denied`.
                "frames" => assert!(
                    report.case("waits")["errors"]
                        .to_string()
                        .contains("error 1\"")
                ),
                _ => assert_denied(&report, "waits", "no-rule"),
            }
            assert_eq!(
                outcome.exchanges[0].error.as_deref(),
                Some("denied:no-rule")
            );
            assert_eq!(outcome.exchanges[0].status, None);
        }
    }
}

#[tokio::test]
async fn what_is_still_allowed_works_over_new_connections() {
    for client in ["urllib", "requests", "http.client"] {
        for replaces in [false, true] {
            let servers = Servers::start().await;
            for (server, is_shared) in [(&servers.http2, true), (&servers.https, false)] {
                let control = HttpServer::plain().await;
                let origins = [server.origin(), control.origin()];
                let sandbox = allowed(&servers, &origins).await;
                let cases = [
                    get_with(client, "before", server.origin() + "/get"),
                    get("control", control.origin() + "/slow"),
                    get_with(client, "after", server.origin() + "/get"),
                    get_with(client, "once more", server.origin() + "/get"),
                ];
                let report = while_it_waits(&sandbox, &cases, &control, || {
                    if replaces {
                        sandbox.set_policy(allowing(&origins)).expect("a policy");
                    }
                })
                .await;
                for case in ["before", "control", "after", "once more"] {
                    assert_status(&report, case, 200);
                }
                // Without a session each request has its own socket.
                let is_kept = is_shared || client == "requests";
                let expected = match (is_kept, replaces) {
                    (false, _) => 3,
                    (true, false) => 1,
                    (true, true) => 2,
                };
                assert_eq!(
                    server.connections(),
                    expected,
                    "{client}, {}",
                    server.origin()
                );
            }
        }
    }
}

#[tokio::test]
async fn what_was_denied_is_allowed_and_what_was_allowed_is_denied() {
    let servers = Servers::start().await;
    let control = HttpServer::plain().await;
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let sandbox = allowed(&servers, &[control.origin(), http.clone()]).await;
    let mut cases = Vec::new();
    for client in ["requests", "http.client"] {
        for (when, path) in [("before", "/get?1"), ("after", "/get?2")] {
            for (which, origin) in [("http", &http), ("https", &https)] {
                let case = format!("{client} {which} {when}");
                cases.push(get_with(client, &case, format!("{origin}{path}")));
            }
        }
    }
    cases.sort_by_key(|case| case["case"].to_string().contains("after"));
    cases.insert(4, get("control", control.origin() + "/slow"));
    let report = while_it_waits(&sandbox, &cases, &control, || {
        let policy = allowing(&[control.origin(), https.clone()]);
        sandbox.set_policy(policy).expect("a policy");
    })
    .await;
    for client in ["requests", "http.client"] {
        for (case, is_allowed) in [
            ("http before", true),
            ("https before", false),
            ("http after", false),
            ("https after", true),
        ] {
            let case = format!("{client} {case}");
            match is_allowed {
                true => assert_status(&report, &case, 200),
                false => assert_denied(&report, &case, "no-rule"),
            }
        }
    }
    assert_eq!(servers.http.requests_for("/get?2").len(), 0);
    assert_eq!(servers.https.requests_for("/get?1").len(), 0);
    assert_eq!(sandbox.policy().allow_rules().count(), 2);
    // The next run and a fork have the new one.
    let fork = sandbox.fork().await.expect("a fork");
    for sandbox in [&sandbox, &fork] {
        let cases = [
            get("http", http.clone() + "/get"),
            get("https", https.clone() + "/get"),
        ];
        let (report, _) = fetch(sandbox, &cases).await;
        assert_denied(&report, "http", "no-rule");
        assert_status(&report, "https", 200);
    }
}

/// A grant of a hook that was asked under one policy does not hold under the next.
#[tokio::test]
async fn an_answer_of_the_hook_after_the_change_opens_nothing() {
    let mut opened = Vec::new();
    for stage in [Stage::Connect, Stage::Tls, Stage::Request] {
        for host in ["named.test", "127.0.0.1"] {
            let (before, after) = around_the_change(stage, host).await;
            if after != before {
                opened.push((stage, host, before, after));
            }
        }
    }
    assert_eq!(opened, [], "connections and questions before and after");
}

/// Replaces the policy while the hook is asked at `stage`, and then grants; returns connections and
/// questions before and after.
async fn around_the_change(stage: Stage, host: &str) -> ((usize, usize), (usize, usize)) {
    let servers = Servers::start().await;
    let leaf = servers.ca.leaf(&[host], Validity::Current);
    let server = HttpServer::tls(&leaf, Alpn::Http1).await;
    servers.dns.set("named.test", [[127, 0, 0, 1].into()]);
    let seen = async || (server.connections(), servers.dns.questions().await.len());
    let (asked, granted) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gate = (Arc::clone(&asked), Arc::clone(&granted));
    let (hook, _) = told(move |request: HookRequest| -> Answering {
        let (asked, granted) = gate.clone();
        Box::pin(async move {
            if request.stage == stage {
                asked.notify_one();
                granted.notified().await;
            }
            Ok(HookAnswer::allow())
        })
    });
    let origin = server.origin_as(host);
    let to = if host == "named.test" {
        " to 127.0.0.1"
    } else {
        ""
    };
    let rules = json!([format!("{origin}{to}"), servers.http.origin()]);
    let sandbox = builder()
        .policy(document(&format!("allow = {rules}")))
        .hook(hook)
        .trust_ca_pem(servers.ca.root_pem())
        .dns_servers([servers.dns.address()]);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let cases = [get("asked", origin + "/get")];
    let replacing = async {
        asked.notified().await;
        let before = seen().await;
        let policy = allowing(&[servers.http.origin()]);
        sandbox.set_policy(policy).expect("a policy");
        granted.notify_one();
        before
    };
    let ((report, _), before) = tokio::join!(fetch(&sandbox, &cases), replacing);
    report.error("asked", "PermissionError");
    assert_eq!(server.requests().len(), 0, "{stage:?}");
    (before, seen().await)
}

#[tokio::test]
async fn a_policy_with_budgets_or_secrets_or_for_a_sandbox_without_network_is_refused() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    let sandbox = allowed(&servers, std::slice::from_ref(&origin)).await;
    let refused = |sandbox: &Sandbox, document: Document| match sandbox.set_policy(document.into())
    {
        Err(Error::Policy(why)) => why,
        other => panic!("{other:?}"),
    };
    let secret = format!(
        "[[secret]]\nname = 'a'\nrule = '{origin}'\nplain_http = true\nsource = {{ env = 'PATH' }}"
    );
    for lines in [
        format!("allow = ['{origin}']\n[budgets]\nrequests = 1"),
        secret,
    ] {
        let why = refused(&sandbox, document(&lines));
        assert!(why.contains("budgets and secrets"), "{why}");
    }
    // Its own policy still decides.
    let (report, _) = fetch(&sandbox, &[get("allowed", origin.clone() + "/get")]).await;
    assert_status(&report, "allowed", 200);

    let without = builder().build().await.expect("a sandbox");
    let why = refused(&without, document(&format!("allow = ['{origin}']")));
    assert!(why.contains("without a network"), "{why}");
    without
        .set_policy(Policy::deny_all())
        .expect("nothing is nothing");
}
