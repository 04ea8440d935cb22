//! Servers that fail: Python raises the same as natively, and continues.

#[path = "failures/certificates.rs"]
mod certificates;
#[path = "failures/chains.rs"]
mod chains;
#[path = "failures/weak.rs"]
mod weak;

use std::time::Duration;

use sandbox_net::Sandbox;
use sandbox_net_tests::{
    Alpn, DnsAnswer, HttpServer, Native, Report, Servers, TestCa, Validity, run,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Where CPython takes half an answer for a whole one, the sandbox raises an error; or it does the
/// same if the missing part is in the body, where only CPython's own code could know.
const TRUNCATED_NATIVELY: [(&str, bool); 1] = [("half read", true)];

/// Where the sandbox gives the program the body's bytes without the peer's chunks, so that numbers
/// in the exception's text differ.
const CHUNKED: [&str; 3] = ["/short-chunked", "/short-chunk", "/bad-chunk"];

/// A loopback port where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port");
    let address = listener.local_addr().expect("a bound address");
    format!("http://{address}")
}

/// Checks that `case` has the same outcome in both: the result, or type, error number and text of the
/// outermost exception and the types of those inside it.
fn assert_same(case: &str, inside: &Report, outside: &Report) {
    let (ours, theirs) = (inside.case(case), outside.case(case));
    let parts = |line: &Value, name: &str| line["errors"][0][name].clone();
    let message = format!("{case}\nsandbox: {ours:#}\nnative: {theirs:#}");
    assert_eq!(ours.get("result"), theirs.get("result"), "{message}");
    let in_chunks = CHUNKED.iter().any(|path| case.ends_with(path));
    for part in ["type", "errno", "text"] {
        if !(part == "text" && in_chunks) {
            assert_eq!(
                parts(ours, part),
                parts(theirs, part),
                "{part} of {message}"
            );
        }
    }
    let reason = |line: &Value| line["errors"][1]["type"].clone();
    if parts(theirs, "type") == "urllib.error.URLError" {
        assert_eq!(reason(ours), reason(theirs), "{message}");
    }
}

/// Checks that `case` raised an exception of HTTP or of the operating system.
fn assert_broken(report: &Report, case: &str) {
    let error = &report.errors(case)[0];
    let bases = error["bases"].as_array().expect("base classes");
    let known = ["HTTPException", "OSError"].map(Value::from);
    assert!(
        known.iter().any(|base| bases.contains(base)),
        "{case}: {error}"
    );
}

#[tokio::test]
async fn broken_servers_raise_what_they_raise_natively() {
    let servers = Servers::start().await;
    let nobody = nobody().await;
    let arguments = [servers.raw.origin(), nobody.clone()];
    let sandbox = Sandbox::builder()
        .allow(servers.raw.origin())
        .allow(nobody)
        .arg(arguments[0].as_str())
        .arg(arguments[1].as_str())
        .build()
        .await
        .expect("a sandbox");
    let (inside, _) = run(&sandbox, "failures.py").await;
    let outside = Native::new("failures.py", &arguments).run().await;

    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        let truncated = TRUNCATED_NATIVELY
            .iter()
            .find(|(end, _)| case.ends_with(end));
        match truncated {
            _ if case.contains(" after ") => {
                assert_eq!(inside.result(case), &json!([200, "fine\n"]), "{case}");
            }
            Some((_, true)) if inside.case(case) == line => {}
            Some(_) => assert_broken(&inside, case),
            None => assert_same(case, &inside, &outside),
        }
    }
    assert_eq!(inside.lines.len(), outside.lines.len());
}

#[tokio::test]
async fn endless_informational_responses_end_in_an_exception() {
    let servers = Servers::start().await;
    let sandbox = Sandbox::builder()
        .allow(servers.raw.origin())
        .arg(servers.raw.origin())
        .time_limit(Duration::from_secs(60))
        .build()
        .await
        .expect("a sandbox");
    let (report, _) = run(&sandbox, "endless_informational.py").await;
    assert!(!report.errors("endless").is_empty());
    assert_eq!(report.result("after it"), &json!([200, "fine\n"]));
}

