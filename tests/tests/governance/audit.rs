//! The audit log: a line for every decision, and one for every finished exchange.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox_net::policy::DenyReason;
use sandbox_net::{AuditLine, DecisionRecord, ExchangeRecord, Reason, Stage, Verdict};
use sandbox_net_tests::Servers;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_denied, assert_status, builder, document, fetch, get, get_with};

/// The lines of an audit file, each of which is complete.
fn lines(path: &Path) -> Vec<AuditLine> {
    let text = std::fs::read_to_string(path).expect("the audit log");
    assert!(text.is_empty() || text.ends_with('\n'));
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(line).collect()
}

/// The decisions, by the last line of each. An appended log repeats each number for each sandbox.
fn decisions(lines: &[AuditLine]) -> Vec<&DecisionRecord> {
    let mut records: Vec<&DecisionRecord> = Vec::new();
    for line in lines {
        let AuditLine::Decision(record) = line else {
            continue;
        };
        let is_same = |other: &&mut &DecisionRecord| {
            (other.sequence, &other.sandbox) == (record.sequence, &record.sandbox)
        };
        match records.iter_mut().find(is_same) {
            Some(earlier) if record.update => *earlier = record,
            earlier => {
                assert!(earlier.is_none() && !record.update, "a number comes once");
                records.push(record);
            }
        }
    }
    records
}

fn exchanges(lines: &[AuditLine]) -> Vec<&ExchangeRecord> {
    let records = lines.iter().filter_map(|line| match line {
        AuditLine::Exchange(record) => Some(record),
        _ => None,
    });
    records.collect()
}

/// The one exchange with this URL.
#[track_caller]
fn exchange<'a>(lines: &'a [AuditLine], target: &str) -> &'a ExchangeRecord {
    let mut found = exchanges(lines)
        .into_iter()
        .filter(|one| one.target == target);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no {target}: {lines:#?}"));
    assert_eq!(found.next(), None, "{target} came once");
    first
}

/// Requests of many kinds, good and bad.
fn mixed(servers: &Servers) -> Vec<Value> {
    let (http, https, http2) = (
        servers.http.origin(),
        servers.https.origin(),
        servers.http2.origin(),
    );
    let raw = servers.raw.origin();
    let mut cases = vec![
        get("urllib", http.clone() + "/get?token=1"),
        get("redirect", http.clone() + "/redirect/302?to=/csv"),
        get_with(
            "requests",
            "redirect elsewhere",
            format!("{http}/redirect/307?to={https}/sse/2"),
        ),
        get_with("requests", "not found", http.clone() + "/nothing"),
        get_with("requests", "http2", http2 + "/bytes/5"),
        get_with("http.client", "large", https + "/bytes/100000"),
        json!({ "case": "upload", "url": http.clone() + "/upload", "bytes": 70_000 }),
        get("reset", raw.clone() + "/reset"),
        get("cut", raw.clone() + "/short-body"),
        get("garbage", raw + "/garbage"),
        get("denied", servers.forbidden.origin() + "/denied"),
        get_with("frames", "frames", http.clone() + "/all-bytes"),
    ];
    for number in 0..3 {
        cases.push(get_with(
            "requests",
            &format!("session {number}"),
            format!("{http}/status/20{number}"),
        ));
    }
    cases
}

