//! A used-up budget is reported with its key and its value: to the program, in the records, in the
//! log, with `--json` and without.

use std::fs;

use serde_json::{Value, json};

use super::{http_server, run, text};

/// What a program does to use a budget up, with the key, the value, and the name in the interface.
const BUDGETS: [(&str, u64, &str, &str); 12] = [
    ("requests", 1, "requests", "get(); get()"),
    (
        "requests_per_second",
        1,
        "request-rate",
        "while True: get()",
    ),
    (
        "connections",
        1,
        "connections",
        "held = [connect(), connect()]",
    ),
    ("bytes_up", 2000, "bytes-up", "get('x' * 4000)"),
    ("bytes_down", 30, "bytes-down", "get()"),
    ("response_head", 20, "response-head-size", "get()"),
    ("hosts", 1, "hosts", "connect(); connect('localhost')"),
    ("seconds", 1, "time", "get(); time.sleep(1.2); get()"),
    (
        "host_memory",
        200_000,
        "host-memory",
        "held = [connect() for _ in range(1000)]",
    ),
    (
        "lookups",
        0,
        "lookups",
        "socket.getaddrinfo('name.test', 80)",
    ),
    (
        "connections_per_second",
        1,
        "connection-rate",
        "while True: connect().close()",
    ),
    ("denials", 1, "denials", "denied(); get()"),
];

/// Does it, and prints what the program sees.
const PROGRAM: &str = "
import socket, time, urllib.request

def connect(host='127.0.0.1', port=PORT):
    return socket.create_connection((host, port))

def get(path=''):
    return urllib.request.urlopen('http://127.0.0.1:PORT/' + path).read()

def denied():
    try:
        connect('denied.test', 80)
    except PermissionError:
        pass

try:
    WORK
except OSError as error:
    error = getattr(error, 'reason', error)
    print(error.limit, error.limit_value, error.strerror, sep='|')
";

/// The records of a list that name a budget.
fn told(list: &Value) -> impl Iterator<Item = &Value> {
    let records = list.as_array().into_iter().flatten();
    records
        .map(|record| &record["budget"])
        .filter(|it| !it.is_null())
}

#[test]
fn a_budget_that_is_used_up_is_reported_everywhere_with_its_key_and_its_value() {
    let port = http_server().port();
    let directory = tempfile::tempdir().expect("a directory");
    let (policy, log) = (
        directory.path().join("policy"),
        directory.path().join("log"),
    );
    let path = policy.to_str().expect("UTF-8");
    for (key, value, limit, work) in BUDGETS {
        let allow = json!([
            format!("http://127.0.0.1:{port}"),
            format!("http://localhost:{port}"),
            "name.test"
        ]);
        let document = format!("version = 1\nallow = {allow}\n[budgets]\n{key} = {value}\n[end]\n");
        fs::write(&policy, document).expect("a policy");
        let code = PROGRAM.replace("PORT", &port.to_string());
        let code = code.replace("WORK", work);
        let _ = fs::remove_file(&log);
        let log = log.to_str().expect("UTF-8");
        let output = run(&[
            "run", "--json", "--policy", path, "--audit", log, "-c", &code,
        ]);
        let object: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{key}: {error}: {}", text(&output.stderr)));

        let seen = object["stdout"].as_str().expect("text");
        let beginning =
            format!("{limit}|{value}|sandbox-net: the host's limit {limit} was reached: ");
        let at_once = ["size", "connections", "rate", "memory"];
        let how = match at_once.iter().any(|end| limit.ends_with(end)) {
            true => "reached",
            false => "used up",
        };
        let end = format!(
            ". The budget {key} = {value} is {how}; whoever runs this program can raise '{key}' in \
             the policy's [budgets]\n"
        );
        assert!(seen.starts_with(&beginning), "{key}: {object:#}");
        assert!(seen.ends_with(&end), "{key}: {seen}");

        let budget = json!({ "key": key, "value": value });
        let lists = ["decisions", "exchanges", "lookups"].map(|list| &object[list]);
        let records: Vec<_> = lists.into_iter().flat_map(told).collect();
        assert!(!records.is_empty(), "{key}: {object:#}");
        assert!(records.iter().all(|record| **record == budget), "{key}");
        let reached = &object["budgets_reached"];
        let message = format!("the budget {key} = {value} was reached, and refused something ");
        let advice = format!("raise '{key}' in the policy's [budgets]");
        let said = reached[0]["message"].as_str().unwrap_or_default();
        assert!(
            said.starts_with(&message) && said.ends_with(&advice),
            "{key}: {reached}"
        );
        assert_eq!(
            json!([reached[0]["key"], reached[0]["value"], reached[0]["times"]]),
            json!([key, value, records.len()]),
        );
        assert_eq!(reached.as_array().map(Vec::len), Some(1), "{key}");

        let lines = fs::read_to_string(log).expect("a log");
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert!(
            told(&json!(lines)).any(|it| *it == budget),
            "{key}: {lines:#?}"
        );
    }
}

#[test]
fn without_json_the_value_is_said_at_the_end_and_no_budget_where_none_was_reached() {
    let port = http_server().port();
    let rule = format!("http://127.0.0.1:{port}");
    let get = format!("import urllib.request as r\nr.urlopen('http://127.0.0.1:{port}/').read()\n");
    let directory = tempfile::tempdir().expect("a directory");
    let policy = directory.path().join("policy");
    let path = policy.to_str().expect("UTF-8");
    let document = format!("version = 1\nallow = ['{rule}']\n[budgets]\nrequests = 1\n[end]\n");
    fs::write(&policy, document).expect("a policy");
    let output = run(&["run", "--policy", path, "-c", &get.repeat(2)]);
    let said = text(&output.stderr);
    assert!(
        said.contains("The budget requests = 1 is used up"),
        "{said}"
    );
    let sentence = "the budget requests = 1 was reached, and refused something once";
    assert!(said.contains(sentence), "{said}");

    let output = run(&["run", "--json", "--policy", path, "-c", &get]);
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(object["budgets_reached"], json!([]));
    assert!(!object.to_string().contains("\"budget\""), "{object:#}");
}
