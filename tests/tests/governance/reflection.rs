//! A server that returns what it got: the program sees stars in place of a secret.

use std::collections::BTreeSet;

use sandbox_net::{Outcome, Sandbox};
use sandbox_net_tests::{Report, Script, ScriptedServer, Servers};
use serde_json::{Value, json};

use crate::secrets::{Store, VALUE, assert_unseen, base64, spellings};
use crate::{assert_denied, assert_status, builder, document, fetch};

const MARK: &str = "reflected:";

/// The value of the field that contains the secret.
fn reflected(head: &str) -> String {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let is_key = |name: &str| ["x-api-key", "authorization"].contains(&name);
    let mut keys = fields.filter(|(name, _)| is_key(&name.to_ascii_lowercase()));
    keys.next()
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// A whole answer with this body, in one piece.
fn sized(status: &str, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A chunked answer whose chunks have `size` bytes, each in its own write.
fn chunked(size: usize, body: &str) -> Vec<Vec<u8>> {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()];
    for chunk in body.as_bytes().chunks(size) {
        let mut piece = format!("{:x}\r\n", chunk.len()).into_bytes();
        piece.extend_from_slice(chunk);
        piece.extend_from_slice(b"\r\n");
        pieces.push(piece);
    }
    pieces.push(b"0\r\n\r\n".to_vec());
    pieces
}

/// The bytes in a different spelling, for bodies.
fn spelled(how: &str, value: &str) -> String {
    let known = [
        "plain", "reversed", "percent", "hex", "base64", "json", "debug",
    ];
    match how {
        "base64" => return base64(value.as_bytes()),
        "base64-inside" => return base64(format!("user:{value}:more").as_bytes()),
        _ => {}
    }
    let index = known.iter().position(|one| *one == how);
    spellings(value)[index.unwrap_or(0)].clone()
}

/// An answer with the value in its head, or instead of a head.
fn in_head(place: &str, value: &str) -> Vec<u8> {
    let field = format!("X-Reflected: {MARK}{value}\r\n");
    match place {
        "field" => sized("200 OK", &field, ""),
        "cookie" => {
            let fields = format!("Set-Cookie: seen={value}; Path=/\r\nX-Mark: {MARK}\r\n");
            sized("200 OK", &fields, "")
        }
        "reason" => sized(&format!("200 {MARK}{value}"), "", ""),
        "bad-field" => sized("200 OK", &format!("{MARK} {value}\r\n"), ""),
        "bad-length" => sized("200 OK", &format!("{field}Content-Length: 1\r\n"), ""),
        _ => format!("{MARK} no HTTP {value}\r\n").into_bytes(),
    }
}

/// The answers by path.
fn answer(head: &str) -> Script {
    let value = reflected(head);
    let body = format!("{MARK}{value};");
    let (first, argument) = path(head)[1..]
        .split_once('/')
        .unwrap_or((&path(head)[1..], ""));
    let pieces = match first {
        "chunks" => chunked(argument.parse().unwrap_or(1), &body),
        "records" => {
            let whole = sized("200 OK", "", &body);
            whole.chunks(5).map(<[u8]>::to_vec).collect()
        }
        "until-close" => vec![
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(),
            body.into(),
        ],
        "spelled" => vec![sized(
            "200 OK",
            "",
            &format!("{MARK}{}", spelled(argument, &value)),
        )],
        "field" | "cookie" | "reason" | "garbage" | "bad-field" | "bad-length" => {
            vec![in_head(first, &value)]
        }
        "status" => vec![sized(&format!("{argument} Odd"), "", &body)],
        "informational" => {
            let early = format!("HTTP/1.1 103 Early Hints\r\nLink: {value}\r\n\r\n");
            vec![early.into_bytes(), sized("200 OK", "", &body)]
        }
        // Only half of the value comes, as from a slow server with an impatient proxy.
        "half-garbage" => {
            let half = &value[..value.len() / 2];
            vec![format!("{MARK} no HTTP {half}").into_bytes()]
        }
        "half-body" => {
            let half = &value[..value.len() / 2];
            vec![format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{MARK}{half}").into_bytes()]
        }
        // A coding that masking does not support, in an answer that is almost HTTP.
        "coded-and-broken" => {
            let coded: String = value.bytes().map(|byte| char::from(byte ^ 1)).collect();
            let fields = "Content-Encoding: x-odd\r\nno field\r\n";
            vec![sized("200 OK", fields, &format!("{MARK}{coded}"))]
        }
        "coded" => vec![sized(
            "200 OK",
            &format!("Content-Encoding: {argument}\r\n"),
            &body,
        )],
        _ => vec![sized("404 Not Found", "", "")],
    };
    let endless = [
        "garbage",
        "half-garbage",
        "half-body",
        "bad-field",
        "bad-length",
        "until-close",
    ];
    Script {
        pieces,
        close: endless.contains(&first),
    }
}

/// The reflecting server over TLS, and a sandbox with a secret for it.
async fn reflecting(servers: &Servers, store: &Store) -> (ScriptedServer, Sandbox) {
    let leaf = servers.ca.loopback_leaf();
    let server = ScriptedServer::tls(&leaf, &[b"http/1.1"], answer).await;
    let rule = format!("rule = '{}'\nheaders = ['x-api-key']", server.origin());
    let secret = store.secret("api-key", VALUE, &rule);
    let allowed = [
        server.origin(),
        servers.http.origin(),
        servers.https.origin(),
    ];
    let policy = document(&format!("allow = {}\n{secret}", json!(allowed)));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    (server, sandbox.build().await.expect("a sandbox"))
}

fn with_key(client: &str, case: &str, url: String) -> Value {
    let fields = json!({ "x-api-key": "{API_KEY}" });
    json!({ "case": case, "client": client, "url": url, "headers": fields })
}

/// Runs `paths` with each client. Checks that each time the server got the value and the program saw
/// at most stars.
async fn assert_masked(clients: &[&str], paths: &[&str]) -> (Report, Outcome) {
    let (servers, store) = (Servers::start().await, Store::new());
    let (server, sandbox) = reflecting(&servers, &store).await;
    let mut cases = Vec::new();
    for client in clients {
        for path in paths {
            cases.push(with_key(
                client,
                &format!("{client} {path}"),
                server.origin() + path,
            ));
        }
    }
    let (report, outcome) = fetch(&sandbox, &cases).await;
    let heads = server.heads();
    assert_eq!(heads.len(), cases.len(), "{report}");
    assert!(heads.iter().all(|head| reflected(head) == VALUE));
    assert_unseen(VALUE, &outcome);
    (report, outcome)
}

const CLIENTS: [&str; 3] = ["urllib", "requests", "http.client"];

/// Checks that the answer reached the program, with stars in it.
#[track_caller]
fn assert_reflected(report: &Report, case: &str) {
    let line = report.case(case).to_string();
    assert!(line.contains(MARK), "{case}: {line}");
    assert!(line.contains("********"), "{case}: {line}");
}

#[tokio::test]
async fn stars_stand_for_a_value_that_comes_back_in_a_body_however_it_is_cut() {
    let sizes = (1..=7).map(|size| format!("/chunks/{size}"));
    let mut paths: Vec<String> = sizes.collect();
    paths.extend(["/chunks/1000", "/records", "/until-close", "/informational"].map(String::from));
    paths.extend(["400", "404", "429", "500", "503"].map(|code| format!("/status/{code}")));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (report, _) = assert_masked(&CLIENTS, &paths).await;
    let expected = format!("{MARK}{};", "*".repeat(VALUE.len()));
    for client in CLIENTS {
        for path in &paths {
            let result = report.result(&format!("{client} {path}"));
            assert_eq!(result["body"], expected.as_str(), "{client} {path}");
        }
    }
}

#[tokio::test]
async fn stars_stand_for_a_value_that_comes_back_in_another_spelling() {
    let spellings = [
        "reversed",
        "percent",
        "hex",
        "base64",
        "base64-inside",
        "json",
    ];
    let paths = spellings.map(|one| format!("/spelled/{one}"));
    let paths = paths.each_ref().map(String::as_str);
    let (report, _) = assert_masked(&["requests"], &paths).await;
    for path in paths {
        assert_reflected(&report, &format!("requests {path}"));
    }
}

#[tokio::test]
async fn stars_stand_for_a_value_that_comes_back_in_the_head() {
    let paths = ["/field", "/reason", "/cookie"];
    let (report, _) = assert_masked(&CLIENTS, &paths).await;
    for client in CLIENTS {
        for path in paths {
            assert_reflected(&report, &format!("{client} {path}"));
        }
    }
}

#[tokio::test]
async fn a_broken_answer_shows_nothing_of_a_value_that_comes_back_in_it() {
    let paths = ["/garbage", "/bad-field", "/bad-length"];
    let (report, _) = assert_masked(&CLIENTS, &paths).await;
    for client in CLIENTS {
        assert!(!report.errors(&format!("{client} /garbage")).is_empty());
    }
}

/// Checks that the program did not see half of the value, at which the connection ended.
async fn assert_half_unseen(path: &str) {
    let (report, _) = assert_masked(&CLIENTS, &[path]).await;
    let half = &VALUE[..VALUE.len() / 2];
    let spellings = [half.to_owned(), half.escape_debug().to_string()];
    for client in CLIENTS {
        let line = report.case(&format!("{client} {path}")).to_string();
        assert!(line.contains("\"errors\""), "{line}");
        for spelling in &spellings {
            assert!(!line.contains(spelling), "{line}");
        }
    }
}

#[tokio::test]
async fn half_a_value_at_the_end_of_a_body_that_breaks_off_is_not_shown() {
    assert_half_unseen("/half-body").await;
}

/// The bytes of an answer that is not HTTP are part of the exception.
#[tokio::test]
async fn half_a_value_at_the_end_of_an_answer_that_is_no_http_is_not_shown() {
    assert_half_unseen("/half-garbage").await;
}

/// A coded body is denied, also if the head of its answer is malformed.
#[tokio::test]
async fn a_coded_body_does_not_come_with_a_broken_head() {
    let (report, _) = assert_masked(&CLIENTS, &["/coded-and-broken"]).await;
    for client in CLIENTS {
        let line = report
            .case(&format!("{client} /coded-and-broken"))
            .to_string();
        assert!(!line.contains(MARK), "{line}");
    }
}

#[tokio::test]
async fn stars_stand_for_a_value_that_comes_back_over_http2() {
    let (servers, store) = (Servers::start().await, Store::new());
    let origin = servers.http2.origin();
    let keys = format!("rule = '{origin}'\nheaders = ['x-api-key']\nquery = ['key']");
    let secret = store.secret("api-key", VALUE, &keys);
    let policy = document(&format!("allow = ['{origin}']\n{secret}"));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let cases =
        CLIENTS.map(|client| with_key(client, client, origin.clone() + "/get?key={API_KEY}"));
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for request in servers.http2.requests() {
        assert_eq!(
            (request.header("x-api-key"), request.version.as_str()),
            (Some(VALUE), "HTTP/2.0")
        );
    }
    assert_eq!(servers.http2.requests().len(), 3);
    for client in CLIENTS {
        let body = report.result(client)["body"].as_str().expect("a text");
        assert!(body.contains("[\"x-api-key\",\"********"), "{body}");
        assert!(body.contains("/get?key=********"), "{body}");
    }
    assert_unseen(VALUE, &outcome);
}

#[tokio::test]
async fn a_redirect_never_takes_the_value_to_another_server() {
    let (servers, store) = (Servers::start().await, Store::new());
    let targets = [
        servers.http.origin(),
        servers.forbidden.origin(),
        servers.https.origin(),
    ];
    let others = targets.clone();
    // `/redirect/0` to `/redirect/2`: an allowed host, a forbidden one, and one over TLS.
    let leaf = servers.ca.loopback_leaf();
    let redirecting = ScriptedServer::tls(&leaf, &[b"http/1.1"], move |head| {
        let value = reflected(head);
        let index = path(head)
            .rsplit('/')
            .next()
            .and_then(|one| one.parse::<usize>().ok());
        let to = &others[index.unwrap_or(0)];
        let location = format!("Location: {to}/nothing/{value}?key={value}\r\n");
        Script {
            pieces: vec![sized("302 Found", &location, "")],
            close: false,
        }
    })
    .await;
    let keys = format!(
        "rule = '{}'\nheaders = ['x-api-key', 'authorization']",
        redirecting.origin()
    );
    let secret = store.secret("api-key", VALUE, &keys);
    let allowed = [redirecting.origin(), targets[0].clone(), targets[2].clone()];
    let policy = document(&format!("allow = {}\n{secret}", json!(allowed)));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let mut cases = Vec::new();
    for client in ["urllib", "requests"] {
        for index in 0..targets.len() {
            let url = format!("{}/redirect/{index}", redirecting.origin());
            cases.push(with_key(client, &format!("{client} {index}"), url));
        }
    }
    // `requests` omits this field after a redirect to another host.
    cases.push(json!({ "case": "followed", "client": "requests",
        "url": redirecting.origin() + "/redirect/0", "headers": { "Authorization": "{API_KEY}" } }));
    let (report, outcome) = fetch(&sandbox, &cases).await;

    assert_eq!(redirecting.heads().len(), cases.len());
    assert!(
        redirecting
            .heads()
            .iter()
            .all(|head| reflected(head) == VALUE)
    );
    for client in ["urllib", "requests"] {
        assert_denied(&report, &format!("{client} 1"), "no-rule");
        // Both clients keep the field: the placeholder is not for the other hosts.
        assert_denied(&report, &format!("{client} 0"), "secret");
        assert_denied(&report, &format!("{client} 2"), "secret");
    }
    assert_eq!(servers.forbidden.connections().await, 0);
    assert_status(&report, "followed", 404);
    let stars = "*".repeat(VALUE.len());
    let followed = servers.http.requests();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].target, format!("/nothing/{stars}?key={stars}"));
    assert_eq!(servers.https.requests().len(), 0);
    assert_unseen(VALUE, &outcome);
}

