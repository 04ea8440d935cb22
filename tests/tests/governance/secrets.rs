//! A secret goes to its own server, in its own places, and the program never sees it.

use sandbox_net::{Outcome, Sandbox};
use sandbox_net_tests::{Servers, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_denied, assert_status, builder, document, fetch, get, get_with};

/// With characters that each encoding writes differently.
pub(crate) const VALUE: &str = "sk-Live/42+\"quoted\"&done==";
const OTHER: &str = "second-secret-0123456789";

/// The places of the values of secrets.
pub(crate) struct Store(TempDir);

impl Store {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// A `[[secret]]` called `name` with this value; `keys` are its other lines.
    pub(crate) fn secret(&self, name: &str, value: &str, keys: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("{value}\n")).expect("a file");
        let path = path.display();
        format!("[[secret]]\nname = '{name}'\n{keys}\nsource = {{ file = '{path}' }}\n")
    }
}

/// The spellings in which the value could leave.
pub(crate) fn spellings(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let percent = |byte: &u8| match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(b) => char::from(*b).to_string(),
        b => format!("%{b:02X}"),
    };
    let json = json!(value).to_string();
    vec![
        value.to_owned(),
        value.chars().rev().collect(),
        bytes.iter().map(percent).collect(),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        // Without the characters that are merged with their neighbours.
        base64(bytes).trim_end_matches('=')[..bytes.len() / 3 * 4].to_owned(),
        json[1..json.len() - 1].to_owned(),
        value.escape_debug().to_string(),
    ]
}

/// RFC 4648 section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..three.len()].copy_from_slice(three);
        let number = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place)) as usize & 63];
            let is_padding = place > three.len();
            text.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Checks that a run nowhere has the value: neither in its output, nor in the host's records.
#[track_caller]
pub(crate) fn assert_unseen(value: &str, outcome: &Outcome) {
    let lines = json!([outcome.decisions, outcome.exchanges]).to_string();
    let texts = [
        ("stdout", outcome.stdout_text().into_owned()),
        ("stderr", outcome.stderr_text().into_owned()),
        (
            "Debug",
            format!("{:?} {:?}", outcome.decisions, outcome.exchanges),
        ),
        ("records", lines),
    ];
    for spelling in spellings(value) {
        for (place, text) in &texts {
            assert!(
                !text.contains(&spelling),
                "{spelling:?} is in {place}: {text}"
            );
        }
    }
}

/// A sandbox with the secret `API_KEY` for GET and PUT of `path` at the HTTPS server.
async fn with_key(servers: &Servers, store: &Store, keys: &str) -> Sandbox {
    let rule = format!("rule = 'GET,PUT {}/get'", servers.https.origin());
    let secret = store.secret("api-key", VALUE, &format!("{rule}\n{keys}"));
    let origins = [&servers.https, &servers.http2, &servers.http].map(|server| server.origin());
    let policy = document(&format!("allow = {}\n{secret}", json!(origins)));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    sandbox.build().await.expect("a sandbox")
}

fn with_fields(client: &str, case: &str, url: &str, fields: Value) -> Value {
    json!({ "case": case, "client": client, "url": url, "headers": fields })
}

