//! write, finish and read.

use bytes::Bytes;

use crate::exchanges::{exchange, head};
use crate::frames::command::{CLOSE, FINISH, HEAD, POLL, READ, WRITE};
use crate::frames::{FOREVER, PROGRESS, Reply, fault, frame, poll};
use crate::guest::CONTROL;
use crate::mock::{ErrorCode, Phase};

const NONE: u32 = 0;
const CHUNKED: u32 = 2;

#[tokio::test]
async fn write_takes_what_the_host_permits() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    assert_eq!(guest.call(WRITE, id, 0, b"abc").await, Reply::Pending);
    state.send_modify(|state| state.permit = 2);
    assert_eq!(guest.call(WRITE, id, 0, b"abc").await, Reply::value(2));
    assert_eq!(guest.call(WRITE, id, 0, b"c").await, Reply::Pending);
    state.send_modify(|state| state.permit = usize::MAX);
    assert_eq!(guest.call(WRITE, id, 0, b"c").await, Reply::value(1));
    assert_eq!(guest.call(WRITE, id, 0, b"").await, Reply::value(0));
    assert_eq!(state.borrow().sent, b"abc");
}

#[tokio::test]
async fn write_takes_every_byte_value_from_any_number_of_buffers() {
    let all: Vec<u8> = (0..=255).collect();
    for permit in [1, 7, 100, 255, 256, 1000] {
        for size in [1, 3, 16, 100, 256] {
            let (mut guest, id, state) = exchange(CHUNKED).await;
            state.send_modify(|state| state.permit = permit);
            let frame = frame(WRITE, id, 0, &all);
            let mut parts: Vec<&[u8]> = frame.chunks(size).collect();
            parts.insert(1, b"");
            guest.write(CONTROL, &parts).await.unwrap();
            let taken = permit.min(256);
            assert_eq!(
                guest.reply().await,
                Reply::value(taken as u32),
                "{permit} {size}"
            );
            assert_eq!(state.borrow().sent, all[..taken]);
        }
    }
}

#[tokio::test]
async fn write_may_be_larger_than_other_payloads() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    state.send_modify(|state| state.permit = usize::MAX);
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(
        guest.call(WRITE, id, 0, &body).await,
        Reply::value(3_000_000)
    );
    assert!(state.borrow().sent == body);
}

#[tokio::test]
async fn a_write_that_fails_tells_the_exchanges_failure_from_then_on() {
    for (failure, reply) in [
        (
            Some(ErrorCode::Timeout(Phase::Request)),
            Reply::error(6, 3, "", b""),
        ),
        (None, Reply::error(10, 0, "", b"")),
    ] {
        let (mut guest, id, state) = exchange(CHUNKED).await;
        state.send_modify(|state| {
            state.broken = true;
            state.failure = failure;
        });
        for command in [WRITE, WRITE, FINISH] {
            let payload: &[u8] = if command == WRITE { b"a" } else { b"" };
            assert_eq!(guest.call(command, id, 0, payload).await, reply);
        }
        assert!(state.borrow().body_dropped);
    }
}

#[tokio::test]
async fn a_request_without_a_body_cannot_be_written() {
    let (mut guest, id, _) = exchange(NONE).await;
    for _ in 0..2 {
        let expected = Reply::error(11, 0, "no body", b"");
        assert_eq!(guest.call(WRITE, id, 0, b"a").await, expected);
    }
}

#[tokio::test]
async fn finish_ends_the_body_once() {
    for written in [false, true] {
        let (mut guest, id, state) = exchange(CHUNKED).await;
        if written {
            assert_eq!(guest.call(WRITE, id, 0, b"a").await, Reply::Pending);
        }
        assert_eq!(guest.call(FINISH, id, 0, b"").await, Reply::value(0));
        assert!(state.borrow().finished);
        for (command, payload) in [(FINISH, &b""[..]), (WRITE, b"a")] {
            let expected = Reply::error(10, 0, "", b"");
            assert_eq!(guest.call(command, id, 0, payload).await, expected);
        }
    }
}

