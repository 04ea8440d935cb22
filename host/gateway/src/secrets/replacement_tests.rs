//! Secrets that get other values while requests run: from the embedder, and from callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use sandbox_net_egress::test_support::{Server, config, ok, read_request, write};
use sandbox_net_egress::{EgressError, Limit};
use sandbox_net_policy::{
    Denial, DenyReason, Document, Policy, Rules, Secret, SecretAnswer, SecretCallbackError,
    SecretSource,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::audit::Verdict;
use crate::gateway::Gateway;
use crate::testing::{authorized, denied, reflecting, send};

/// A gateway with the secret `key` for this server, and the secret's placeholder.
fn with_key(server: &Server, source: SecretSource) -> (Gateway, String) {
    let rule = server.http().to_string();
    let mut secret = Secret::new("key", rule.parse().unwrap(), source);
    secret.plain_http = true;
    let document = Document {
        allow: vec![rule.parse().unwrap()],
        secrets: vec![secret],
        ..Document::default()
    };
    let vault = Vault::open(&document.secrets).unwrap();
    let placeholder = vault.variables().next().unwrap().1.to_owned();
    let builder = Gateway::builder().secrets(vault);
    (builder.build(document.into(), config()), placeholder)
}

fn value(number: usize) -> String {
    format!("value-number-{number:04}")
}

/// A callback whose answers are numbered from 1, and their count.
fn counting(
    answer: impl Fn(usize) -> Result<SecretAnswer, SecretCallbackError> + Send + Sync + 'static,
) -> (SecretSource, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (Arc::clone(&count), Arc::new(answer));
    let source = SecretSource::callback(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = Arc::clone(&answer);
        async move {
            // Others ask meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer(number)
        }
    });
    (source, count)
}

/// What the server got for an authorization.
async fn sent(requests: &mut mpsc::UnboundedReceiver<String>) -> String {
    let request = requests.recv().await.unwrap();
    let line = request
        .lines()
        .find(|line| line.starts_with("Authorization: "));
    line.unwrap()["Authorization: ".len()..].to_owned()
}

/// Shows that the last request was recorded as denied for want of a value.
#[track_caller]
fn assert_no_value(gateway: &Gateway, denial: &Denial, why: &str) {
    assert_eq!(denial.reason, DenyReason::Secret);
    let said = format!("the secret 'key' has no value: {why}");
    assert!(denial.message.contains(&said), "{}", denial.message);
    let record = gateway.audit().decisions().pop().unwrap();
    assert_eq!(record.verdict, Verdict::Deny);
    assert_eq!(record.reason, Some(DenyReason::Secret.into()));
    assert_eq!(record.rule, "secret:key");
    assert!(
        gateway
            .audit()
            .exchanges()
            .iter()
            .all(|it| it.status.is_some())
    );
}

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
            "more than 16384",
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

