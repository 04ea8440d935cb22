//! What a program can learn from how its own bytes come back.

use sandbox_net_tests::{Servers, run};
use serde_json::{Value, json};

use crate::secrets::Store;
use crate::{builder, document};

/// Plain characters: masking holds back at most six for each.
const VALUE: &str = "abcdefgh-0123456789-ABCDEFGH";

/// The program sends a guess in pieces, which come back as they arrive. It compares only how much
/// came back after each piece: a guess that begins right must look like any other.
#[tokio::test]
async fn what_arrives_of_a_guess_depends_only_on_lengths_and_newlines() {
    let (servers, store) = (Servers::start().await, Store::new());
    let origin = servers.http.origin();
    let keys = format!("rule = '{origin}'\nplain_http = true");
    let secret = store.secret("api-key", VALUE, &keys);
    let sandbox = builder()
        .policy(document(&format!("allow = ['{origin}']\n{secret}")))
        .arg(origin)
        .arg((6 * VALUE.len() - 1).to_string());
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (first, rest) = VALUE.split_at(9);
    // The guess in pieces, what it is, and what comes back.
    let stars = "*".repeat(VALUE.len());
    let guesses = [
        ("right", format!("{first}|{rest}"), stars),
        (
            "wrong at the end",
            format!("{first}|{}X", &rest[..18]),
            String::new(),
        ),
        (
            "wrong",
            format!("{}|{}", "z".repeat(9), "z".repeat(19)),
            String::new(),
        ),
    ];
    let text = json!(
        guesses
            .each_ref()
            .map(|(case, guess, _)| [case, guess.as_str()])
    );
    let written = sandbox
        .write_file("/home/guesses.json", text.to_string())
        .await;
    written.expect("a file in the sandbox");
    let (report, _) = run(&sandbox, "oracle.py").await;

    let arrived = |case: &str| report.result(case)["arrived"].clone();
    for (case, guess, masked) in &guesses {
        assert_eq!(arrived(case), arrived("wrong"), "{case}");
        let counts = arrived(case);
        assert!(
            counts.as_array().is_some_and(|counts| counts.len() > 5),
            "{counts}"
        );
        let text = report.result(case)["text"].as_str().expect("a text");
        let expected = match masked.is_empty() {
            true => guess.replace('|', ""),
            false => masked.clone(),
        };
        assert!(text.contains(&expected), "{case}: {text}");
    }
    assert_eq!(report.result("right")["left"], Value::from(0));
}
