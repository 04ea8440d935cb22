//! Python's HTTP clients, unmodified, behave in the sandbox as outside.

use sandbox_net::Sandbox;
use sandbox_net_tests::{
    Alpn, HttpServer, Native, Report, Servers, TestCa, loopback, pattern, run, sha256, skip_always,
};
use serde_json::{Value, json};

/// The report of `program` in a sandbox that may use only `origin`.
async fn sandboxed(program: &str, origin: &str, ca: &TestCa) -> Report {
    let sandbox = Sandbox::builder()
        .allow(origin)
        .arg(origin)
        .with_package("requests")
        .trust_ca_pem(ca.root_pem())
        .build()
        .await
        .expect("a sandbox");
    run(&sandbox, program).await.0
}

/// The report of `program` on the machine's own Python.
async fn native(program: &str, origin: &str, ca: &TestCa) -> Report {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), ca.root_pem()).expect("a temporary file");
    Native::new(program, [origin])
        .trust(file.path())
        .run()
        .await
}

/// Checks that `sandboxed` has the cases of `native` with the same results.
fn assert_same(sandboxed: &Report, native: &Report) {
    assert!(!native.lines.is_empty());
    for line in &native.lines {
        let case = line["case"].as_str().expect("a name");
        assert_eq!(
            sandboxed.case(case),
            line,
            "{case}: the sandbox is left, native Python right"
        );
    }
    assert_eq!(sandboxed.lines.len(), native.lines.len());
}

#[tokio::test]
async fn urllib_and_http_client_behave_as_natively_over_http() {
    let servers = Servers::start().await;
    let origin = servers.http.origin();
    for program in ["urllib_client.py", "http_client.py"] {
        let inside = sandboxed(program, &origin, &servers.ca).await;
        assert_same(&inside, &native(program, &origin, &servers.ca).await);
    }
}

#[tokio::test]
async fn urllib_and_http_client_behave_as_natively_over_https() {
    let servers = Servers::start().await;
    let origin = servers.https.origin_as("localhost");
    for program in ["urllib_client.py", "http_client.py"] {
        let inside = sandboxed(program, &origin, &servers.ca).await;
        assert_same(&inside, &native(program, &origin, &servers.ca).await);
    }
}

#[tokio::test]
async fn urllib_and_http_client_do_not_notice_http2() {
    let servers = Servers::start().await;
    let origin = servers.http2.origin();
    for program in ["urllib_client.py", "http_client.py"] {
        let mut inside = sandboxed(program, &origin, &servers.ca).await;
        let over_http2 = servers.http2.requests().len();
        let mut outside = native(program, &origin, &servers.ca).await;
        for report in [&mut inside, &mut outside] {
            report.lines.iter_mut().for_each(without_http1);
        }
        assert_same(&inside, &outside);
        let requests = servers.http2.requests();
        let versions = requests[..over_http2]
            .iter()
            .filter(|request| request.version == "HTTP/2.0");
        assert!(versions.count() > 0, "{program} went over HTTP/2");
    }
}

/// Removes what HTTP/2 does not have: reason phrases and transfer codings.
fn without_http1(line: &mut Value) {
    let case = line["case"].as_str().unwrap_or_default().to_owned();
    let Some(result) = line.get_mut("result") else {
        return;
    };
    if case == "after connection close" {
        // HTTP/2 has no `Connection` field.
        *result = Value::Null;
    }
    if case.starts_with("status ") || case == "headers of the answer" {
        result
            .as_array_mut()
            .expect("a list")
            .retain(|part| !is_reason(part));
    }
    if let Some(result) = result.as_object_mut() {
        result.remove("reason");
        if let Some(headers) = result["headers"].as_object_mut() {
            headers.remove("transfer-encoding");
        }
    }
}

fn is_reason(part: &Value) -> bool {
    let reasons = [
        "",
        "OK",
        "Not Modified",
        "Bad Request",
        "Not Found",
        "Internal Server Error",
        "Service Unavailable",
    ];
    part.as_str().is_some_and(|part| reasons.contains(&part))
}

#[tokio::test]
async fn requests_works_over_http_and_https() {
    let servers = Servers::start().await;
    let cases = [
        (&servers.http, "HTTP/1.1", true),
        (&servers.https, "HTTP/1.1", true),
        (&servers.http2, "HTTP/2.0", false),
    ];
    for (server, version, chunked) in cases {
        let origin = server.origin();
        let report = sandboxed("requests_client.py", &origin, &servers.ca).await;
        for (case, expected) in requests_results(chunked) {
            assert_eq!(report.result(case), &expected, "{case} at {origin}");
        }
        assert_eq!(report.lines.len(), requests_results(chunked).len());
        let requests = server.requests();
        assert!(
            requests.iter().all(|request| request.version == version),
            "{origin}"
        );
    }
}

