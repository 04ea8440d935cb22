//! A sandbox uses as much of the network as its budgets allow, and the program learns which one was
//! used up. No answer is ever cut short without an error.

use sandbox_net::{Outcome, Reason, Sandbox, Verdict};
use sandbox_net_tests::{Report, Servers};
use serde_json::{Value, json};

use crate::{assert_status, fetch, get, get_with, sandbox};

const CLIENTS: [&str; 3] = ["urllib", "requests", "http.client"];

/// A sandbox that may use every server, with these budgets.
async fn with_budgets(servers: &Servers, budgets: &str) -> Sandbox {
    let origins = [
        servers.http.origin(),
        servers.http.origin_as("localhost"),
        servers.raw.origin(),
    ];
    sandbox(&format!("allow = {}\n[budgets]\n{budgets}", json!(origins))).await
}

/// Checks that `case` ended at this limit, with the exception that a program recognizes it by.
#[track_caller]
fn assert_limited(report: &Report, case: &str, limit: &str) {
    let error = report.error(case, "OSError");
    assert_eq!(error["errno"], "ENOBUFS", "{case}: {error}");
    assert_eq!(error["limit"], limit, "{case}: {error}");
    let text = error["text"].as_str().unwrap_or_default();
    assert!(
        text.contains(&format!("limit {limit} was reached")),
        "{case}: {text}"
    );
}

/// The rules of the decisions that a budget made.
fn budget_rules(outcome: &Outcome) -> Vec<&str> {
    let refused = outcome
        .decisions
        .iter()
        .filter(|one| one.verdict == Verdict::Deny);
    refused
        .map(|one| {
            assert_eq!(one.reason.map(Reason::as_str), Some("budget"), "{one:?}");
            one.rule.as_str()
        })
        .collect()
}

/// The errors of the exchanges that had one.
fn failures(outcome: &Outcome) -> Vec<&str> {
    let failed = outcome.exchanges.iter();
    failed.filter_map(|one| one.error.as_deref()).collect()
}

#[tokio::test]
async fn requests_end_at_their_number_in_all_runs_and_a_fork_begins_anew() {
    for client in CLIENTS {
        let servers = Servers::start().await;
        let sandbox = with_budgets(&servers, "requests = 3").await;
        let url = servers.http.origin() + "/get";
        let cases = |names: &[&str]| -> Vec<Value> {
            names
                .iter()
                .map(|name| get_with(client, name, &url))
                .collect()
        };
        let (report, outcome) = fetch(&sandbox, &cases(&["1", "2"])).await;
        assert_status(&report, "2", 200);
        assert!(budget_rules(&outcome).is_empty());

        let fork = sandbox.fork().await.expect("a fork");
        let (report, outcome) = fetch(&sandbox, &cases(&["3", "4", "5"])).await;
        assert_status(&report, "3", 200);
        assert_limited(&report, "4", "requests");
        assert_limited(&report, "5", "requests");
        assert_eq!(
            budget_rules(&outcome),
            ["budget:requests", "budget:requests"]
        );
        assert_eq!(servers.http.requests().len(), 3, "{client}");

        let (report, _) = fetch(&fork, &cases(&["1", "2", "3", "4"])).await;
        assert_status(&report, "3", 200);
        assert_limited(&report, "4", "requests");
        assert_eq!(servers.http.requests().len(), 6, "{client}");
    }
}

#[tokio::test]
async fn requests_in_a_second_end_at_their_number() {
    let servers = Servers::start().await;
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let url = servers.http.origin() + "/get";
    let cases: Vec<Value> = names.iter().map(|name| get(name, &url)).collect();
    for (budget, is_reached) in [
        ("requests_per_second = 1", true),
        ("requests_per_second = 1000", false),
    ] {
        let before = servers.http.requests().len();
        let sandbox = with_budgets(&servers, budget).await;
        let (report, outcome) = fetch(&sandbox, &cases).await;
        assert_status(&report, "0", 200);
        let limited: Vec<_> = names
            .iter()
            .filter(|name| report.case(name).get("errors").is_some())
            .collect();
        for case in &limited {
            assert_limited(&report, case, "request-rate");
        }
        assert_eq!(!limited.is_empty(), is_reached, "{budget}: {limited:?}");
        assert_eq!(
            servers.http.requests().len() - before,
            names.len() - limited.len()
        );
        assert_eq!(budget_rules(&outcome).len(), limited.len());
    }
}

