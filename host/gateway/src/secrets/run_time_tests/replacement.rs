//! Values that are replaced: which is sent, and which are masked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use sandbox_net_egress::test_support::{Server, config, ok, read_request, write};
use sandbox_net_policy::{Secret, SecretAnswer, SecretSource};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::*;
use crate::gateway::Gateway;
use crate::testing::{authorized, reflecting, send};

#[tokio::test]
async fn later_requests_carry_the_new_value_and_both_are_masked() {
    let (server, mut requests) = reflecting().await;
    let (gateway, placeholder) = with_key(&server, SecretSource::value(value(0)));
    let origin = server.http();
    let bearer = format!("Bearer {placeholder}");
    let answer = authorized(&gateway, &origin, &bearer).await.unwrap();
    assert!(
        !answer.contains(&value(0)) && answer.contains("Bearer ***"),
        "{answer}"
    );
    assert_eq!(sent(&mut requests).await, format!("Bearer {}", value(0)));
    for number in 1..=5 {
        let source = SecretSource::value(value(number));
        gateway.replace_secret("key", source).unwrap();
        authorized(&gateway, &origin, &bearer).await.unwrap();
        assert_eq!(
            sent(&mut requests).await,
            format!("Bearer {}", value(number))
        );
        // Whatever the server returns of before.
        for old in 0..=number {
            let answer = authorized(&gateway, &origin, &value(old)).await.unwrap();
            // The last four and the present one are masked.
            let is_shown = old + 4 < number;
            assert_eq!(
                answer.contains(&value(old)),
                is_shown,
                "{old} after {number}"
            );
            sent(&mut requests).await;
        }
    }
    let record = gateway.audit().exchanges().pop().unwrap();
    assert!(record.secrets.is_empty());
}

