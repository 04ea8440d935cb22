//! poll.

use bytes::Bytes;

use crate::exchanges::{exchange, head};
use crate::frames::command::{CONNECT, FINISH, HEAD, POLL, READ, WRITE};
use crate::frames::{FOREVER, PROGRESS, READABLE, Reply, WRITABLE, connect, poll};
use crate::guest::Guest;
use crate::mock::{ErrorCode, ExchangeState, Shared};

const EVERYTHING: u8 = PROGRESS | READABLE | WRITABLE;

async fn polled(guest: &mut Guest, timeout: u64, entries: &[(u32, u8)]) -> Vec<u8> {
    match guest.call(POLL, 0, 0, &poll(timeout, entries)).await {
        Reply::Ok { value, payload } => {
            assert_eq!(payload.len(), entries.len());
            let ready = payload.iter().filter(|interests| **interests != 0).count();
            assert_eq!(value as usize, ready);
            payload
        }
        other => panic!("{other:?}"),
    }
}

/// Sends a frame and checks that no pollable of an earlier one remains: the host has only open objects.
fn only(guest: &mut Guest, resources: usize) {
    assert_eq!(guest.host().table.iter_mut().count(), resources);
}

#[tokio::test]
async fn without_entries_it_waits_for_the_time_alone() {
    let mut guest = Guest::new().await;
    for timeout in [0, 1, 1_000_000] {
        assert_eq!(polled(&mut guest, timeout, &[]).await, b"");
        only(&mut guest, 0);
    }
}

#[tokio::test]
async fn a_timeout_ends_the_wait_with_nothing_ready() {
    let (mut guest, id, _) = exchange(2).await;
    for timeout in [0, 1, 1_000_000] {
        assert_eq!(
            polled(&mut guest, timeout, &[(id, PROGRESS), (id, WRITABLE)]).await,
            [0, 0]
        );
    }
}

#[tokio::test]
async fn a_connection_is_ready_when_its_phase_has_ended() {
    let mut guest = Guest::new().await;
    let one = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let two = guest.call(CONNECT, 0, 80, &connect(0, b"b")).await.id();
    let entries = [(one, PROGRESS), (two, PROGRESS)];
    guest.host().connections[1].send_modify(|state| state.phase = Some(Err(ErrorCode::Refused)));
    for timeout in [0, 1_000_000_000_000, FOREVER] {
        assert_eq!(polled(&mut guest, timeout, &entries).await, [0, PROGRESS]);
        only(&mut guest, 2);
    }
}

#[tokio::test]
async fn it_wakes_for_what_becomes_ready_while_it_waits() {
    type Change = fn(&mut ExchangeState);
    let both = READABLE | WRITABLE;
    let cases: [(u8, u8, Change); 5] = [
        (PROGRESS | WRITABLE, PROGRESS, |state| {
            state.head = Some(Ok(head(&[])))
        }),
        (WRITABLE, WRITABLE, |state| state.permit = 1),
        (READABLE, READABLE, |state| {
            state.received = Bytes::from_static(b"x")
        }),
        (READABLE, READABLE, |state| state.ended = true),
        (both, both, |state| state.broken = true),
    ];
    for (interests, ready, change) in cases {
        let (mut guest, id, state) = exchange(2).await;
        if interests & READABLE != 0 {
            pass_head(&mut guest, id, &state).await;
        }
        // A poll takes the streams that it waits for, so the change cannot come first.
        let change = tokio::spawn(async move {
            let taken = |state: &ExchangeState| state.body_taken || state.response_taken;
            state.subscribe().wait_for(taken).await.unwrap();
            state.send_modify(change);
        });
        assert_eq!(
            polled(&mut guest, FOREVER, &[(id, interests)]).await,
            [ready]
        );
        change.await.unwrap();
    }
}

async fn pass_head(guest: &mut Guest, id: u32, state: &Shared<ExchangeState>) {
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
}

#[tokio::test]
async fn an_exchange_may_be_waited_for_in_every_way_at_once() {
    let (mut guest, id, state) = exchange(2).await;
    pass_head(&mut guest, id, &state).await;
    state.send_modify(|state| {
        state.permit = 1;
        state.received = Bytes::from_static(b"x");
    });
    let entries = [
        (id, EVERYTHING),
        (id, READABLE),
        (id, WRITABLE),
        (id, EVERYTHING),
    ];
    let expected = [EVERYTHING, READABLE, WRITABLE, EVERYTHING];
    for timeout in [0, 1_000_000_000_000, FOREVER] {
        assert_eq!(polled(&mut guest, timeout, &entries).await, expected);
    }
}

#[tokio::test]
async fn what_can_only_tell_of_an_error_or_an_end_is_ready_at_once() {
    let (mut guest, id, state) = exchange(0).await;
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, WRITABLE)]).await,
        [WRITABLE],
        "no body"
    );
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, READABLE)]).await,
        [READABLE],
        "no head"
    );
    pass_head(&mut guest, id, &state).await;
    assert_eq!(
        polled(&mut guest, 0, &[(id, READABLE)]).await,
        [0],
        "now there is one"
    );
    state.send_modify(|state| state.ended = true);
    assert_eq!(guest.call(READ, id, 1, b"").await, Reply::value(1));
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, READABLE)]).await,
        [READABLE],
        "at its end"
    );

    let (mut guest, id, state) = exchange(2).await;
    guest.call(FINISH, id, 0, b"").await;
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, WRITABLE)]).await,
        [WRITABLE],
        "finished"
    );
    pass_head(&mut guest, id, &state).await;
    state.send_modify(|state| state.broken = true);
    guest.call(READ, id, 1, b"").await;
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, READABLE)]).await,
        [READABLE],
        "broken"
    );
}

#[tokio::test]
async fn a_write_that_failed_is_ready_to_tell_so() {
    let (mut guest, id, state) = exchange(2).await;
    state.send_modify(|state| state.broken = true);
    guest.call(WRITE, id, 0, b"a").await;
    assert_eq!(
        polled(&mut guest, FOREVER, &[(id, WRITABLE)]).await,
        [WRITABLE]
    );
}

#[tokio::test]
async fn it_takes_as_many_entries_as_the_format_allows() {
    let (mut guest, id, state) = exchange(2).await;
    pass_head(&mut guest, id, &state).await;
    let pages = guest.pages().await;
    let entries = |interests| vec![(id, interests); 4096];
    let all = |ready: Vec<u8>, expected| ready.iter().all(|interests| *interests == expected);
    let body = READABLE | WRITABLE;
    assert!(all(
        polled(&mut guest, 0, &entries(EVERYTHING)).await,
        PROGRESS
    ));
    assert!(all(polled(&mut guest, 1_000_000, &entries(body)).await, 0));
    state.send_modify(|state| state.permit = 1);
    assert!(all(
        polled(&mut guest, FOREVER, &entries(body)).await,
        WRITABLE
    ));
    only(&mut guest, 4);
    assert_eq!(guest.pages().await, pages);
}