#[tokio::test]
async fn certificates_are_judged_as_natively() {
    let servers = Servers::start().await;
    let ca = &servers.ca;
    let localhost = ["localhost"];
    let stranger = TestCa::new("a stranger");
    let leaves = [
        ("expired", ca.leaf(&localhost, Validity::Expired)),
        ("not yet valid", ca.leaf(&localhost, Validity::Future)),
        ("another name", ca.leaf(&["other.test"], Validity::Current)),
        ("unknown root", stranger.loopback_leaf()),
    ];
    let mut sandbox = Sandbox::builder().trust_ca_pem(ca.root_pem());
    let mut arguments = vec![format!("good={}", servers.https.origin_as("localhost"))];
    arguments.push(format!("good by address={}", servers.https.origin()));
    let mut running = Vec::new();
    for (case, leaf) in &leaves {
        let server = HttpServer::tls(leaf, Alpn::Http1).await;
        arguments.push(format!("{case}={}", server.origin_as("localhost")));
        running.push(server);
    }
    arguments.push(format!(
        "no tls={}",
        servers.http.origin().replace("http:", "https:")
    ));
    for argument in &arguments {
        let url = argument.split_once('=').expect("name=URL").1;
        sandbox = sandbox.allow(url).arg(argument.as_str());
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (inside, _) = run(&sandbox, "tls.py").await;
    let root = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(root.path(), ca.root_pem()).expect("a temporary file");
    let outside = Native::new("tls.py", &arguments)
        .trust(root.path())
        .run()
        .await;

    for case in ["good", "good by address"] {
        assert_eq!(inside.result(case), &json!(true));
    }
    assert_eq!(inside.result("session"), outside.result("session"));
    let versions = json!(["TLSv1.2", "TLSv1.3", "TLSv1.2"]);
    for report in [&inside, &outside] {
        assert_eq!(report.result("pinned"), &versions);
    }
    for (case, _) in &leaves {
        let kind = "ssl.SSLCertVerificationError";
        let (ours, theirs) = (inside.error(case, kind), outside.error(case, kind));
        for part in ["verify_code", "verify_message"] {
            assert_eq!(ours[part], theirs[part], "{part} of {case}");
        }
        assert_eq!(
            inside.errors(case)[0]["type"],
            outside.errors(case)[0]["type"]
        );
    }
    let bases = &inside.errors("no tls")[1]["type"];
    assert_eq!(bases, "ssl.SSLError");
    for server in running {
        assert!(
            server.requests().is_empty(),
            "nothing was sent to {}",
            server.origin()
        );
    }
}

#[tokio::test]
async fn names_that_do_not_resolve_raise_gaierror() {
    let servers = Servers::start().await;
    servers.dns.set("broken.test", DnsAnswer::ServerFailure);
    servers.dns.set("shy.test", DnsAnswer::Refused);
    let urls = [
        "http://missing.test",
        "http://broken.test",
        "http://shy.test",
    ];
    let mut sandbox = Sandbox::builder().dns_servers([servers.dns.address()]);
    for url in urls {
        // The program uses port 80 in both of its ways.
        sandbox = sandbox.allow(url).arg(url);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (report, _) = run(&sandbox, "names.py").await;
    for (name, errno) in [
        ("missing.test", "EAI_NONAME"),
        ("broken.test", "EAI_AGAIN"),
        ("shy.test", "EAI_FAIL"),
    ] {
        for client in ["urllib", "connect"] {
            let error = report.error(&format!("{client} {name}"), "socket.gaierror");
            assert_eq!(error["errno"], errno, "{client} {name}: {error}");
        }
    }
    let questions = servers.dns.questions().await;
    for name in ["missing.test", "broken.test", "shy.test"] {
        assert!(
            questions.iter().any(|question| question.name == name),
            "{name} was asked for"
        );
    }
}
