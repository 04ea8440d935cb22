//! When a callback is asked, and what happens without its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sandbox_net_egress::test_support::{Server, read_request, write};
use sandbox_net_egress::{EgressError, Limit};
use sandbox_net_policy::{DenyReason, Policy, Rules, SecretAnswer, SecretSource};
use tokio::sync::Notify;

use super::*;
use crate::audit::Verdict;
use crate::testing::{authorized, denied, reflecting, send};

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
