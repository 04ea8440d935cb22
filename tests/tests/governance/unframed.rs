//! Answers that the host passes on as they come are masked, counted, bounded and recorded like others.

use sandbox_net::{Outcome, Sandbox};
use sandbox_net_tests::{Report, Script, ScriptedServer, Servers};
use serde_json::{Value, json};

use crate::secrets::{Store, VALUE, assert_unseen};
use crate::{assert_status, builder, document, fetch, get_with};

const MARK: &str = "reflected:";
const LARGE: usize = 1 << 20;

/// The value of the field `x-api-key`.
fn key(head: &str) -> &str {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let is_key = |name: &str| name.eq_ignore_ascii_case("x-api-key");
    let found = fields.find(|(name, _)| is_key(name));
    found.map_or("", |(_, value)| value)
}

/// A head that is not accepted, with these fields.
fn odd(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}X-Odd : 1\r\n\r\n")
}

/// The answers by path; the size of their pieces follows in it.
fn answer(head: &str) -> Script {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (first, size) = path[1..].split_once('/').unwrap_or((&path[1..], "100000"));
    let value = key(head);
    let body = format!("{MARK}{value};");
    let length = format!("Content-Length: {}\r\n", body.len());
    let half = &value[..value.len() / 2];
    let whole = match first {
        "body" => odd(&length) + &body,
        "field" => odd(&format!("X-Reflected: {MARK}{value}\r\n{length}")) + &body,
        "folded" => odd(&format!("X-Reflected:\r\n {MARK}{value}\r\n{length}")) + &body,
        "no-colon" => format!("HTTP/1.1 200 OK\r\n{length}{MARK}{value}\r\n\r\n{body}"),
        "until-close" => odd("") + &body,
        "cut" => format!("HTTP/1.1 200 OK\r\nX-Reflected: {MARK}{value}\r\n"),
        "cut-in-value" => format!("HTTP/1.1 200 OK\r\nX-Reflected: {MARK}{half}"),
        "status" => format!("HTTP/1.2 200 {MARK}{value}\r\n{length}\r\n{body}"),
        "chunked" => {
            let chunks = body
                .bytes()
                .map(|byte| format!("1\r\n{}\r\n", char::from(byte)));
            let chunks: String = chunks.collect();
            odd("Transfer-Encoding: chunked\r\n") + &chunks + "0\r\n\r\n"
        }
        // Clients differ over these two, which the host can read.
        "fold" => format!("HTTP/1.1 200 OK\r\nX-Fold: a\r\n b\r\n{length}\r\n{body}"),
        "fold-chunked" => {
            let chunks = body
                .bytes()
                .map(|byte| format!("1\r\n{}\r\n", char::from(byte)));
            let chunks: String = chunks.collect();
            format!(
                "HTTP/1.1 200 OK\r\nX-Fold: a\r\n b\r\nTransfer-Encoding: chunked \r\n\r\n{chunks}0\r\n\r\n"
            )
        }
        "coded" => odd(&format!("{length}Content-Encoding: x-odd\r\n")) + &body,
        "large" => odd("") + &"body".repeat(LARGE / 4),
        "endless" => "HTTP/1.2 200 OK\r\nX: ".to_owned() + &"x".repeat(LARGE),
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine".to_owned(),
    };
    let pieces = whole.as_bytes().chunks(size.parse().unwrap_or(1));
    Script {
        pieces: pieces.map(<[u8]>::to_vec).collect(),
        close: first != "fine",
    }
}

/// Runs `paths` against the server with a secret of its own.
async fn masked(paths: &[&str]) -> (Report, Outcome) {
    let (servers, store) = (Servers::start().await, Store::new());
    let server = ScriptedServer::tls(&servers.ca.loopback_leaf(), &[b"http/1.1"], answer).await;
    let rule = format!("rule = '{}'\nheaders = ['x-api-key']", server.origin());
    let secret = store.secret("api-key", VALUE, &rule);
    let policy = document(&format!("allow = ['{}']\n{secret}", server.origin()));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let mut cases = Vec::new();
    for client in ["http.client", "requests"] {
        for path in paths {
            let mut case = get_with(client, &format!("{client} {path}"), server.origin() + path);
            case["headers"] = json!({ "x-api-key": "{API_KEY}" });
            cases.push(case);
        }
    }
    let (report, outcome) = fetch(&sandbox, &cases).await;
    assert_eq!(server.heads().len(), cases.len(), "{report}");
    assert!(server.heads().iter().all(|head| key(head) == VALUE));
    assert_unseen(VALUE, &outcome);
    (report, outcome)
}

#[tokio::test]
async fn stars_stand_for_a_value_in_an_answer_that_comes_as_it_is_however_it_is_cut() {
    let sizes = ["1", "3", "7", "100000"];
    let kinds = ["body", "field", "folded", "no-colon", "until-close"];
    let paths: Vec<String> = kinds
        .iter()
        .flat_map(|kind| sizes.map(|size| format!("/{kind}/{size}")))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (report, _) = masked(&paths).await;
    let stars = "*".repeat(VALUE.len());
    for client in ["http.client", "requests"] {
        for path in &paths {
            let result = report.result(&format!("{client} {path}"));
            assert_eq!(result["body"], format!("{MARK}{stars};"), "{client} {path}");
            if path.starts_with("/field") {
                let field = json!(["X-Reflected", format!("{MARK}{stars}")]);
                let fields = result["headers"].as_array().expect("fields");
                assert!(fields.contains(&field), "{client} {path}: {result}");
            }
        }
    }
}

