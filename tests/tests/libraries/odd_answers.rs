//! Libraries see answers whose heads the host cannot frame as they do natively.

use sandbox_net_tests::{ODD_ANSWERS, OddServer, native_python, run, run_natively};
use serde_json::{Value, json};

use crate::world::World;

/// The sandbox's result if it differs, which here only two versions of CPython do.
const DIFFERENT: [(&str, &str); 1] = [("http.client: /length-huge", "http.client.IncompleteRead")];

fn paths(stay: bool) -> String {
    let paths = ODD_ANSWERS.iter().filter(|answer| answer.stays == stay);
    paths.map(|it| it.path).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn odd_answers_reach_the_libraries_as_natively_and_their_connections_carry_nothing_else() {
    let Some(python) = native_python().await else {
        return;
    };
    let world = World::start().await;
    // A server for each, because both run at the same time: much of it waits.
    let (odd, odd_natively) = (OddServer::start().await, OddServer::start().await);
    let program = "libraries/with_odd_answers.py";
    let paths = [false, true].map(paths);
    let paths = [format!("ends={}", paths[0]), format!("stays={}", paths[1])];
    let mut outside = vec![format!("odd={}", odd_natively.origin())];
    outside.extend(paths.clone());
    let mut sandbox = world.sandbox(&[("odd", odd.origin())]);
    for argument in paths {
        sandbox = sandbox.arg(argument);
    }
    let sandbox = sandbox.build().await.expect("a sandbox");
    let outside = run_natively(python, &world.ca, program, outside);
    let (outside, (inside, _)) = tokio::join!(outside, run(&sandbox, program));

    let mut faults = Vec::new();
    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        let ours = inside.case(case);
        if let Some((_, expected)) = DIFFERENT.iter().find(|(it, _)| *it == case) {
            let found = [&ours["result"][0], &ours["errors"][0]["type"]].map(Value::to_string);
            assert!(
                found.iter().any(|it| it.trim_matches('"') == *expected),
                "{ours}"
            );
        } else if outcome(ours, &odd.origin()) != outcome(line, &odd_natively.origin()) {
            faults.push(format!("sandbox: {ours}\n native: {line}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(inside.lines.len(), outside.lines.len());
    assert_kept_apart(&odd.connections());
}

/// Checks that a connection with an answer that the host could not frame was not reused, and that
/// ordinary ones were.
fn assert_kept_apart(connections: &[Vec<String>]) {
    let is_odd = |path: &&String| path.starts_with("/kept");
    for paths in connections {
        assert!(
            paths.len() == 1 || !paths.iter().any(|path| is_odd(&path)),
            "{paths:?}"
        );
    }
    let count = |paths: &[&str]| connections.iter().filter(|it| it == &paths).count();
    let odd = connections.iter().flatten().filter(is_odd).count();
    let all = ODD_ANSWERS.iter().filter(|it| it.path.starts_with("/kept"));
    assert_eq!(odd, 4 * all.count());
    assert_eq!(count(&["/fine", "/fine"]), odd);
    assert_eq!(count(&["/fine", "/fine", "/fine"]), 4);
}

/// The result, or type and text of the exception that the program saw, whatever the server's port is.
fn outcome(line: &Value, origin: &str) -> String {
    let outcome = match line.get("result") {
        Some(result) => json!({ "result": result }),
        None => json!({ "raises": [line["errors"][0]["type"], line["errors"][0]["text"]] }),
    };
    let port = origin.rsplit(':').next().unwrap_or_default();
    outcome.to_string().replace(port, "PORT")
}