#[tokio::test]
async fn read_gives_every_byte_once_and_then_the_end_again_and_again() {
    let (mut guest, id, state) = exchange(NONE).await;
    let before = Reply::error(11, 0, "before the head", b"");
    assert_eq!(guest.call(READ, id, 10, b"").await, before);
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    assert_eq!(guest.call(READ, id, 10, b"").await, Reply::Pending);
    let all: Vec<u8> = (0..=255).collect();
    state.send_modify(|state| state.received = Bytes::copy_from_slice(&all));
    assert_eq!(guest.call(READ, id, 1, b"").await, Reply::bytes(&all[..1]));
    assert_eq!(
        guest.call(READ, id, 200, b"").await,
        Reply::bytes(&all[1..201])
    );
    assert_eq!(
        guest.call(READ, id, u32::MAX, b"").await,
        Reply::bytes(&all[201..])
    );
    assert_eq!(guest.call(READ, id, 10, b"").await, Reply::Pending);
    state.send_modify(|state| state.ended = true);
    for _ in 0..3 {
        assert_eq!(guest.call(READ, id, 10, b"").await, Reply::value(1));
    }
}

#[tokio::test]
async fn trailers_come_with_the_end_and_again_with_it() {
    let long = vec![b'x'; 70_000];
    let cases: [&[(&[u8], &[u8])]; 4] = [
        &[],
        &[(b"Digest", b"\xff\x00")],
        &[(b"a", b""), (b"A", &long), (b"a", b"b")],
        &[(b"a".as_slice(), b"b".as_slice()); 9000],
    ];
    for fields in cases {
        let (mut guest, id, state) = exchange(NONE).await;
        state.send_modify(|state| {
            state.head = Some(Ok(head(&[])));
            state.received = Bytes::from_static(b"body");
            state.ended = true;
            let fields = fields
                .iter()
                .map(|(name, value)| (name.to_vec(), value.to_vec()));
            state.trailers = fields.collect();
        });
        guest.call(HEAD, id, 0, b"").await;
        assert_eq!(guest.call(READ, id, 10, b"").await, Reply::bytes(b"body"));
        let end = match fields {
            [] => Reply::value(1),
            fields => Reply::trailers(fields),
        };
        for _ in 0..2 {
            assert_eq!(guest.call(READ, id, 10, b"").await, end);
        }
    }
}

#[tokio::test]
async fn trailers_that_are_not_known_yet_are_pending_and_waited_for() {
    let (mut guest, id, state) = exchange(NONE).await;
    state.send_modify(|state| {
        state.head = Some(Ok(head(&[])));
        state.ended = true;
        state.trailers_pending = true;
    });
    guest.call(HEAD, id, 0, b"").await;
    for _ in 0..2 {
        assert_eq!(guest.call(READ, id, 10, b"").await, Reply::Pending);
    }
    let soon = 1_000_000_u64.to_le_bytes();
    assert_eq!(guest.call(READ, id, 10, &soon).await, Reply::Pending);
    state.send_modify(|state| {
        state.trailers_pending = false;
        state.trailers = vec![(b"a".to_vec(), b"b".to_vec())];
    });
    let end = Reply::trailers(&[(b"a", b"b")]);
    for _ in 0..2 {
        assert_eq!(guest.call(READ, id, 10, b"").await, end);
    }
}

#[tokio::test]
async fn a_response_that_breaks_behind_its_last_byte_is_not_complete() {
    let soon = 1_000_000_u64.to_le_bytes();
    for payload in [&b""[..], &soon] {
        let (mut guest, id, state) = exchange(NONE).await;
        state.send_modify(|state| {
            state.head = Some(Ok(head(&[])));
            state.received = Bytes::from_static(b"body");
            state.ended = true;
            state.trailers_failure = Some(ErrorCode::Reset);
        });
        guest.call(HEAD, id, 0, b"").await;
        assert_eq!(
            guest.call(READ, id, 10, payload).await,
            Reply::bytes(b"body")
        );
        for _ in 0..2 {
            let failed = Reply::error(5, 0, "", b"");
            assert_eq!(guest.call(READ, id, 10, payload).await, failed);
        }
    }
}