#[tokio::test]
async fn connections_end_at_their_number_and_one_that_is_closed_makes_room() {
    for (budget, is_reached) in [("connections = 1", true), ("connections = 2", false)] {
        let servers = Servers::start().await;
        let sandbox = with_budgets(&servers, budget).await;
        let urls = json!([
            { "case": "first", "client": "while open", "url": servers.http.origin() + "/slow-body",
              "then": servers.raw.origin() + "/ok" },
            get("after it", servers.raw.origin() + "/ok"),
        ]);
        let (report, outcome) = fetch(&sandbox, urls.as_array().expect("a list")).await;
        if is_reached {
            assert_limited(&report, "first", "connections");
            assert!(
                !budget_rules(&outcome).is_empty() || !failures(&outcome).is_empty(),
                "{:#?}",
                outcome.decisions
            );
        } else {
            assert_eq!(report.result("first"), &json!(200));
        }
        assert_status(&report, "after it", 200);
        assert_eq!(servers.raw.connections(), if is_reached { 1 } else { 2 });
    }
}

#[tokio::test]
async fn a_body_beyond_the_bytes_up_never_looks_complete_to_the_server() {
    let servers = Servers::start().await;
    let url = servers.http.origin() + "/upload";
    let cases = CLIENTS.map(|client| {
        json!({ "case": client, "client": client, "url": url, "method": "POST", "bytes": 300_000 })
    });
    for (budget, is_reached) in [
        ("bytes_up = 100_000", true),
        ("bytes_up = 1_000_000", false),
    ] {
        let before = servers.http.requests().len();
        let sandbox = with_budgets(&servers, budget).await;
        let (report, outcome) = fetch(&sandbox, &cases).await;
        for client in CLIENTS {
            match is_reached {
                true => assert_limited(&report, client, "bytes-up"),
                false => assert_status(&report, client, 200),
            }
        }
        let whole = |length: u64| length == 300_000;
        let requests = servers.http.requests().split_off(before);
        let arrived = requests.iter().filter_map(|one| one.body.as_ref());
        let arrived = arrived.filter(|body| whole(body.length)).count();
        assert_eq!(arrived, if is_reached { 0 } else { CLIENTS.len() });
        if is_reached {
            assert_eq!(failures(&outcome)[0], "limit:bytes-up");
            assert!(
                budget_rules(&outcome)
                    .iter()
                    .all(|rule| *rule == "budget:bytes-up")
            );
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_bytes_down_raises_and_is_never_taken_for_whole() {
    let servers = Servers::start().await;
    let http = servers.http.origin();
    // With a length, in chunks, and up to the end of the connection.
    let paths = ["/bytes/100000", "/stream/10000", "/large/1", "/count"];
    for client in CLIENTS {
        for path in paths {
            let sandbox = with_budgets(&servers, "bytes_down = 50_000").await;
            let cases = ["first", "second"].map(|case| get_with(client, case, http.clone() + path));
            let (report, outcome) = fetch(&sandbox, &cases).await;
            for case in ["first", "second"] {
                assert_limited(&report, case, "bytes-down");
            }
            // The second one is no longer sent.
            assert_eq!(failures(&outcome), ["limit:bytes-down"], "{client} {path}");
            let rules = budget_rules(&outcome);
            assert_eq!(rules, ["budget:bytes-down"], "{client} {path}");
        }
    }
    let sandbox = with_budgets(&servers, "bytes_down = 50_000_000").await;
    let cases = paths.map(|path| get(path, http.clone() + path));
    let (report, _) = fetch(&sandbox, &cases).await;
    for (path, length) in [("/bytes/100000", 100_000), ("/large/1", 1 << 20)] {
        assert_eq!(report.result(path)["length"], length);
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_not_taken_for_whole_either() {
    let servers = Servers::start().await;
    let sandbox = with_budgets(&servers, "bytes_down = 60").await;
    // Its head has 38 bytes, its body 16.
    let url = servers.raw.origin() + "/close-delimited";
    let (report, _) = fetch(
        &sandbox,
        &CLIENTS.map(|client| get_with(client, client, &url)),
    )
    .await;
    assert_eq!(report.result("urllib")["body"], "until the close\n");
    for client in &CLIENTS[1..] {
        assert_limited(&report, client, "bytes-down");
    }
    let sandbox = with_budgets(&servers, "bytes_down = 45").await;
    let (report, _) = fetch(&sandbox, &[get("alone", &url)]).await;
    assert_limited(&report, "alone", "bytes-down");
}

#[tokio::test]
async fn hosts_end_at_their_number() {
    let servers = Servers::start().await;
    let cases = [
        get("first", servers.http.origin() + "/get"),
        get("second", servers.http.origin_as("localhost") + "/get"),
        get("first again", servers.http.origin() + "/get"),
        // Another port of the same host.
        get("another port", servers.raw.origin() + "/ok"),
    ];
    for (budget, is_reached) in [("hosts = 1", true), ("hosts = 2", false)] {
        let sandbox = with_budgets(&servers, budget).await;
        let (report, outcome) = fetch(&sandbox, &cases).await;
        for case in ["first", "first again", "another port"] {
            assert_status(&report, case, 200);
        }
        match is_reached {
            true => assert_limited(&report, "second", "hosts"),
            false => assert_status(&report, "second", 200),
        }
        let rules = budget_rules(&outcome);
        assert_eq!(
            rules,
            if is_reached {
                vec!["budget:hosts"]
            } else {
                vec![]
            }
        );
    }
}

#[tokio::test]
async fn after_its_seconds_the_network_is_over_whatever_waits_for_it() {
    let servers = Servers::start().await;
    // A head that never comes, bodies and heads that never end.
    for (origin, path) in [
        (servers.raw.origin(), "/silent"),
        (servers.raw.origin(), "/silent-in-body"),
        (servers.http.origin(), "/slow"),
        (servers.http.origin(), "/slow-body"),
    ] {
        let sandbox = with_budgets(&servers, "seconds = 1").await;
        let cases = [
            get("waits", origin + path),
            get("later", servers.http.origin() + "/get"),
        ];
        let (report, outcome) = fetch(&sandbox, &cases).await;
        assert_limited(&report, "waits", "time");
        assert_limited(&report, "later", "time");
        assert_eq!(failures(&outcome), ["limit:time"], "{path}");
        assert_eq!(budget_rules(&outcome), ["budget:time"], "{path}");
    }
    assert_eq!(servers.http.requests_for("/get").len(), 0);
    let sandbox = with_budgets(&servers, "seconds = 1000").await;
    let (report, _) = fetch(&sandbox, &[get("in time", servers.http.origin() + "/get")]).await;
    assert_status(&report, "in time", 200);
}

/// Bytes beyond the budget are not dropped silently: a head that is cut could lack any field.
#[tokio::test]
async fn a_response_head_beyond_its_bytes_raises() {
    let servers = Servers::start().await;
    let sandbox = with_budgets(&servers, "response_head = 60").await;
    let raw = servers.raw.origin();
    for client in CLIENTS {
        let cases = [
            get_with(client, "small", raw.clone() + "/ok"),
            get_with(client, "larger", raw.clone() + "/spelling"),
            get_with(client, "fields", raw.clone() + "/many-fields"),
            get_with(client, "field", raw.clone() + "/long-field"),
        ];
        let (report, _) = fetch(&sandbox, &cases).await;
        assert_status(&report, "small", 200);
        // The program's own client may report the bytes that arrived as too many.
        for case in ["fields", "field"] {
            assert!(!report.errors(case).is_empty());
        }
        assert_limited(&report, "larger", "response-head-size");
    }
    let sandbox = with_budgets(&servers, "response_head = 10_000").await;
    let (report, _) = fetch(&sandbox, &[get("larger", raw + "/spelling")]).await;
    assert_status(&report, "larger", 200);
}

#[tokio::test]
async fn answers_without_end_are_over_with_a_budget() {
    let servers = Servers::start().await;
    let sandbox = with_budgets(&servers, "seconds = 60\nresponse_head = 10_000").await;
    let raw = servers.raw.origin();
    let cases = [
        get("informational", raw.clone() + "/endless-informational"),
        get("fields", raw.clone() + "/many-fields"),
        get("field", raw.clone() + "/long-field"),
        get("good", raw + "/ok"),
    ];
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for case in ["informational", "fields", "field"] {
        assert!(!report.errors(case).is_empty());
    }
    assert_status(&report, "good", 200);
    assert_eq!(failures(&outcome).len(), 3);
}

/// The bytes of an answer that is not HTTP count, too.
#[tokio::test]
async fn broken_answers_are_counted() {
    let servers = Servers::start().await;
    let sandbox = with_budgets(&servers, "bytes_down = 100").await;
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let url = servers.raw.origin() + "/garbage";
    let cases: Vec<Value> = names.iter().map(|name| get(name, &url)).collect();
    let (report, outcome) = fetch(&sandbox, &cases).await;
    report.error("0", "http.client.BadStatusLine");
    assert_limited(&report, "9", "bytes-down");
    assert!(
        outcome.exchanges[0].bytes_down >= 20,
        "{:?}",
        outcome.exchanges[0]
    );
}

#[tokio::test]
async fn a_budget_of_zero_allows_nothing() {
    let servers = Servers::start().await;
    for (budget, limit) in [
        ("requests = 0", "requests"),
        ("connections = 0", "connections"),
        ("hosts = 0", "hosts"),
        ("bytes_up = 0", "bytes-up"),
    ] {
        let sandbox = with_budgets(&servers, budget).await;
        let (report, _) = fetch(&sandbox, &[get("any", servers.http.origin() + "/get")]).await;
        assert_limited(&report, "any", limit);
    }
    assert_eq!(servers.http.requests().len(), 0);
    let sandbox = with_budgets(&servers, "bytes_down = 0").await;
    let (report, _) = fetch(&sandbox, &[get("any", servers.http.origin() + "/get")]).await;
    assert_limited(&report, "any", "bytes-down");
}
