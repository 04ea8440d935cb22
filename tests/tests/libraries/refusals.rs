//! If the policy refuses something in a request, the traceback of every client has the whole text,
//! also of clients that ignore a write's error and then read.

use std::path::Path;

use sandbox_net::Sandbox;
use sandbox_net::policy::Document;
use sandbox_net_tests::{
    LIBRARIES, LIMIT, Report, Script, ScriptedServer, TestCa, native_python_with, run, run_natively,
};
use serde_json::{Value, json};

/// More requests than a run makes before it uses up the rest.
const REQUESTS: usize = 40;

const PROGRAM: &str = "refusals/refused.py";

/// The newest release without machine code.
const OPENAI: &[&str] = &["openai==1.35.0", "pydantic<2"];

/// The fields that the denied requests have, which the servers must not see.
const REFUSED_FIELDS: [&str; 2] = ["x-http-method-override", "upgrade"];

/// What the table asks of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    /// It always requests an upgrade, so the upgrade is refused.
    WebSocket,
}

/// A row of the table.
struct Row {
    client: &'static str,
    kind: Kind,
    packages: &'static [&'static str],
}

/// The servers of a row.
struct Peers {
    ca: TestCa,
    http: ScriptedServer,
    https: ScriptedServer,
}

impl Peers {
    async fn start() -> Self {
        let ca = TestCa::new("sandbox-net tests");
        let leaf = ca.loopback_leaf();
        Self {
            http: ScriptedServer::plain(answer).await,
            https: ScriptedServer::tls(&leaf, &[b"http/1.1"], answer).await,
            ca,
        }
    }

