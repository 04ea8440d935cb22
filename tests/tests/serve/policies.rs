//! A tenant narrows the server's policy, a request narrows its tenant's, and nobody widens.

use sandbox_net_serve::Config;
use sandbox_net_tests::{Forbidden, HttpServer};
use serde_json::{Value, json};

use crate::client::ask;
use crate::{ACME, BETA, Running, start};

/// Fetches each URL, and prints its status or `denied`.
const FETCH: &str = "import sys, urllib.error, urllib.request\n\
    for url in sys.argv[1:]:\n\
    \x20   try:\n\
    \x20       print(urllib.request.urlopen(url, timeout=10).status)\n\
    \x20   except OSError as error:\n\
    \x20       print('denied' if 'sandbox-net denied' in str(error) else error)\n";

async fn fetched(running: &Running, token: &str, urls: &[String], policy: Option<Value>) -> String {
    let mut request = json!({"code": FETCH, "arguments": urls});
    if let Some(policy) = policy {
        request["policy"] = policy;
    }
    let body = request.to_string();
    let answer = ask(running.address(), "POST", "/v1/run", Some(token), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.printed("stdout").replace('\n', " ")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_allows_less_and_what_it_denies_gets_no_connection() {
    let (server, other) = (HttpServer::plain().await, HttpServer::plain().await);
    let forbidden = Forbidden::start().await;
    let (own, second) = (server.address(), other.address());
    let settings = format!(
        "[programs]\nallow = [\"http://127.0.0.1:{}\", \"http://127.0.0.1:{}\"]",
        own.port(),
        second.port()
    );
    let acme = format!("allow = [\"http://127.0.0.1:{}\"]", own.port());
    let running = start(&settings, &acme).await;
    let urls = [
        format!("http://{own}/get"),
        format!("http://{second}/get"),
        format!("http://{}/get", forbidden.address()),
    ];
    assert_eq!(
        fetched(&running, BETA, &urls, None).await,
        "200 200 denied "
    );
    assert_eq!(other.connections(), 1);
    assert_eq!(
        fetched(&running, ACME, &urls, None).await,
        "200 denied denied "
    );
    let path = json!({"allow": [format!("GET http://{own}/get")]});
    let urls = [format!("http://{own}/get"), format!("http://{own}/bytes/3")];
    assert_eq!(
        fetched(&running, ACME, &urls, Some(path)).await,
        "200 denied "
    );
    let denies =
        json!({"allow": [format!("http://{own}")], "deny": [format!("http://{own}/bytes/**")]});
    assert_eq!(
        fetched(&running, ACME, &urls, Some(denies)).await,
        "200 denied "
    );
    let nothing = json!({});
    assert_eq!(
        fetched(&running, ACME, &urls, Some(nothing)).await,
        "denied denied "
    );
    // The control: the same program without a policy of its own.
    assert_eq!(fetched(&running, ACME, &urls, None).await, "200 200 ");
    assert_eq!((other.connections(), forbidden.connections().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_of_tenant_and_request_count_for_one_program() {
    let server = HttpServer::plain().await;
    let settings = format!("[programs]\nallow = [\"http://{}\"]", server.address());
    let running = start(&settings, "requests = 3").await;
    let urls: Vec<_> = (0..4)
        .map(|n| format!("http://{}/bytes/{n}", server.address()))
        .collect();
    let code = "import sys, urllib.request\nfor url in sys.argv[1:]:\n    urllib.request.urlopen(url)\n    print(1)";
    let budget = |requests: u64| {
        let allow = [format!("http://{}", server.address())];
        json!({"allow": allow, "budgets": {"requests": requests}})
    };
    let rows = [
        (json!({}), "1\n1\n1\n"),
        (json!({"limits": {"requests": 1}}), "1\n"),
        (json!({"policy": budget(2)}), "1\n1\n"),
        (json!({"policy": budget(100)}), "1\n1\n1\n"),
    ];
    for (more, printed) in rows {
        let mut request = json!({"code": code, "arguments": urls});
        for (key, value) in more.as_object().expect("an object") {
            request[key] = value.clone();
        }
        let answer = running.run(request).await;
        assert_eq!(answer.printed("stdout"), printed, "{more}: {}", answer.body);
        assert_ne!(answer.end()["exit_code"], 0, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_every_decision_with_the_tenants_name() {
    let server = HttpServer::plain().await;
    let settings = format!(
        "[programs]\nallow = [\"http://{}\"]\n[audit]\nfile = \"audit.jsonl\"",
        server.address()
    );
    let running = start(&settings, "").await;
    let urls = [
        format!("http://{}/get?q=1", server.address()),
        "http://evil.test/".to_owned(),
    ];
    assert_eq!(fetched(&running, ACME, &urls, None).await, "200 denied ");
    let name = running.run(json!({"code": ""})).await;
    assert!(name.field("sandbox-net-sandbox").is_some());
    let log = std::fs::read_to_string(running.directory.path().join("audit.jsonl")).expect("a log");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(lines.iter().all(|line| {
        line["sandbox"]
            .as_str()
            .is_some_and(|name| name.starts_with("acme/"))
    }));
    let denied = lines
        .iter()
        .filter(|line| line["type"] == "decision" && line["verdict"] == "deny");
    assert_eq!(
        denied
            .map(|line| line["target"].as_str())
            .collect::<Vec<_>>(),
        [Some("evil.test:80")]
    );
    assert!(!log.contains("q=1"), "{log}");
}

#[test]
fn a_configuration_that_could_not_be_enforced_is_refused_with_key_and_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("token", ACME);
    write("short", "guess");
    write(
        "secrets.toml",
        "version = 1\nallow = [\"https://a.test\"]\n[[secret]]\nname = \"k\"\nrule = \"https://a.test\"\nheaders = [\"authorization\"]\nsource = { env = \"K\" }\n[end]\n",
    );
    write(
        "tunnel.toml",
        "version = 1\ntunnel = [\"db.test:5432\"]\n[end]\n",
    );
    write("cut.toml", "version = 1\n");
    let tenant = "[[tenant]]\nname = \"a\"\ntokens = [{ file = \"token\" }]\n";
    let digest = "0".repeat(64);
    let rows = [
        ("no tenant", "version = 1\n".to_owned(), "no [[tenant]]"),
        ("no version", tenant.to_owned(), "missing field `version`"),
        (
            "another version",
            format!("version = 2\n{tenant}"),
            "write version = 1",
        ),
        (
            "an unknown table",
            format!("version = 1\n[serve]\n{tenant}"),
            "unknown field `serve`",
        ),
        (
            "an unknown key",
            format!("version = 1\n[server]\nport = 1\n{tenant}"),
            "unknown field `port`",
        ),
        (
            "a number as a time",
            format!("version = 1\n[programs]\ntime = 5\n{tenant}"),
            "expected a string",
        ),
        (
            "a time without a unit",
            format!("version = 1\n[programs]\ntime = \"5\"\n{tenant}"),
            "'30s'",
        ),
        (
            "a size that is none",
            format!("version = 1\n[programs]\nmemory = \"much\"\n{tenant}"),
            "'256MiB'",
        ),
        (
            "no time at all",
            format!("version = 1\n[programs]\ntime = \"0s\"\n{tenant}"),
            "programs: time is zero",
        ),
        (
            "an instance with a dot",
            format!("version = 1\n[server]\ninstance = \"a.b\"\n{tenant}"),
            "instance",
        ),
        (
            "bodies smaller than one",
            format!("version = 1\n[server]\nbodies = \"1KiB\"\n{tenant}"),
            "bodies",
        ),
        (
            "two logs",
            format!("version = 1\n[audit]\nfile = \"x\"\nstdout = true\n{tenant}"),
            "one place",
        ),
        (
            "a collector that is none",
            format!("version = 1\n[telemetry]\ntraces = \"collector\"\n{tenant}"),
            "telemetry: traces: 'collector' is no address",
        ),
        (
            "a collector with a path that is added to each",
            format!("version = 1\n[audit]\nlogs = \"http://collector/v1/logs\"\n{tenant}"),
            "without a path",
        ),
        (
            "less memory than the interpreter has",
            format!("version = 1\n[programs]\nmemory = \"1KiB\"\n{tenant}"),
            "memory",
        ),
        (
            "a collector of logs that is none",
            format!("version = 1\n[audit]\nlogs = \"https://collector\"\n{tenant}"),
            "audit: logs: 'https://collector' is no address",
        ),
        (
            "a policy that is cut",
            format!("version = 1\n[programs]\npolicy = \"cut.toml\"\n{tenant}"),
            "[end]",
        ),
        (
            "secrets that all would share",
            format!("version = 1\n[programs]\npolicy = \"secrets.toml\"\n{tenant}"),
            "secrets",
        ),
        (
            "a tunnel",
            format!("version = 1\n[programs]\npolicy = \"tunnel.toml\"\n{tenant}"),
            "tunnel",
        ),
        (
            "a missing policy",
            format!("version = 1\n[programs]\npolicy = \"none.toml\"\n{tenant}"),
            "none.toml",
        ),
        (
            "a rule that is none",
            format!("version = 1\n[programs]\nallow = [\"*.com\"]\n{tenant}"),
            "'*.com'",
        ),
        (
            "no token",
            "version = 1\n[[tenant]]\nname = \"a\"\ntokens = []\n".to_owned(),
            "no tokens",
        ),
        (
            "a token in the file",
            format!("version = 1\n[[tenant]]\nname = \"a\"\ntokens = [\"{ACME}\"]\n"),
            "a token is written as",
        ),
        (
            "a short token",
            "version = 1\n[[tenant]]\nname = \"a\"\ntokens = [{ file = \"short\" }]\n".to_owned(),
            "16 characters",
        ),
        (
            "a short digest",
            "version = 1\n[[tenant]]\nname = \"a\"\ntokens = [{ sha256 = \"00\" }]\n".to_owned(),
            "64 hexadecimal",
        ),
        (
            "a missing variable",
            "version = 1\n[[tenant]]\nname = \"a\"\ntokens = [{ env = \"NO_SUCH_TOKEN\" }]\n"
                .to_owned(),
            "NO_SUCH_TOKEN",
        ),
        (
            "a name with a space",
            format!(
                "version = 1\n[[tenant]]\nname = \"a b\"\ntokens = [{{ sha256 = \"{digest}\" }}]\n"
            ),
            "a-z",
        ),
        (
            "two of a name",
            format!(
                "version = 1\n{tenant}[[tenant]]\nname = \"a\"\ntokens = [{{ sha256 = \"{digest}\" }}]\n"
            ),
            "two tenants",
        ),
        (
            "a token twice",
            format!("version = 1\n{tenant}{}", tenant.replace("\"a\"", "\"b\"")),
            "already",
        ),
        (
            "a tenant that widens",
            format!("version = 1\n{tenant}allow = [\"https://evil.test\"]\n"),
            "'https://evil.test' of 'allow'",
        ),
        (
            "a limit that would not count",
            format!("version = 1\n{tenant}memory = \"900GiB\"\n"),
            "memory is larger",
        ),
        (
            "more at once than all",
            format!("version = 1\n{tenant}running = 1000\n"),
            "running is larger",
        ),
        (
            "no run a minute",
            format!("version = 1\n{tenant}runs_per_minute = 0\n"),
            "runs_per_minute",
        ),
    ];
    for (what, text, fault) in rows {
        let error = Config::parse(&text, directory.path())
            .expect_err(what)
            .to_string();
        assert!(error.contains(fault), "{what}: {error}");
        assert!(!error.contains(ACME), "{what}: {error}");
    }
    let good = format!(
        "version = 1\n[programs]\nallow = [\"https://a.test\"]\n{tenant}allow = [\"GET https://a.test/x\"]\n"
    );
    let config = Config::parse(&good, directory.path()).expect("the control");
    assert_eq!(config.tenants().collect::<Vec<_>>(), ["a"]);
}
