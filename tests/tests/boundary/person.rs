//! A guest cannot shape what a person is shown and asked.
//!
//! Questions at the terminal are in `host/tests/terminal.rs`.

use std::process::Command;

use sandbox_net::policy::Document;
use sandbox_net::{Outcome, Sandbox};
use sandbox_net_tests::HttpServer;

/// Requests each path of `PATHS` with each method of `METHODS`, and prints the denials. The client
/// checks neither.
const PROGRAM: &str = r#"
import http.client
http.client.HTTPConnection._validate_path = lambda self, path: None
http.client.HTTPConnection._validate_method = lambda self, method: None
for method in METHODS:
    for path in PATHS:
        client = http.client.HTTPConnection("127.0.0.1", PORT)
        try:
            client.request(method, path)
            print(client.getresponse().status)
        except OSError as error:
            print(error)
"#;

async fn denials(methods: &[&str], paths: &[&str]) -> Outcome {
    let server = HttpServer::plain().await;
    let port = server.address().port();
    let sandbox = Sandbox::builder()
        .allow(format!("GET http://127.0.0.1:{port}/echo"))
        .build();
    let sandbox = sandbox.await.expect("a sandbox");
    let list = |items: &[&str]| serde_json::to_string(items).expect("JSON");
    let code = format!(
        "PORT = {port}\nMETHODS = {}\nPATHS = {}\n{PROGRAM}",
        list(methods),
        list(paths)
    );
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    outcome
}

/// The rule that a denial proposes.
fn proposed(line: &str) -> &str {
    let (_, rule) = line.split_once("add the rule '").expect("a proposal");
    rule.strip_suffix('\'').expect("the end of the line")
}

/// The word that a shell makes of a rule between single quotes.
fn pasted_into_a_shell(rule: &str) -> String {
    let command = format!("printf '%s\\n' '{rule}'");
    let output = Command::new("sh").args(["-c", &command]).output();
    let output = output.expect("a shell");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{rule}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposed_rule_is_nothing_but_a_rule_wherever_it_is_pasted() {
    let paths = [
        "/'$(echo${IFS}pwned>&2)'",
        "/x\",\"any\",\"y",
        "/v1/`id`",
        "/v1/$HOME/x",
        "/v1/a;b|c&d",
        "/v1/(a)!b",
        "/v1/a*b",
        "/v1/x/..%2f..%2fy",
    ];
    let methods = ["GET", "POST", "A'|ID|'", "`ID`", "$HOME", "A*"];
    let outcome = denials(&methods, &paths).await;
    let out = outcome.stdout_text();
    assert_eq!(out.lines().count(), methods.len() * paths.len(), "{out}");
    let mut proposals = 0;
    for line in out.lines().filter(|line| line.contains("add the rule")) {
        let rule = proposed(line);
        proposals += 1;
        assert_eq!(pasted_into_a_shell(rule), format!("{rule}\n"), "{line}");
        let text = format!("version = 1\nallow = [\"{rule}\"]\n[end]\n");
        let document = Document::parse(&text).expect(line);
        assert_eq!(document.allow.len(), 1, "{line}");
        assert_eq!(document.allow[0].to_string(), rule);
    }
    assert!(proposals >= 2 * paths.len() - 2, "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rule_for_a_plain_path_names_it() {
    let outcome = denials(&["GET"], &["/echo", "/v1/a-b_c.d~e?q='", "/v1/%41/'x"]).await;
    let out = outcome.stdout_text();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "200");
    assert!(proposed(lines[1]).ends_with("/v1/a-b_c.d~e"), "{out}");
    assert!(proposed(lines[2]).ends_with("/v1/**"), "{out}");
}