#[tokio::test]
async fn a_value_that_comes_back_is_the_present_one_and_takes_no_other_ones_place() {
    let (server, mut requests) = reflecting().await;
    let (gateway, placeholder) = with_key(&server, SecretSource::value(value(0)));
    let origin = server.http();
    for number in [1, 2, 1, 2, 1, 2, 3, 4] {
        let source = SecretSource::value(value(number));
        gateway.replace_secret("key", source).unwrap();
    }
    authorized(&gateway, &origin, &placeholder).await.unwrap();
    assert_eq!(sent(&mut requests).await, value(4));
    for old in 0..=4 {
        let answer = authorized(&gateway, &origin, &value(old)).await.unwrap();
        assert!(!answer.contains(&value(old)), "{old}");
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_one_replaces_nothing() {
    let (server, mut requests) = reflecting().await;
    let (gateway, placeholder) = with_key(&server, SecretSource::value(value(0)));
    let file = |path: &str| SecretSource::File(path.into());
    for (name, source, expected) in [
        (
            "other",
            SecretSource::value(value(1)),
            "there is no secret 'other'; the policy has 'key'",
        ),
        (
            "key",
            SecretSource::value("short"),
            "cannot get the secret 'key': the value that was given: the value has fewer than 8",
        ),
        (
            "key",
            SecretSource::value("longer than eight\nbytes"),
            "the value must be printable ASCII",
        ),
        (
            "key",
            SecretSource::value("x".repeat(16 << 10) + "x"),
            "longer than 16 KiB",
        ),
        ("key", file("/no/such/file"), "cannot read /no/such/file"),
        (
            "key",
            file(""),
            "the secret 'key' can't be replaced: source: a file path",
        ),
        (
            "key",
            SecretSource::Env("A=B".into()),
            "source: a variable name",
        ),
    ] {
        let said = gateway.replace_secret(name, source).unwrap_err();
        let shown = format!("{said} {said:?}");
        assert!(shown.contains(expected), "{shown}");
        assert!(
            !shown.contains(&value(1)) && !shown.contains("than eight\nbytes"),
            "{shown}"
        );
        authorized(&gateway, &server.http(), &placeholder)
            .await
            .unwrap();
        assert_eq!(sent(&mut requests).await, value(0));
    }
    // A fork has what its parent has then, and goes its own way.
    let vault = gateway.shared.vault.fork();
    gateway
        .replace_secret("key", SecretSource::value(value(2)))
        .unwrap();
    let forked = Gateway::builder().secrets(vault);
    let forked = forked.build(gateway.policy(), config());
    authorized(&forked, &server.http(), &placeholder)
        .await
        .unwrap();
    assert_eq!(sent(&mut requests).await, value(0));
    authorized(&gateway, &server.http(), &placeholder)
        .await
        .unwrap();
    assert_eq!(sent(&mut requests).await, value(2));
}

#[tokio::test]
async fn a_vault_refuses_a_value_that_a_file_could_not_give() {
    for (value, expected) in [
        ("2small", "fewer than 8"),
        ("with a tab\t", "printable ASCII"),
    ] {
        let rule = "https://api.test".parse().unwrap();
        let secret = Secret::new("key", rule, SecretSource::value(value));
        let said = Vault::open(&[secret]).map(drop).unwrap_err().to_string();
        assert!(said.contains(expected) && !said.contains(value), "{said}");
    }
}

#[tokio::test]
async fn a_response_under_way_is_masked_for_a_value_that_comes_meanwhile() {
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (going, beginning) = (Arc::clone(&go_on), Arc::clone(&begun));
    let server = Server::start(move |mut stream, _| {
        let (going, beginning) = (Arc::clone(&going), Arc::clone(&beginning));
        async move {
            read_request(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            write(&mut stream, head.as_bytes()).await;
            let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
            write(
                &mut stream,
                chunk(&format!("{} value-num", value(0))).as_bytes(),
            )
            .await;
            beginning.notify_one();
            going.notified().await;
            let rest = chunk(&format!("ber-0000 {} {}", value(1), value(0)));
            let rest = format!("{rest}0\r\nX-Key: {}\r\n\r\n", value(1));
            write(&mut stream, rest.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let server = server.await;
    for source in [
        SecretSource::value(value(0)),
        counting(|_| Ok(value(0).into())).0,
    ] {
        let (gateway, placeholder) = with_key(&server, source);
        let fields = [("Authorization", placeholder.as_str())];
        let answer = send(&gateway, &server.http(), &fields, "").await.unwrap();
        begun.notified().await;
        gateway
            .replace_secret("key", SecretSource::value(value(1)))
            .unwrap();
        go_on.notify_one();
        let answer = answer.body.collect().await.unwrap();
        let trailers = answer.trailers().cloned().unwrap();
        let body = String::from_utf8(answer.to_bytes().to_vec()).unwrap();
        let masked = "*".repeat(value(0).len());
        assert_eq!(body, [masked.as_str(); 4].join(" "));
        assert_eq!(trailers["x-key"], masked);
    }
}

/// A server that returns the authorization of each request to `/` twice: once at its beginning, and
/// once when it may go on. Others are answered at once.
async fn returning(go_on: &Arc<Notify>, begun: &Arc<Notify>, sends_head: bool) -> Server {
    let (go_on, begun) = (Arc::clone(go_on), Arc::clone(begun));
    let server = Server::start(move |mut stream, number| {
        let (go_on, begun) = (Arc::clone(&go_on), Arc::clone(&begun));
        async move {
            let request = read_request(&mut stream).await;
            if number > 0 {
                write(&mut stream, ok("over").as_bytes()).await;
                return;
            }
            let line = request.lines().find(|it| it.starts_with("Authorization: "));
            let value = line.unwrap()["Authorization: ".len()..].to_owned();
            let (first, last) = value.split_at(9);
            let length = 2 * value.len() + 1;
            let head =
                format!("HTTP/1.1 200 OK\r\nX-A: {value}\r\nContent-Length: {length}\r\n\r\n");
            let begins = format!("{head}{value} {first}");
            if sends_head {
                write(&mut stream, begins.as_bytes()).await;
            }
            begun.notify_one();
            go_on.notified().await;
            if !sends_head {
                write(&mut stream, begins.as_bytes()).await;
            }
            write(&mut stream, last.as_bytes()).await;
        }
    });
    server.await
}

#[tokio::test]
async fn what_a_request_carried_is_masked_in_its_response_however_often_it_is_replaced() {
    for sends_head in [true, false] {
        let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let server = returning(&go_on, &begun, sends_head).await;
        // Each request has another value: the program decides how often it is replaced.
        let each = |number| Ok(SecretAnswer::new(value(number)).valid_for(Duration::ZERO));
        let (source, count) = counting(each);
        let (gateway, placeholder) = with_key(&server, source);
        let (this, origin) = (gateway.clone(), server.http());
        let (key, at) = (placeholder.clone(), origin.clone());
        let first = tokio::spawn(async move {
            let fields = [("Authorization", key.as_str())];
            let answer = send(&this, &at, &fields, "").await.unwrap();
            let head = answer.head.unwrap();
            let body = answer.body.collect().await.unwrap().to_bytes();
            (head, String::from_utf8(body.to_vec()).unwrap())
        });
        begun.notified().await;
        for _ in 0..8 {
            authorized(&gateway, &origin, &placeholder).await.unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 9);
        go_on.notify_one();
        let (head, body) = first.await.unwrap();
        let masked = "*".repeat(value(1).len());
        assert_eq!(body, format!("{masked} {masked}"), "{sends_head}");
        let field = head.fields.iter().find(|(name, _)| name == b"X-A");
        assert_eq!(field.unwrap().1, masked.as_bytes());
    }
}
