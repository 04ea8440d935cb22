//! Answers whose heads the host can't frame are for the libraries what they are natively.

use sandbox_net_tests::{ODD_ANSWERS, OddServer, native_python, run, run_natively};
use serde_json::{Value, json};

use crate::world::World;

const CLIENTS: [&str; 4] = ["http.client", "requests", "httpx", "aiohttp"];

fn paths(stay: bool) -> String {
    let paths = ODD_ANSWERS.iter().filter(|answer| answer.stays == stay);
    paths.map(|it| it.path).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn odd_answers_reach_the_libraries_as_natively_and_their_connections_carry_nothing_else() {
    let Some(python) = native_python().await else {
        return;
    };
    let (world, odd) = (World::start().await, OddServer::start().await);
    let program = "libraries/with_odd_answers.py";
    let arguments = [
        ("odd", odd.origin()),
        ("ends", paths(false)),
        ("stays", paths(true)),
    ];
    let outside = arguments.iter().map(|(name, it)| format!("{name}={it}"));
    let outside = run_natively(python, &world.ca, program, outside).await;
    let natively = odd.connections();
    let mut sandbox = world.sandbox(&arguments[..1]);
    for (name, paths) in &arguments[1..] {
        sandbox = sandbox.arg(format!("{name}={paths}"));
    }
    let (inside, _) = run(&sandbox.build().await.expect("a sandbox"), program).await;
    let connections = &odd.connections()[natively.len()..];

    let mut faults = Vec::new();
    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        let ours = inside.case(case);
        if outcome(ours) != outcome(line) {
            faults.push(format!("sandbox: {ours}\n native: {line}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(inside.lines.len(), outside.lines.len());
}

/// The result, or the type and the text of the exception that the program saw.
fn outcome(line: &Value) -> Value {
    match line.get("result") {
        Some(result) => json!({ "result": result }),
        None => json!({ "raises": [line["errors"][0]["type"], line["errors"][0]["text"]] }),
    }
}
