//! Requests that are refused: each with a status, a word and a text, and nothing left.

use serde_json::json;

use crate::client::{ask, send};
use crate::{ACME, start};

/// A request, and what refuses it.
struct Row {
    what: &'static str,
    call: (&'static str, &'static str),
    token: Option<&'static str>,
    body: String,
    status: u16,
    code: &'static str,
    text: &'static str,
}

fn row(
    what: &'static str,
    body: serde_json::Value,
    status: u16,
    code: &'static str,
    text: &'static str,
) -> Row {
    Row {
        what,
        call: ("POST", "/v1/run"),
        token: Some(ACME),
        body: body.to_string(),
        status,
        code,
        text,
    }
}

fn rows() -> Vec<Row> {
    let good = json!({"code": "print('it ran')"});
    let with = |key: &str, value: serde_json::Value| {
        let mut request = good.clone();
        request[key] = value;
        request
    };
    let token = |what, token| Row {
        token,
        ..row(
            what,
            good.clone(),
            401,
            "unknown-token",
            "authorization: Bearer",
        )
    };
    let call = |what, call, status, code, text| Row {
        call,
        ..row(what, good.clone(), status, code, text)
    };
    vec![
        token("no token", None),
        token("another token", Some("token-of-nobody-0123456789")),
        token("an empty token", Some("")),
        token(
            "a token with one letter more",
            Some("token-of-acme-01234567890"),
        ),
        call(
            "another path",
            ("POST", "/v2/run"),
            404,
            "no-route",
            "no such call",
        ),
        call(
            "another method",
            ("PUT", "/v1/run"),
            405,
            "method",
            "another method",
        ),
        row(
            "an unknown key",
            with("timeout", json!(5)),
            400,
            "body",
            "unknown field `timeout`",
        ),
        row(
            "an unknown limit",
            with("limits", json!({"time": 5})),
            400,
            "body",
            "unknown field `time`",
        ),
        row("no program", json!({}), 400, "body", "missing field `code`"),
        Row {
            body: "{".to_owned(),
            ..row(
                "a body that is cut",
                json!(0),
                400,
                "body",
                "EOF while parsing",
            )
        },
        row(
            "files without base64",
            with("files", json!({"/home/x": {"base64": "?"}})),
            400,
            "base64",
            "/home/x",
        ),
        row(
            "a relative path",
            with("files", json!({"x": "y"})),
            400,
            "file",
            "absolute",
        ),
        row(
            "a path that leads out",
            with("files", json!({"/home/../../x": "y"})),
            400,
            "file",
            "`..`",
        ),
        row(
            "more files than the disk holds",
            with("files", json!({"/home/x": "y".repeat(2 << 20)})),
            413,
            "files",
            "1048576 bytes",
        ),
        row(
            "no time",
            with("limits", json!({"seconds": 0})),
            400,
            "limit",
            "zero",
        ),
        row(
            "a time before the beginning",
            with("limits", json!({"seconds": -1})),
            400,
            "limit",
            "negative",
        ),
        row(
            "too little memory",
            with("limits", json!({"memory": 1000})),
            400,
            "setting",
            "memory",
        ),
        row(
            "a variable without a name",
            with("environment", json!({"": "x"})),
            400,
            "setting",
            "variable",
        ),
        row(
            "an argument with a NUL",
            with("arguments", json!(["a\0b"])),
            400,
            "setting",
            "NUL",
        ),
        row(
            "a rule that is none",
            with("policy", json!({"allow": ["*.com"]})),
            400,
            "policy",
            "*.com",
        ),
        row(
            "a policy that widens",
            with("policy", json!({"allow": ["https://evil.test"]})),
            403,
            "policy-widens",
            "'https://evil.test' of 'allow'",
        ),
        row(
            "a policy that widens by its path",
            with(
                "policy",
                json!({"allow": ["GET https://api.test/v1/**", "GET https://api.test/**"]}),
            ),
            403,
            "policy-widens",
            "'GET https://api.test/**' of 'allow'",
        ),
        row(
            "a mode",
            with("policy", json!({"mode": "report"})),
            400,
            "body",
            "unknown field `mode`",
        ),
        row(
            "a secret",
            with("policy", json!({"secret": []})),
            400,
            "body",
            "unknown field `secret`",
        ),
        Row {
            body: format!("{{\"code\": \"{}\"}}", "x".repeat(4 << 20)),
            ..row(
                "a body that is too long",
                json!(0),
                413,
                "body-too-long",
                "send less",
            )
        },
        call(
            "a session that never was",
            ("POST", "/v1/sessions/a.0/turns"),
            404,
            "no-session",
            "no such session",
        ),
        call(
            "a session without an instance",
            ("POST", "/v1/sessions/0/turns"),
            404,
            "no-session",
            "no such",
        ),
        call(
            "a session of another instance",
            ("POST", "/v1/sessions/b.0/turns"),
            421,
            "other-instance",
            "'b'",
        ),
        call(
            "the end of another's session",
            ("DELETE", "/v1/sessions/b.0"),
            421,
            "other-instance",
            "'b'",
        ),
        call(
            "an interrupt of nothing",
            ("POST", "/v1/sessions/a.0/interrupt"),
            404,
            "no-session",
            "no such",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_with_a_status_a_word_and_a_text() {
    let settings = "[programs]\nallow = [\"GET https://api.test/v1/**\"]";
    let running = start(settings, "disk = \"1MiB\"").await;
    for row in rows() {
        let (method, path) = row.call;
        let answer = ask(running.address(), method, path, row.token, &row.body).await;
        let what = row.what;
        assert_eq!(answer.status, row.status, "{what}: {}", answer.body);
        let json = answer.json();
        assert_eq!(json["code"].as_str(), Some(row.code), "{what}: {json}");
        let text = json["error"].as_str().expect("a text");
        assert!(text.contains(row.text), "{what}: {text}");
        if row.status == 421 {
            assert_eq!(answer.field("sandbox-net-instance"), Some("b"), "{what}");
        }
    }
    running.is_as_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_refused_when_it_is_too_long() {
    let running = start("[server]\nbody = \"64KiB\"\nbodies = \"256KiB\"", "").await;
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let request = format!(
        "POST /v1/run HTTP/1.1\r\nhost: t\r\nconnection: close\r\nauthorization: Bearer {ACME}\r\n\
         transfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(9)
    );
    let answer = send(running.address(), &request).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (413, Some("body-too-long"))
    );
    running.is_as_new().await;
}