/// The result of each case of `requests_client.py`, also on native Python.
fn requests_results(chunked: bool) -> Vec<(&'static str, Value)> {
    let seen = |method: &str, length: u64, kind: &str, headers: Value| {
        json!({
            "status": 200, "method": method, "path": "/get", "length": length, "type": kind,
            "headers": headers,
        })
    };
    let sized = |length: &str| json!({ "content-length": length });
    let mut pieces = pattern(1);
    pieces.extend(pattern(70_000));
    pieces.extend(pattern(5));
    let mut chunked_head = seen("POST", 70_006, "", json!({}));
    chunked_head["path"] = json!("/upload");
    if chunked {
        chunked_head["headers"] = json!({ "transfer-encoding": "chunked" });
    }
    let mut get = seen("GET", 0, "", json!({ "x-test": "yes" }));
    get["path"] = json!("/get?q=%C3%A4+b");
    let cookie_lines = ["first=1; Path=/", "second=2; Path=/; HttpOnly"];
    vec![
        ("get", get),
        (
            "post a form",
            seen("POST", 11, "application/x-www-form-urlencoded", sized("11")),
        ),
        (
            "post json",
            seen("POST", 16, "application/json", sized("16")),
        ),
        ("post nothing", seen("POST", 0, "", sized("0"))),
        ("put", seen("PUT", 3, "", sized("3"))),
        ("delete", seen("DELETE", 0, "", sized("0"))),
        ("patch", seen("PATCH", 5, "", sized("5"))),
        ("options", seen("OPTIONS", 0, "", sized("0"))),
        ("head", json!([200, "1000", 0])),
        (
            "file upload",
            json!([200, "multipart/form-data", [true, true, true]]),
        ),
        (
            "file as the body",
            json!([70_000, sha256(&pattern(70_000))]),
        ),
        ("chunked head", chunked_head),
        ("chunked body", json!([70_006, sha256(&pieces)])),
        ("stream", json!([300_000, true, 20, "piece 19", true])),
        (
            "redirects",
            json!([
                [[301], "GET", "/get?after", 0],
                [[302], "GET", "/get?after", 0],
                [[303], "GET", "/get?after", 0],
                [[307], "POST", "/get?after", 4],
                [[308], "POST", "/get?after", 4],
                [302, "/get", true],
            ]),
        ),
        (
            "cookies",
            json!([
                cookie_lines,
                [["first", "1"], ["second", "2"]],
                ["first=1", "second=2"]
            ]),
        ),
        ("gzip", json!(["gzip", "GET"])),
        (
            "status 404",
            json!([404, false, "status 404\n", "HTTPError"]),
        ),
        (
            "status 500",
            json!([500, false, "status 500\n", "HTTPError"]),
        ),
        ("status 204", json!([204, true, ""])),
        ("basic auth", json!([401, 200, "welcome\n"])),
        ("all bytes", json!(true)),
    ]
}

#[tokio::test]
async fn a_session_keeps_one_connection_for_fifty_requests() {
    let servers = Servers::start().await;
    for server in [&servers.http, &servers.https, &servers.http2] {
        let origin = server.origin();
        let sandbox = Sandbox::builder()
            .allow(origin.as_str())
            .arg(origin.as_str())
            .arg("50")
            .with_package("requests")
            .trust_ca_pem(servers.ca.root_pem())
            .build()
            .await
            .expect("a sandbox");
        let (report, _) = run(&sandbox, "requests_session.py").await;
        assert_eq!(
            report.result("session"),
            &json!([50, "the last"]),
            "{origin}"
        );
        assert_eq!(server.connections(), 1, "{origin}");
        assert_eq!(server.requests().len(), 51, "{origin}");
    }
}

#[tokio::test]
async fn the_ports_of_http_and_https_need_not_be_named() {
    let ca = TestCa::new("sandbox-net tests");
    let leaf = ca.loopback_leaf();
    let http = HttpServer::plain_at(loopback(80)).await;
    let https = HttpServer::tls_at(loopback(443), &leaf, Alpn::Http1).await;
    let (Ok(http), Ok(https)) = (http, https) else {
        skip_always("ports 80 and 443 of loopback are taken or need a privilege");
        return;
    };
    for (server, origin) in [(&http, "http://127.0.0.1"), (&https, "https://localhost")] {
        let report = sandboxed("urllib_client.py", origin, &ca).await;
        assert_eq!(report.result("get")["status"], 200, "{origin}");
        let host = origin.split_once("://").expect("a scheme").1;
        let sent = server.requests_for("/get")[0]
            .header("host")
            .map(str::to_owned);
        assert_eq!(sent.as_deref(), Some(host));
    }
}

#[tokio::test]
async fn pandas_reads_a_table_by_its_url() {
    let servers = Servers::start().await;
    let sandbox = Sandbox::builder()
        .allow(servers.http.origin())
        .allow(servers.https.origin())
        .arg(servers.http.origin() + "/csv")
        .arg(servers.https.origin() + "/csv")
        .trust_ca_pem(servers.ca.root_pem())
        .build()
        .await
        .expect("a sandbox");
    let (report, _) = run(&sandbox, "read_csv.py").await;
    assert_eq!(report.result("table 0"), &json!(6));
    assert_eq!(report.result("table 1"), &json!(6));
}

#[tokio::test]
async fn answers_in_unusual_forms_arrive_as_natively() {
    let servers = Servers::start().await;
    let origin = servers.raw.origin();
    let inside = sandboxed("framing.py", &origin, &servers.ca).await;
    let heads = servers.raw.heads();
    assert_same(&inside, &native("framing.py", &origin, &servers.ca).await);

    let head = heads.first().expect("a request");
    let shown = String::from_utf8_lossy(head);
    assert_eq!(
        shown.to_ascii_lowercase().matches("\r\nhost: ").count(),
        1,
        "{shown}"
    );
    let field = b"X-MiXed: caf\xe9\r\n";
    assert!(
        head.windows(field.len()).any(|part| part == field),
        "spelling and bytes: {shown}"
    );
}
