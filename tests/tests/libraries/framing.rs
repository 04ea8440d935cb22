//! Answers in unusual forms, and broken ones, reach the libraries as natively.

use sandbox_net_tests::{RawServer, Report, native_python, outcome, run, run_natively};
use serde_json::{Value, json};

use crate::world::World;

/// If head and bad chunk arrive in one read, aiohttp reports the chunk's fault as the head's. If they
/// arrive separately it raises this, in the sandbox as natively.
const IN_TWO_READS: (&str, &str) = (
    "aiohttp: broken /bad-chunk",
    "aiohttp.client_exceptions.ClientPayloadError",
);

/// Over HTTP/2 there is only the standard reason phrase, which these servers also send over HTTP/1.1.
/// All else must be the same.
#[tokio::test]
async fn unusual_and_broken_answers_reach_the_libraries_as_natively() {
    let Some(python) = native_python().await else {
        return;
    };
    let (world, raw) = (World::start().await, RawServer::start().await);
    let mut arguments = world.arguments();
    arguments.retain(|(name, _)| name.starts_with("http"));
    arguments.insert(0, ("raw", raw.origin()));
    let program = "libraries/with_framing.py";
    let sandbox = world.sandbox(&arguments).build().await;
    let (inside, _) = run(&sandbox.expect("a sandbox"), program).await;
    let outside = arguments.iter().map(|(name, url)| format!("{name}={url}"));
    let outside = run_natively(python, &world.ca, program, outside).await;

    let mut faults = Vec::new();
    for line in &outside.lines {
        let case = line["case"].as_str().expect("a name");
        let ours = inside.case(case);
        let (case_in_two, raised) = IN_TWO_READS;
        let in_two =
            case == case_in_two && outcome(ours, COMPARED) == json!({ "raises": [raised] });
        if outcome(ours, COMPARED) != outcome(line, COMPARED) && !in_two {
            faults.push(format!("sandbox: {ours}\n native: {line}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(inside.lines.len(), outside.lines.len());
    for client in ["requests", "httpx", "aiohttp"] {
        assert_eq!(status(&inside, &format!("{client}: early answer")), 413);
        assert_eq!(status(&inside, &format!("{client}: HEAD / http2")), 200);
    }
}

fn status(report: &Report, case: &str) -> Value {
    report.result(case)[0].clone()
}

/// Without the texts of faults, which contain numbers and addresses.
const COMPARED: &[&str] = &["type"];