#[tokio::test]
async fn a_head_that_ends_early_shows_stars_or_nothing() {
    let (report, _) = masked(&["/cut", "/cut-in-value"]).await;
    let half = &VALUE[..VALUE.len() / 2];
    for client in ["http.client", "requests"] {
        let cut = report.case(&format!("{client} /cut")).to_string();
        assert!(cut.contains("****"), "{cut}");
        let in_value = report.case(&format!("{client} /cut-in-value")).to_string();
        assert!(!in_value.contains(half), "{in_value}");
        assert!(in_value.contains("errors"), "{in_value}");
    }
}

#[tokio::test]
async fn what_could_hide_a_value_does_not_come_as_it_is() {
    let paths = ["/chunked", "/coded", "/status"];
    let (report, _) = masked(&paths).await;
    for client in ["http.client", "requests"] {
        for path in paths {
            let line = report.case(&format!("{client} {path}")).to_string();
            assert!(line.contains("errors") && !line.contains(MARK), "{line}");
        }
    }
}

#[tokio::test]
async fn stars_stand_for_a_value_in_an_answer_over_which_clients_differ() {
    let paths = ["/fold/1", "/fold/7", "/fold-chunked/1", "/fold-chunked/7"];
    let (report, outcome) = masked(&paths).await;
    let stars = "*".repeat(VALUE.len());
    for client in ["http.client", "requests"] {
        for path in paths {
            let result = report.result(&format!("{client} {path}"));
            assert_eq!(result["body"], format!("{MARK}{stars};"), "{client} {path}");
        }
    }
    let statuses = outcome.exchanges.iter().map(|exchange| exchange.status);
    assert!(statuses.eq([Some(200); 8]), "{:?}", outcome.exchanges);
}

#[tokio::test]
async fn an_answer_over_which_clients_differ_is_recorded_with_its_status_and_carried_alone() {
    let (server, sandbox) = budgeted("requests = 100").await;
    let paths = ["/fold", "/fine", "/fold", "/fine"];
    let case = |(number, path): (usize, &&str)| {
        get_with("requests", &format!("{number}"), server.origin() + path)
    };
    let cases: Vec<Value> = paths.iter().enumerate().map(case).collect();
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for (number, (path, exchange)) in paths.iter().zip(&outcome.exchanges).enumerate() {
        assert_status(&report, &number.to_string(), 200);
        let error = (*path == "/fold").then_some("protocol");
        assert_eq!(exchange.error.as_deref(), error, "{exchange:?}");
        assert_eq!(exchange.status, Some(200), "{exchange:?}");
        assert!(exchange.bytes_down > 0, "{exchange:?}");
    }
    // Two malformed ones; the others share one.
    assert_eq!(server.connections(), 3);
}

/// A sandbox for a plain server, with this budget.
async fn budgeted(budget: &str) -> (ScriptedServer, Sandbox) {
    let server = ScriptedServer::plain(answer).await;
    let policy = document(&format!(
        "allow = ['{}']\n[budgets]\n{budget}",
        server.origin()
    ));
    let sandbox = builder().policy(policy).build().await;
    (server, sandbox.expect("a sandbox"))
}

#[track_caller]
fn assert_limited(report: &Report, case: &str, limit: &str) {
    let error = report.error(case, "OSError");
    assert_eq!(error["limit"], limit, "{case}: {error}");
}

fn cases(server: &ScriptedServer, path: &str) -> [Value; 2] {
    ["http.client", "requests"].map(|client| get_with(client, client, server.origin() + path))
}

#[tokio::test]
async fn bytes_of_an_answer_that_comes_as_it_is_are_counted_and_end_it() {
    for client in ["http.client", "requests"] {
        let (server, sandbox) = budgeted("bytes_down = 100000").await;
        let case = get_with(client, client, server.origin() + "/large");
        let (report, outcome) = fetch(&sandbox, &[case]).await;
        assert_limited(&report, client, "bytes-down");
        let exchange = &outcome.exchanges[0];
        assert!(exchange.bytes_down <= 100_001, "{exchange:?}");
    }
    let (server, sandbox) = budgeted("bytes_down = 10000000").await;
    let (report, outcome) = fetch(&sandbox, &cases(&server, "/large")).await;
    for (client, exchange) in ["http.client", "requests"].iter().zip(&outcome.exchanges) {
        assert_eq!(report.result(client)["length"], LARGE, "{client}");
        assert!(exchange.bytes_down > LARGE as u64, "{exchange:?}");
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_bounded_where_it_comes_as_it_is() {
    let (server, sandbox) = budgeted("response_head = 5000").await;
    let (report, _) = fetch(&sandbox, &cases(&server, "/endless")).await;
    for client in ["http.client", "requests"] {
        assert_limited(&report, client, "response-head-size");
    }
}

#[tokio::test]
async fn it_is_recorded_without_a_status_and_its_connection_carries_nothing_else() {
    let (server, sandbox) = budgeted("requests = 100").await;
    let paths = ["/body", "/fine", "/fine", "/until-close", "/fine"];
    let case = |(number, path): (usize, &&str)| {
        get_with("requests", &format!("{number}"), server.origin() + path)
    };
    let cases: Vec<Value> = paths.iter().enumerate().map(case).collect();
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for number in 0..paths.len() {
        assert_status(&report, &number.to_string(), 200);
    }
    for (path, exchange) in paths.iter().zip(&outcome.exchanges) {
        let expected = match *path {
            "/fine" => (Some(200), None),
            _ => (None, Some("protocol")),
        };
        assert_eq!(
            (exchange.status, exchange.error.as_deref()),
            expected,
            "{path}"
        );
        assert!(
            exchange.address.is_some() && exchange.bytes_down > 0,
            "{exchange:?}"
        );
    }
    // Two malformed ones; the others share one.
    assert_eq!(server.connections(), 3);
}