#[tokio::test]
async fn a_response_that_cannot_be_searched_is_denied() {
    let (servers, store) = (Servers::start().await, Store::new());
    let (server, sandbox) = reflecting(&servers, &store).await;
    let origin = server.origin();
    let mut cases = Vec::new();
    for client in CLIENTS {
        for coding in ["gzip", "br", "x-odd", "identity"] {
            cases.push(with_key(
                client,
                &format!("{client} {coding}"),
                format!("{origin}/coded/{coding}"),
            ));
        }
        let mut range = with_key(
            client,
            &format!("{client} range"),
            format!("{origin}/chunks/5"),
        );
        range["headers"]["Range"] = json!("bytes=0-12");
        cases.push(range);
        let plain = servers.http.origin() + "/gzip";
        cases.push(
            json!({ "case": format!("{client} elsewhere"), "client": client, "url": plain,
            "headers": { "Range": "bytes=0-12", "Accept-Encoding": "gzip" } }),
        );
    }
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for client in CLIENTS {
        for case in ["gzip", "br", "x-odd", "range"] {
            assert_denied(&report, &format!("{client} {case}"), "secret");
        }
        assert_reflected(&report, &format!("{client} identity"));
        // No secret is sent there, so nothing has to be searched.
        assert_status(&report, &format!("{client} elsewhere"), 200);
    }
    let heads = server.heads();
    let paths: BTreeSet<&str> = heads.iter().map(|head| path(head)).collect();
    assert!(
        !paths.contains("/chunks/5") && paths.len() == 4,
        "{paths:?}"
    );
    for head in &heads {
        let codings = head
            .lines()
            .filter(|line| line.to_lowercase().starts_with("accept-encoding"));
        let codings: Vec<_> = codings
            .map(|line| line.split_once(": ").expect("a field").1)
            .collect();
        assert_eq!(codings, ["identity"], "{head}");
    }
    let other = servers.http.requests();
    assert!(
        other
            .iter()
            .all(|request| request.header("accept-encoding") == Some("gzip"))
    );
    assert_unseen(VALUE, &outcome);
}