#[tokio::test]
async fn the_error_of_a_stream_is_handed_in_for_as_long_as_anybody_asks() {
    for command in [WRITE, READ] {
        let (mut guest, id, state) = exchange(CHUNKED).await;
        state.send_modify(|state| state.head = Some(Ok(head(&[]))));
        guest.call(HEAD, id, 0, b"").await;
        state.send_modify(|state| {
            state.broken = true;
            state.failure = Some(ErrorCode::Closed);
            state.failure_of_error = Some(ErrorCode::Timeout(Phase::Body));
        });
        for _ in 0..3 {
            let (arg, payload) = if command == WRITE {
                (0, &b"a"[..])
            } else {
                (10, &b""[..])
            };
            let failed = Reply::error(6, 5, "", b"");
            assert_eq!(guest.call(command, id, arg, payload).await, failed);
        }
        assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
    }
}

#[tokio::test]
async fn more_trailers_than_a_reply_can_count_are_an_error() {
    let (mut guest, id, state) = exchange(NONE).await;
    state.send_modify(|state| {
        state.head = Some(Ok(head(&[])));
        state.ended = true;
        state.trailers = vec![(b"a".to_vec(), Vec::new()); 65_536];
    });
    guest.call(HEAD, id, 0, b"").await;
    assert_eq!(
        guest.call(READ, id, 1, b"").await,
        Reply::fault(fault::SIZE)
    );
    state.send_modify(|state| state.trailers.truncate(1));
    let end = Reply::trailers(&[(b"a", b"")]);
    assert_eq!(guest.call(READ, id, 1, b"").await, end);
}

#[tokio::test]
async fn a_request_for_the_body_is_reported_once() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::Pending);
    state.send_modify(|state| state.continued = true);
    let entry = [(id, PROGRESS)];
    let reply = guest.call(POLL, 0, 0, &poll(FOREVER, &entry)).await;
    let ready = vec![PROGRESS];
    assert_eq!(
        reply,
        Reply::Ok {
            value: 1,
            payload: ready
        }
    );
    assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::Continue);
    assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::Pending);
    let reply = guest.call(POLL, 0, 0, &poll(0, &entry)).await;
    assert_eq!(
        reply,
        Reply::Ok {
            value: 0,
            payload: vec![0]
        }
    );
    // A head contains more.
    state.send_modify(|state| {
        state.continued = true;
        state.head = Some(Ok(head(&[])));
    });
    assert!(matches!(
        guest.call(HEAD, id, 0, b"").await,
        Reply::Ok { .. }
    ));
}

#[tokio::test]
async fn a_large_body_arrives_whole_without_growing_the_memory_for_each_read() {
    let (mut guest, id, state) = exchange(NONE).await;
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    let body: Bytes = (0..5_000_000_u32).map(|n| (n % 253) as u8).collect();
    state.send_modify(|state| {
        state.received = body.clone();
        state.ended = true;
    });
    let pages = guest.pages().await;
    let mut received = Vec::new();
    loop {
        match guest.call(READ, id, u32::MAX, b"").await {
            Reply::Ok { value: 0, payload } => received.extend(payload),
            last => break assert_eq!(last, Reply::value(1)),
        }
    }
    assert!(received == body);
    assert_eq!(guest.pages().await, pages);
}

#[tokio::test]
async fn a_body_that_breaks_tells_the_exchanges_failure_from_then_on() {
    for (failure, reply) in [
        (Some(ErrorCode::Reset), Reply::error(5, 0, "", b"")),
        (None, Reply::error(10, 0, "", b"")),
    ] {
        let (mut guest, id, state) = exchange(NONE).await;
        state.send_modify(|state| state.head = Some(Ok(head(&[]))));
        guest.call(HEAD, id, 0, b"").await;
        state.send_modify(|state| {
            state.broken = true;
            state.failure = failure;
        });
        for _ in 0..2 {
            assert_eq!(guest.call(READ, id, 10, b"").await, reply);
        }
    }
}

#[tokio::test]
async fn streams_are_dropped_before_their_exchange() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    assert_eq!(guest.call(READ, id, 10, b"").await, Reply::Pending);
    assert_eq!(guest.call(WRITE, id, 0, b"a").await, Reply::Pending);
    // The host traps if an exchange is dropped before its streams.
    assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
    assert_eq!(
        guest.call(READ, id, 10, b"").await,
        Reply::fault(fault::HANDLE)
    );
}