#[tokio::test]
async fn a_value_arrives_in_the_fields_of_its_secret() {
    let (servers, store) = (Servers::start().await, Store::new());
    let sandbox = with_key(&servers, &store, "headers = ['Authorization', 'x-api-key']").await;
    let url = servers.https.origin() + "/get";
    let clients = ["urllib", "requests", "http.client"];
    let cases = clients.map(|client| {
        let fields = json!({ "X-API-KEY": "{API_KEY}", "Authorization": "Bearer {API_KEY}",
            "X-Other": "{API_KEY}" });
        with_fields(client, client, &url, fields)
    });
    let (report, outcome) = fetch(&sandbox, &cases).await;

    let requests = servers.https.requests();
    assert_eq!(requests.len(), clients.len());
    for request in requests {
        assert_eq!(request.header("x-api-key"), Some(VALUE));
        let bearer = format!("Bearer {VALUE}");
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
        let placeholder = request.header("x-other").expect("a field");
        assert!(
            placeholder.starts_with("sandbox-net-secret-"),
            "{placeholder}"
        );
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
    for client in clients {
        let body = report.result(client)["body"].as_str().expect("a text");
        assert!(body.contains("Bearer ***"), "{client}: {body}");
    }
    assert_unseen(VALUE, &outcome);
    for exchange in &outcome.exchanges {
        assert_eq!(exchange.secrets, ["api-key"], "{exchange:?}");
    }
}

#[tokio::test]
async fn a_value_arrives_in_query_parameters_and_basic_credentials() {
    let (servers, store) = (Servers::start().await, Store::new());
    let sandbox = with_key(&servers, &store, "query = ['key']\nbasic = true").await;
    let url = servers.https.origin() + "/get";
    let mut cases = vec![
        get(
            "query",
            format!("{url}?a=1&key={{API_KEY}}&other={{API_KEY}}"),
        ),
        json!({ "case": "name", "client": "requests", "url": url, "auth": ["{API_KEY}", "" ] }),
    ];
    let auth = json!(["user", "{API_KEY}"]);
    cases.push(json!({ "case": "password", "client": "requests", "url": url, "auth": auth }));
    let fields = json!({ "Authorization": "Bearer {API_KEY}" });
    cases.push(with_fields("urllib", "bearer", &url, fields));
    let (report, outcome) = fetch(&sandbox, &cases).await;

    let requests = servers.https.requests();
    let key = "sk-Live%2F42%2B%22quoted%22%26done%3D%3D";
    let target = &requests[0].target;
    assert!(
        target.starts_with(&format!("/get?a=1&key={key}&other=sandbox-net-secret-")),
        "{target}"
    );
    for (index, credentials) in [(1, format!("{VALUE}:")), (2, format!("user:{VALUE}"))] {
        let expected = format!("Basic {}", base64(credentials.as_bytes()));
        assert_eq!(
            requests[index].header("authorization"),
            Some(expected.as_str())
        );
    }
    // The secret is not for Bearer credentials.
    let bearer = requests[3].header("authorization").expect("a field");
    assert!(bearer.starts_with("Bearer sandbox-net-secret-"), "{bearer}");
    for case in ["query", "name", "password", "bearer"] {
        assert_status(&report, case, 200);
    }
    assert_unseen(VALUE, &outcome);
    let used: Vec<_> = outcome
        .exchanges
        .iter()
        .map(|one| one.secrets.len())
        .collect();
    assert_eq!(used, [1, 1, 1, 0]);
}

#[tokio::test]
async fn a_placeholder_in_a_request_of_another_kind_is_a_denial() {
    let (servers, store) = (Servers::start().await, Store::new());
    let sandbox = with_key(&servers, &store, "headers = ['x-api-key']\nquery = ['key']").await;
    let (https, http2, http) = (
        servers.https.origin(),
        servers.http2.origin(),
        servers.http.origin(),
    );
    let field = json!({ "x-api-key": "{API_KEY}" });
    let mut denied = Vec::new();
    for client in ["urllib", "requests", "http.client"] {
        for (case, url) in [
            ("another host", http2.clone() + "/get"),
            ("without TLS", http.clone() + "/get"),
            ("another path", https.clone() + "/bytes/1"),
            (
                "a path that servers may read in another way",
                https.clone() + "/get/../bytes/1",
            ),
        ] {
            denied.push(with_fields(
                client,
                &format!("{client}: {case}"),
                &url,
                field.clone(),
            ));
        }
        let mut post = with_fields(
            client,
            &format!("{client}: method"),
            &(https.clone() + "/get"),
            field.clone(),
        );
        post["method"] = json!("POST");
        denied.push(post);
    }
    denied.push(get(
        "query elsewhere",
        format!("{http2}/get?key={{API_KEY}}"),
    ));
    let (report, outcome) = fetch(&sandbox, &denied).await;
    for case in &denied {
        assert_denied(&report, case["case"].as_str().expect("a name"), "secret");
    }
    for server in [&servers.https, &servers.http2, &servers.http] {
        assert_eq!(server.requests().len(), 0);
    }
    assert_unseen(VALUE, &outcome);
}

#[tokio::test]
async fn a_placeholder_in_another_place_is_a_text() {
    let (servers, store) = (Servers::start().await, Store::new());
    let sandbox = with_key(&servers, &store, "headers = ['x-api-key']\nquery = ['key']").await;
    let (https, http2) = (servers.https.origin(), servers.http2.origin());
    let mut texts = vec![
        json!({ "case": "body", "url": format!("{https}/echo"), "body": "key={API_KEY}" }),
        json!({ "case": "body of the right request", "url": format!("{https}/get"),
            "method": "PUT", "body": "{API_KEY}", "headers": { "x-api-key": "{API_KEY}" } }),
        get("path", format!("{https}/get/{{API_KEY}}")),
        get(
            "the name of a parameter",
            format!("{http2}/get?{{API_KEY}}=key"),
        ),
    ];
    texts.push(with_fields(
        "urllib",
        "another field",
        &(http2 + "/get"),
        json!({ "x-key": "{API_KEY}" }),
    ));
    let (report, outcome) = fetch(&sandbox, &texts).await;
    let echoed = report.result("body")["body"].as_str().expect("a text");
    assert!(echoed.starts_with("key=sandbox-net-secret-"), "{echoed}");
    let put = servers.https.requests_for("/get");
    assert_eq!(put[0].header("x-api-key"), Some(VALUE));
    let placeholder = sandbox.get_env("API_KEY").expect("a variable");
    let length = put[0].body.as_ref().expect("a body").length;
    assert_eq!(length, placeholder.len() as u64);
    for server in [&servers.https, &servers.http2] {
        for request in server.requests() {
            let text = format!("{} {:?}", request.target, request.header("x-key"));
            assert!(!text.contains("sk-Live"), "{text}");
        }
    }
    assert_unseen(VALUE, &outcome);
}

#[tokio::test]
async fn the_program_finds_the_placeholder_everywhere_and_the_value_nowhere() {
    let (servers, store) = (Servers::start().await, Store::new());
    let hidden: Vec<u8> = VALUE.bytes().map(|byte| byte ^ 0x55).collect();
    let hidden: String = hidden.iter().map(|byte| format!("{byte:02x}")).collect();
    let sandbox = with_key(&servers, &store, "headers = ['x-api-key']").await;
    sandbox.set_env("HIDDEN", &hidden).expect("a variable");
    sandbox
        .set_env("URL", &(servers.https.origin() + "/get"))
        .expect("a variable");
    let (report, outcome) = run(&sandbox, "search.py").await;

    assert_eq!(report.result("status"), &json!(200));
    assert_eq!(servers.https.requests()[0].header("x-api-key"), Some(VALUE));
    let places = report.result("places").as_object().expect("places").clone();
    for (place, found) in &places {
        let placeholder = matches!(place.as_str(), "environment" | "objects");
        assert_eq!(found, &json!([false, placeholder]), "{place}: {places:?}");
    }
    assert_eq!(places.len(), 4);
    assert_unseen(VALUE, &outcome);
}

#[tokio::test]
async fn two_secrets_in_one_request_go_each_into_its_own_places() {
    let (servers, store) = (Servers::start().await, Store::new());
    let (https, http2) = (servers.https.origin(), servers.http2.origin());
    let first = store.secret(
        "first",
        VALUE,
        &format!("rule = '{https}'\nheaders = ['x-first']"),
    );
    let keys = format!("rule = '{https}'\nheaders = ['x-second', 'x-both']\nenv = 'NUMBER_TWO'");
    let second = store.secret("second", OTHER, &keys);
    let policy = document(&format!(
        "allow = {}\n{first}{second}",
        json!([https, http2])
    ));
    let sandbox = builder().policy(policy).trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let fields = json!({ "x-first": "{FIRST} {NUMBER_TWO}", "x-second": "{NUMBER_TWO}{NUMBER_TWO}",
        "x-both": "{FIRST}" });
    let mut cases = vec![with_fields(
        "requests",
        "both",
        &(https + "/get"),
        fields.clone(),
    )];
    cases.push(with_fields(
        "requests",
        "elsewhere",
        &(http2 + "/get"),
        fields,
    ));
    let (report, outcome) = fetch(&sandbox, &cases).await;

    let requests = servers.https.requests();
    let first = requests[0].header("x-first").expect("a field");
    assert!(
        first.starts_with(&format!("{VALUE} sandbox-net-secret-")),
        "{first}"
    );
    assert_eq!(
        requests[0].header("x-second"),
        Some([OTHER, OTHER].concat().as_str())
    );
    assert!(
        requests[0]
            .header("x-both")
            .is_some_and(|it| it.starts_with("sandbox-net-secret-"))
    );
    assert_eq!(outcome.exchanges[0].secrets, ["first", "second"]);
    assert_denied(&report, "elsewhere", "secret");
    assert_eq!(servers.http2.requests().len(), 0);
    for value in [VALUE, OTHER] {
        assert_unseen(value, &outcome);
    }
}

#[tokio::test]
async fn a_fork_uses_the_secret_too_and_another_sandbox_cannot_use_its_placeholder() {
    let (servers, store) = (Servers::start().await, Store::new());
    let parent = with_key(&servers, &store, "headers = ['x-api-key']").await;
    let child = parent.fork().await.expect("a fork");
    let stranger = with_key(&servers, &store, "headers = ['x-api-key']").await;
    let stolen = parent.get_env("API_KEY").expect("a variable");
    assert_ne!(stranger.get_env("API_KEY"), Some(stolen.clone()));

    let url = servers.https.origin() + "/get";
    let own = with_fields("urllib", "own", &url, json!({ "x-api-key": "{API_KEY}" }));
    for sandbox in [&parent, &child] {
        let (_, outcome) = fetch(sandbox, std::slice::from_ref(&own)).await;
        assert_unseen(VALUE, &outcome);
    }
    let foreign = with_fields("urllib", "foreign", &url, json!({ "x-api-key": stolen }));
    let (report, _) = fetch(&stranger, &[foreign]).await;
    assert_status(&report, "foreign", 200);
    let sent: Vec<_> = servers.https.requests();
    let sent: Vec<_> = sent.iter().map(|one| one.header("x-api-key")).collect();
    assert_eq!(sent, [Some(VALUE), Some(VALUE), Some(stolen.as_str())]);
}

#[tokio::test]
async fn the_audit_log_has_placeholders_even_where_it_has_queries() {
    let (servers, store) = (Servers::start().await, Store::new());
    let origin = servers.https.origin();
    let secret = store.secret(
        "api-key",
        VALUE,
        &format!("rule = '{origin}'\nquery = ['key']"),
    );
    let file = store.0.path().join("audit.jsonl");
    let sandbox = builder()
        .policy(document(&format!("allow = ['{origin}']\n{secret}")))
        .trust_ca_pem(servers.ca.root_pem())
        .audit_file(&file)
        .audit_queries();
    let sandbox = sandbox.build().await.expect("a sandbox");
    let cases = [
        get("right", format!("{origin}/get?key={{API_KEY}}")),
        get_with(
            "requests",
            "not found",
            format!("{origin}/nothing?key={{API_KEY}}"),
        ),
    ];
    let (report, outcome) = fetch(&sandbox, &cases).await;
    assert_status(&report, "right", 200);
    assert_unseen(VALUE, &outcome);
    let text = std::fs::read_to_string(&file).expect("the audit log");
    assert!(text.contains("/get?key=sandbox-net-secret-"), "{text}");
    assert!(text.contains("\"secrets\":[\"api-key\"]"), "{text}");
    for spelling in spellings(VALUE) {
        assert!(!text.contains(&spelling), "{spelling}: {text}");
    }
}

/// Two requests over one transport: the address of the second is checked when it is answered.
#[tokio::test]
async fn a_record_of_an_address_that_is_only_reported_has_the_placeholder() {
    let (servers, store) = (Servers::start().await, Store::new());
    let port = servers.http.address().port();
    servers.dns.set("private.test", [[127, 0, 0, 1].into()]);
    let keys = format!("rule = 'http://private.test:{port}'\nquery = ['key']\nplain_http = true");
    let secret = store.secret("api-key", VALUE, &keys);
    let policy = format!("mode = 'report'\nallow = ['http://private.test:{port}']\n{secret}");
    let sandbox = builder()
        .policy(document(&policy))
        .dns_servers([servers.dns.address()])
        .audit_queries();
    let sandbox = sandbox.build().await.expect("a sandbox");
    let url = format!("http://private.test:{port}/get?key={{API_KEY}}");
    let cases = ["first", "second"].map(|case| get(case, &url));
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for case in ["first", "second"] {
        assert_status(&report, case, 200);
    }
    assert!(
        servers.http.requests()[1].target.contains("sk-Live"),
        "the value arrives"
    );
    assert_unseen(VALUE, &outcome);
}