#[tokio::test]
async fn what_masks_the_values_of_responses_under_way_is_taken_from_the_hosts_memory() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegins",
        )
        .await;
        std::future::pending::<()>().await;
    });
    let server = server.await;
    let long = |number| format!("{number:016384}");
    let each = move |number| Ok(SecretAnswer::new(long(number)).valid_for(Duration::ZERO));
    let (gateway, placeholder) = with_key(&server, counting(each).0);
    let mut answers = Vec::new();
    let origin = server.http();
    let fields = [("Authorization", placeholder.as_str())];
    let refused = loop {
        match send(&gateway, &origin, &fields, "").await {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
        assert!(answers.len() < 30, "each takes several megabytes");
    };
    assert_eq!(refused, EgressError::Limit(Limit::HostMemory));
    assert!(answers.len() >= 4);
    let record = gateway.audit().decisions().pop().unwrap();
    assert_eq!(
        (record.verdict, &*record.rule),
        (Verdict::Deny, "budget:host-memory")
    );
    // With the responses the memory is free again.
    drop(answers);
    send(&gateway, &origin, &fields, "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_asked_once_for_each_validity_however_many_requests_wait() {
    let (server, mut requests) = reflecting().await;
    let valid = Duration::from_secs(60);
    let (source, count) =
        counting(move |number| Ok(SecretAnswer::new(value(number)).valid_for(valid)));
    let (gateway, placeholder) = with_key(&server, source);
    let origin = server.http();
    // A request that does not need it does not ask.
    authorized(&gateway, &origin, "none").await.unwrap();
    sent(&mut requests).await;
    assert_eq!(count.load(Ordering::SeqCst), 0);
    for number in 1..=3 {
        let all = (0..5).map(|_| authorized(&gateway, &origin, &placeholder));
        for answer in futures_util::future::join_all(all).await {
            let answer = answer.unwrap();
            assert!(!answer.contains(&value(number)), "{answer}");
            assert_eq!(sent(&mut requests).await, value(number));
        }
        assert_eq!(count.load(Ordering::SeqCst), number);
        tokio::time::advance(valid - Duration::from_secs(1)).await;
        authorized(&gateway, &origin, &placeholder).await.unwrap();
        assert_eq!(sent(&mut requests).await, value(number));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_validity_is_used_on_and_with_zero_each_request_asks() {
    let (server, mut requests) = reflecting().await;
    for (validity, asked) in [(None, 1), (Some(Duration::ZERO), 3)] {
        let (source, count) = counting(move |number| {
            let answer = SecretAnswer::new(value(number));
            Ok(validity.map_or(answer.clone(), |time| answer.valid_for(time)))
        });
        let (gateway, placeholder) = with_key(&server, source);
        for number in 1..=3 {
            authorized(&gateway, &server.http(), &placeholder)
                .await
                .unwrap();
            assert_eq!(sent(&mut requests).await, value(number.min(asked)));
            tokio::time::advance(Duration::from_secs(100_000)).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_value_the_request_is_denied_and_nothing_is_sent() {
    let (server, mut requests) = reflecting().await;
    let never = || SecretSource::callback(std::future::pending);
    let panics = || SecretSource::callback(|| async { panic!("a fault of the embedder's") });
    let panics_at_once = || {
        #[allow(unreachable_code, reason = "it panics before there is a future")]
        SecretSource::callback(|| {
            panic!("a fault of the embedder's");
            std::future::pending()
        })
    };
    let fails = || counting(|_| Err("the token service says hush-hush".into())).0;
    let short = || counting(|_| Ok("short".into())).0;
    for (source, why) in [
        (never(), "its callback gave no answer within 30 seconds"),
        (panics(), "its callback panicked"),
        (panics_at_once(), "its callback panicked"),
        (fails(), "its callback failed"),
        (
            short(),
            "its callback's answer can't be used: the value has fewer than 8 bytes",
        ),
    ] {
        let (gateway, placeholder) = with_key(&server, source);
        let denial = denied(authorized(&gateway, &server.http(), &placeholder).await);
        assert_no_value(&gateway, &denial, why);
        assert!(!denial.message.contains("hush-hush"), "{}", denial.message);
        // Requests without the secret go on.
        authorized(&gateway, &server.http(), "none").await.unwrap();
        assert_eq!(sent(&mut requests).await, "none");
        assert!(requests.try_recv().is_err());
        // And with another source those with it.
        gateway
            .replace_secret("key", SecretSource::value(value(1)))
            .unwrap();
        authorized(&gateway, &server.http(), &placeholder)
            .await
            .unwrap();
        assert_eq!(sent(&mut requests).await, value(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_failed_is_asked_again_after_a_second() {
    let (server, mut requests) = reflecting().await;
    let (source, count) = counting(|number| match number {
        1 => Err("not yet".into()),
        _ => Ok(value(number).into()),
    });
    let (gateway, placeholder) = with_key(&server, source);
    for _ in 0..5 {
        let denial = denied(authorized(&gateway, &server.http(), &placeholder).await);
        assert_no_value(&gateway, &denial, "its callback failed");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    authorized(&gateway, &server.http(), &placeholder)
        .await
        .unwrap();
    assert_eq!(sent(&mut requests).await, value(2));
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_when_its_request_is_given_up() {
    let (server, mut requests) = reflecting().await;
    let (source, count) = counting(|number| Ok(value(number).into()));
    let (gateway, placeholder) = with_key(&server, source);
    let origin = server.http();
    for _ in 0..3 {
        let request = authorized(&gateway, &origin, &placeholder);
        let given_up = tokio::time::timeout(Duration::from_millis(5), request);
        assert!(given_up.await.is_err());
    }
    authorized(&gateway, &server.http(), &placeholder)
        .await
        .unwrap();
    assert_eq!(sent(&mut requests).await, value(1));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn what_changes_while_a_callback_is_asked_counts() {
    let (server, mut requests) = reflecting().await;
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let source = || {
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        SecretSource::callback(move || {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            async move {
                asked.notify_one();
                answer.notified().await;
                Ok(value(1).into())
            }
        })
    };
    // A policy that denies the request ends it.
    let (gateway, placeholder) = with_key(&server, source());
    let changing = async {
        asked.notified().await;
        gateway.replace_policy(Policy::deny_all()).unwrap();
        answer.notify_one();
    };
    let origin = server.http();
    let (denial, ()) = tokio::join!(authorized(&gateway, &origin, &placeholder), changing);
    assert_eq!(denied(denial).reason, DenyReason::NoRule);
    assert!(requests.try_recv().is_err());
    // The answer of a source that was replaced meanwhile is not used.
    let rules = Rules::default().allow(origin.to_string()).unwrap();
    gateway.set_rules(rules).unwrap();
    gateway.replace_secret("key", source()).unwrap();
    let changing = async {
        asked.notified().await;
        gateway
            .replace_secret("key", SecretSource::value(value(2)))
            .unwrap();
        answer.notify_one();
    };
    let (sent_late, ()) = tokio::join!(authorized(&gateway, &origin, &placeholder), changing);
    sent_late.unwrap();
    assert_eq!(sent(&mut requests).await, value(2));
}