#[tokio::test]
async fn every_request_that_a_server_got_is_an_exchange_and_every_exchange_a_decision() {
    let (servers, directory) = (Servers::start().await, TempDir::new().expect("a directory"));
    let path = directory.path().join("audit.jsonl");
    let origins = [
        servers.http.origin(),
        servers.https.origin(),
        servers.http2.origin(),
        servers.raw.origin(),
    ];
    let sandbox = builder()
        .policy(document(&format!("allow = {}", json!(origins))))
        .trust_ca_pem(servers.ca.root_pem())
        .name("agent-7")
        .audit_file(&path);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (_, outcome) = fetch(&sandbox, &mixed(&servers)).await;

    let lines = lines(&path);
    let got = [&servers.http, &servers.https, &servers.http2].map(|server| server.requests().len());
    let got = got.iter().sum::<usize>() + servers.raw.heads().len();
    assert_eq!(exchanges(&lines).len(), got, "{:#?}", exchanges(&lines));
    assert_eq!(got, 16);
    assert_eq!(decisions(&lines).len(), outcome.decisions.len());
    assert_eq!(exchanges(&lines).len(), outcome.exchanges.len());

    let mut seen: BTreeMap<u64, &DecisionRecord> = BTreeMap::new();
    for line in &lines {
        match line {
            AuditLine::Decision(one) => {
                assert_eq!(one.sandbox, "agent-7");
                assert!(!one.target.contains('?'), "{}", one.target);
                // Its address, once that is known.
                let before = seen.insert(one.sequence, one);
                assert_eq!(before.is_some(), one.update, "a number comes once");
                let is_same =
                    |it: &DecisionRecord| (it.stage, &it.target) == (one.stage, &one.target);
                assert!(before.is_none_or(is_same));
                assert!(!one.rule.is_empty());
                assert_eq!(one.reason.is_some(), one.verdict == Verdict::Deny);
            }
            AuditLine::Exchange(one) => {
                // Its decision is written first.
                let decision = seen.get(&one.sequence).expect("a decision");
                assert_eq!(
                    (decision.stage, decision.verdict),
                    (Stage::Request, Verdict::Allow)
                );
                assert_eq!(
                    (&decision.target, decision.method.as_ref()),
                    (&one.target, Some(&one.method))
                );
                assert!(decision.time.0 <= one.time.0 && origins.contains(&decision.rule));
            }
            AuditLine::Lookup(one) => assert_eq!(one.sandbox, "agent-7"),
            other => panic!("{other:?}"),
        }
    }
    let sequences: Vec<u64> = seen.into_keys().collect();
    assert_eq!(sequences, (0..sequences.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_exchange_is_recorded_with_all_that_is_known_of_it() {
    let (servers, directory) = (Servers::start().await, TempDir::new().expect("a directory"));
    let path = directory.path().join("audit.jsonl");
    let origins = [
        servers.http.origin(),
        servers.https.origin(),
        servers.http2.origin(),
        servers.raw.origin(),
    ];
    let [http, https, http2, raw] = &origins;
    let sandbox = builder()
        .policy(document(&format!("allow = {}", json!(origins))))
        .trust_ca_pem(servers.ca.root_pem())
        .audit_file(&path);
    let sandbox = sandbox.build().await.expect("a sandbox");
    fetch(&sandbox, &mixed(&servers)).await;
    let lines = lines(&path);

    let large = exchange(&lines, &format!("{https}/bytes/100000"));
    assert!(
        large.bytes_down >= 100_000 && large.bytes_down < 101_000,
        "{large:?}"
    );
    assert!(large.bytes_up > 50 && large.bytes_up < 1000, "{large:?}");
    assert_eq!(
        (large.status, large.tls.as_deref(), large.error.as_ref()),
        (Some(200), Some("1.3"), None)
    );
    assert_eq!(large.address, Some(servers.https.address()));
    let upload = exchange(&lines, &format!("{http}/upload"));
    assert!(
        upload.bytes_up >= 70_000 && upload.bytes_up < 71_000,
        "{upload:?}"
    );
    assert_eq!(
        (upload.method.as_str(), upload.tls.as_deref()),
        ("POST", None)
    );
    for (target, status, error) in [
        (format!("{http}/get"), Some(200), None),
        (format!("{http}/redirect/302"), Some(302), None),
        (format!("{http}/csv"), Some(200), None),
        (format!("{https}/sse/2"), Some(200), None),
        (format!("{http}/nothing"), Some(404), None),
        (format!("{http2}/bytes/5"), Some(200), None),
        (format!("{http}/all-bytes"), Some(200), None),
        (format!("{raw}/reset"), None, Some("reset")),
        (format!("{raw}/short-body"), Some(200), Some("protocol")),
        (format!("{raw}/garbage"), None, Some("protocol")),
    ] {
        let found = exchange(&lines, &target);
        assert_eq!(
            (found.status, found.error.as_deref()),
            (status, error),
            "{target}"
        );
        assert!(found.address.is_some() && found.duration_ms < 180_000 && found.secrets.is_empty());
    }
    let denied = decisions(&lines)
        .into_iter()
        .filter(|one| one.verdict == Verdict::Deny);
    let denied: Vec<_> = denied.collect();
    assert_eq!(denied.len(), 1);
    let (host, denial) = (servers.forbidden.address().to_string(), denied[0]);
    assert_eq!(
        (denial.stage, &denial.target, denial.rule.as_str()),
        (Stage::Connect, &host, "default-deny")
    );
    assert_eq!(denial.reason.map(Reason::as_str), Some("no-rule"));
    assert_eq!((denial.method.as_ref(), denial.address), (None, None));
}

#[tokio::test]
async fn queries_are_recorded_where_that_is_asked_for_and_files_are_appended_to() {
    let (servers, directory) = (Servers::start().await, TempDir::new().expect("a directory"));
    let path = directory.path().join("audit.jsonl");
    let origin = servers.http.origin();
    let url = origin.clone() + "/get?a=1&b=%0A";
    for runs in 1..=2 {
        let sandbox = builder()
            .allow(origin.as_str())
            .audit_file(&path)
            .audit_queries();
        let sandbox = sandbox.build().await.expect("a sandbox");
        fetch(&sandbox, &[get("one", url.as_str())]).await;
        let lines = lines(&path);
        let with_query: Vec<_> = exchanges(&lines)
            .into_iter()
            .filter(|one| one.target == url)
            .collect();
        assert_eq!(with_query.len(), runs);
        assert!(decisions(&lines).iter().any(|one| one.target == url));
        let names: std::collections::BTreeSet<_> =
            with_query.iter().map(|one| &one.sandbox).collect();
        assert_eq!(names.len(), runs, "unnamed sandboxes are numbered");
    }
}

#[tokio::test]
async fn what_is_no_http_is_recorded_on_one_line_without_its_query() {
    let (servers, directory) = (Servers::start().await, TempDir::new().expect("a directory"));
    let path = directory.path().join("audit.jsonl");
    let origin = servers.http.origin();
    let sandbox = builder().allow(origin.as_str()).audit_file(&path);
    let sandbox = sandbox.build().await.expect("a sandbox");
    let bad = |case: &str, path: &str, method: &str| json!({ "case": case, "client": "bad frames", "url": origin, "path": path, "method": method });
    let host = |case: &str, host: &str, port: u16| json!({ "case": case, "client": "connect frame", "host": host, "port": port });
    let cases = [
        bad("a line break", "/a\r\n{\"type\":\"decision\"}", "GET"),
        bad("a control character", "/\u{0}\u{1b}[31m\u{2028}", "GET"),
        bad("no path", "a", "GET"),
        bad("a method", "/", "GET / HTTP/1.1\n"),
        bad("a query", "/a b?token=hidden", "GET"),
        host("a host", "bad host\n{}", 80),
        host("an empty host", "", 80),
        host("a port", "127.0.0.1", 0),
        get("good", origin.clone() + "/get"),
    ];
    let (report, outcome) = fetch(&sandbox, &cases).await;
    assert_status(&report, "good", 200);
    assert_eq!(servers.http.requests().len(), 1);

    let lines = lines(&path);
    assert_eq!(decisions(&lines).len(), outcome.decisions.len());
    let malformed: Vec<_> = decisions(&lines)
        .into_iter()
        .filter(|one| one.reason.map(Reason::as_str) == Some("malformed"))
        .collect();
    assert_eq!(malformed.len(), cases.len() - 1, "{malformed:#?}");
    for one in malformed {
        assert_eq!(one.verdict, Verdict::Deny);
        let texts = format!("{}{:?}", one.target, one.method);
        assert!(
            !texts.contains(|c: char| c.is_control() || c == '\u{2028}'),
            "{texts}"
        );
        assert!(!one.target.contains("hidden"), "{}", one.target);
    }
}

#[tokio::test]
async fn in_report_mode_all_passes_but_the_addresses_of_metadata_and_is_recorded_so() {
    let servers = Servers::start().await;
    let (http, https) = (servers.http.origin(), servers.https.origin());
    let policy = format!("mode = 'report'\nallow = ['{http}']\ndeny = ['{https}/bytes/**']");
    let sandbox = builder()
        .policy(document(&policy))
        .trust_ca_pem(servers.ca.root_pem());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let cases = [
        get("allowed", http + "/get"),
        get("no rule", https.clone() + "/get"),
        get("deny rule", https.clone() + "/bytes/5"),
        get("metadata", "http://169.254.169.254/latest"),
        get("metadata in IPv6", "http://[fd00:ec2::254]/latest"),
        get("metadata within", "http://[::ffff:169.254.169.254]/latest"),
    ];
    let (report, outcome) = fetch(&sandbox, &cases).await;
    for case in ["allowed", "no rule", "deny rule"] {
        assert_status(&report, case, 200);
    }
    for case in ["metadata", "metadata in IPv6"] {
        assert_denied(&report, case, "no-rule");
    }
    report.error("metadata within", "PermissionError");
    // A reused transport's address is reported in a record of its own.
    let is_request = |one: &&DecisionRecord| {
        one.stage == Stage::Request && one.reason != Some(DenyReason::Address.into())
    };
    let requests = outcome.decisions.iter().filter(is_request);
    let found: Vec<_> = requests
        .map(|one| (one.verdict, one.reason.map(Reason::as_str)))
        .collect();
    assert_eq!(
        found,
        [
            (Verdict::Allow, None),
            (Verdict::Report, Some("no-rule")),
            (Verdict::Report, Some("deny-rule")),
        ]
    );
    assert_eq!(outcome.exchanges.len(), 3);
}
