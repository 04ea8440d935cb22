//! `POST /v1/run`: what a program gets, and what its client does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Streamed, ask};
use crate::{ACME, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_what_its_request_brings_and_the_last_line_is_its_end() {
    let running = start("", "").await;
    let code = "import sys, os\n\
        print(sys.argv[1:], os.environ['TASK'], sys.stdin.read())\n\
        print(open('/home/text').read(), open('/home/deep/bytes', 'rb').read())\n\
        print('wrong', file=sys.stderr)\n\
        sys.exit(7)\n";
    let answer = running
        .run(json!({
            "code": code,
            "arguments": ["--verbose"],
            "environment": {"TASK": "42"},
            "stdin": "typed",
            "files": {"/home/text": "a text", "/home/deep/bytes": {"base64": "AP8="}},
        }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let printed = "['--verbose'] 42 typed\na text b'\\x00\\xff'\n";
    assert_eq!(answer.printed("stdout"), printed);
    assert_eq!(answer.printed("stderr"), "wrong\n");
    let end = answer.end();
    assert_eq!(
        (end["ended"].as_str(), end["exit_code"].as_i64()),
        (Some("exit"), Some(7))
    );
    assert_eq!(answer.field("sandbox-net-instance"), Some("a"));
    let name = answer.field("sandbox-net-sandbox").expect("a name");
    assert!(name.starts_with("acme/fork-"), "{name}");
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_comes_while_the_program_still_runs() {
    let running = start("", "").await;
    let body = json!({"code": "print('first'); import time; time.sleep(60)"}).to_string();
    let first = "{\"stdout\":\"first";
    let stream = Streamed::until(first, running.address(), "/v1/run", &body).await;
    running.runs(1).await;
    // The client goes away, and its program with it.
    drop(stream);
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_end_a_program_and_the_last_line_names_the_limit() {
    let running = start("", "output = \"64KiB\"\nmemory = \"128MiB\"").await;
    let rows = [
        (
            "time",
            json!({"code": "while True: pass", "limits": {"seconds": 0.5}}),
            "time-limit",
        ),
        (
            "processor time",
            json!({"code": "while True: pass", "limits": {"cpu_seconds": 0.3}}),
            "cpu-limit",
        ),
        (
            "output",
            json!({"code": "while True: print('x' * 1000)"}),
            "output-limit",
        ),
        (
            "the output of the request",
            json!({"code": "print('x' * 2000)", "limits": {"output": 1000}}),
            "output-limit",
        ),
        ("memory", json!({"code": "x = b'x' * (512 << 20)"}), "exit"),
    ];
    for (what, request, ended) in rows {
        let answer = running.run(request).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        assert_eq!(
            answer.end()["ended"].as_str(),
            Some(ended),
            "{what}: {}",
            answer.body
        );
        if what == "memory" {
            assert!(
                answer.printed("stderr").contains("MemoryError"),
                "{}",
                answer.body
            );
        }
    }
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_program_runs_as_well() {
    let running = start("", "").await;
    let code = format!("x = '{}'\nprint(len(x))", "y".repeat(200_000));
    let answer = running.run(json!({"code": code})).await;
    assert_eq!(answer.printed("stdout"), "200000\n", "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_share_no_file() {
    let running = start("", "").await;
    let code = "import os\nprint(os.path.exists('/home/mine'))\nopen('/home/mine', 'w').write('x')";
    for _ in 0..3 {
        let answer = running.run(json!({"code": code})).await;
        assert_eq!(answer.printed("stdout"), "False\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_metrics_tell_what_goes_on() {
    let running = start("", "").await;
    for (path, word) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = ask(running.address(), "GET", path, None, "").await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &Value::from(word))
        );
    }
    running.run(json!({"code": "print(1)"})).await;
    let answer = ask(running.address(), "GET", "/metrics", None, "").await;
    assert!(
        answer.head.contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    for series in [
        "# TYPE sandbox_net_serve_calls_total counter",
        "sandbox_net_serve_calls_total{route=\"/v1/run\",tenant=\"acme\",status=\"200\"} ",
        "sandbox_net_serve_programs_total{kind=\"run\",tenant=\"acme\",ended=\"exit\"} ",
        "sandbox_net_serve_answer_seconds_bucket{route=\"/v1/run\",le=\"+Inf\"} ",
        "sandbox_net_serve_queue 0",
        "sandbox_net_serve_waiting{tenant=\"beta\"} 0",
        "sandbox_net_serve_draining 0",
    ] {
        assert!(answer.body.contains(series), "{series}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_only_where_the_operator_is_if_there_is_such_a_place() {
    let running = start("[server]\nadmin = \"127.0.0.1:0\"", "").await;
    let admin = running.server.admin_address().expect("an address");
    let at = async |address, path| ask(address, "GET", path, None, "").await.status;
    assert_eq!(at(running.address(), "/metrics").await, 404);
    assert_eq!(at(admin, "/metrics").await, 200);
    assert_eq!(at(admin, "/readyz").await, 200);
    let run = ask(admin, "POST", "/v1/run", Some(ACME), "{\"code\": \"\"}").await;
    assert_eq!(run.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_wait_have_their_turn_in_the_end() {
    let running = start("", "running = 1").await;
    let ask = |number: u32| {
        let body = json!({"code": format!("import time; time.sleep(0.1); print({number})")});
        running.run(body)
    };
    let all = futures_util::future::join_all((0..6).map(ask));
    let all = tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("all");
    for (number, answer) in all.iter().enumerate() {
        assert_eq!(answer.printed("stdout"), format!("{number}\n"));
    }
}