    fn origins(&self) -> [(&'static str, String); 2] {
        [("http", self.http.origin()), ("https", self.https.origin())]
    }

    async fn inside(&self, row: &Row) -> Report {
        let origins = self.origins();
        let rules: Vec<String> = origins
            .iter()
            .flat_map(|(_, origin)| {
                ["get", "get/**", "silent", "silent/**"].map(|path| format!("GET {origin}/{path}"))
            })
            .collect();
        let rules = json!(rules);
        let text =
            format!("version = 1\nallow = {rules}\n[budgets]\nrequests = {REQUESTS}\n[end]\n");
        let document = Document::parse(&text).expect("a policy");
        let mut sandbox = Sandbox::builder()
            .policy(document)
            .trust_ca_pem(self.ca.root_pem())
            .time_limit(LIMIT)
            .arg(row.client);
        for (name, origin) in &origins {
            sandbox = sandbox.arg(format!("{name}={origin}"));
        }
        for package in row.packages {
            sandbox = sandbox.with_package(*package);
        }
        run(&sandbox.build().await.expect("a sandbox"), PROGRAM)
            .await
            .0
    }

    async fn outside(&self, row: &Row, python: &Path) -> Report {
        let mut arguments = vec![row.client.to_owned(), "native=yes".to_owned()];
        let origins = self.origins();
        arguments.extend(origins.iter().map(|(name, url)| format!("{name}={url}")));
        run_natively(python, &self.ca, PROGRAM, arguments).await
    }
}

/// A short answer, or none: the connection ends.
fn answer(head: &str) -> Script {
    let body = r#"{"object": "list", "data": []}"#;
    let whole = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match head.split(' ').nth(1) {
        Some(target) if target.starts_with("/silent") => Script {
            pieces: Vec::new(),
            close: true,
        },
        _ => Script {
            pieces: vec![whole.into_bytes()],
            close: false,
        },
    }
}

/// What the traceback of a cell must contain, one of several.
fn expected(row: &Row, kind: &str, origin: &str, spent: &str) -> Vec<String> {
    let denied = |what: &str| format!("sandbox-net denied {origin}: {what}");
    let upgrade = denied(
        "sandbox-net does not upgrade connections, to WebSocket or anything else (reason field, rule \
         default-deny); no rule can allow it: remove the field",
    );
    let no_rule = |method: &str, path: &str| {
        denied(&format!(
            "no rule allows this method and path (reason no-rule, rule default-deny); to allow it, \
             add the rule '{method} {origin}{path}"
        ))
    };
    let proxy = || {
        vec![
            "sandbox-net: CONNECT is not carried: there are no proxies, the host connects itself"
                .to_owned(),
            "is not a path: requests to a proxy, and `*`, are not carried".to_owned(),
        ]
    };
    match (row.kind, kind) {
        (_, "proxy") => proxy(),
        (Kind::WebSocket, "budget") => vec![upgrade, spent.to_owned()],
        (Kind::WebSocket, _) | (_, "upgrade") => vec![upgrade],
        (_, "path") => vec![no_rule("GET", "/denied")],
        (_, "method") => ["POST", "PUT", "DELETE"]
            .map(|method| no_rule(method, "/get"))
            .to_vec(),
        (_, "field") => vec![format!(
            "to allow it, use a [[field]] table of the policy or --field \
             'x-http-method-override {origin}' to grant it"
        )],
        (_, "budget") => vec![spent.to_owned()],
        (_, other) => panic!("no kind {other}"),
    }
}

/// Runs a row and checks each of its cells.
async fn shows(row: &Row) {
    let Some(python) = native_python_with(row.packages).await else {
        return;
    };
    let peers = Peers::start().await;
    let inside = peers.inside(row).await;
    let heads = [peers.http.heads(), peers.https.heads()].concat();

    let mut faults = Vec::new();
    let spent = inside.result("spent").as_str().expect("a used up budget");
    assert!(spent.contains("requests"), "{spent}");
    for (server, origin) in peers.origins() {
        for kind in ["path", "method", "field", "upgrade", "proxy", "budget"] {
            let result = inside.result(&format!("{kind} / {server}"));
            let trace = result["trace"].as_str().unwrap_or_default();
            let texts = expected(row, kind, &origin, spent);
            let is_told = texts.iter().any(|text| trace.contains(text));
            if !is_told || !trace.contains("sandbox-net") {
                faults.push(format!(
                    "{kind} / {server}: {result:#}\nexpected: {texts:#?}"
                ));
            }
        }
    }
    if row.kind == Kind::Http {
        let outside = peers.outside(row, &python).await;
        faults.extend(controls(&inside, &outside));
    }
    let refused = heads.iter().filter(|head| !is_allowed(head));
    faults.extend(refused.map(|head| format!("reached: {head}")));
    assert!(
        faults.is_empty(),
        "{}: {} faults\n{}",
        row.client,
        faults.len(),
        faults.join("\n")
    );
}

/// Allowed requests work, and a silent server has the same result as natively.
fn controls(inside: &Report, outside: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    for server in ["http", "https"] {
        let case = format!("allowed / {server}");
        for report in [inside, outside] {
            let result = report.result(&case);
            if result != &json!({ "status": 200 }) {
                faults.push(format!("{case}: {result:#}"));
            }
        }
        let case = format!("silent / {server}");
        let told = |result: &Value| [result["type"].clone(), result["text"].clone()];
        let (ours, theirs) = (inside.result(&case), outside.result(&case));
        if told(ours) != told(theirs) {
            faults.push(format!("{case}\nsandbox: {ours:#}\nnative: {theirs:#}"));
        }
    }
    faults
}

fn is_allowed(head: &str) -> bool {
    let head = head.to_lowercase();
    let path = head.starts_with("get /get") || head.starts_with("get /silent");
    let has = |field: &str| head.contains(&format!("\n{field}:"));
    path && !REFUSED_FIELDS.iter().any(|field| has(field))
}

/// Makes a test of each row.
macro_rules! rows {
    ($($test:ident: $kind:expr, $packages:expr, $client:literal;)*) => {
        $(#[tokio::test]
        async fn $test() {
            let row = Row { client: $client, kind: $kind, packages: $packages };
            shows(&row).await;
        })*
    };
}

use Kind::{Http, WebSocket};

rows! {
    http_client_says_what_was_refused: Http, LIBRARIES, "http_client";
    urllib_says_what_was_refused: Http, LIBRARIES, "urllib_request";
    asyncio_streams_say_what_was_refused: Http, LIBRARIES, "asyncio_streams";
    asyncio_drain_says_what_was_refused: Http, LIBRARIES, "asyncio_drain";
    requests_says_what_was_refused: Http, LIBRARIES, "requests";
    urllib3_says_what_was_refused: Http, LIBRARIES, "urllib3";
    httpx_says_what_was_refused: Http, LIBRARIES, "httpx";
    httpx_with_asyncio_says_what_was_refused: Http, LIBRARIES, "httpx_asyncio";
    httpcore_says_what_was_refused: Http, LIBRARIES, "httpcore";
    httpcore_with_asyncio_says_what_was_refused: Http, LIBRARIES, "httpcore_asyncio";
    aiohttp_says_what_was_refused: Http, LIBRARIES, "aiohttp";
    botocore_says_what_was_refused: Http, LIBRARIES, "botocore";
    openai_says_what_was_refused: Http, OPENAI, "openai";
    openai_with_asyncio_says_what_was_refused: Http, OPENAI, "openai_asyncio";
    websocket_client_says_what_was_refused: WebSocket, LIBRARIES, "websocket_client";
    websockets_with_asyncio_says_what_was_refused: WebSocket, LIBRARIES, "websockets_asyncio";
    websockets_with_threads_says_what_was_refused: WebSocket, LIBRARIES, "websockets_sync";
}
