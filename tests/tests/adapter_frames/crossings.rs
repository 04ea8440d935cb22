//! What takes fewer frames: a request with its body, a head that is waited for with the body that is
//! there, and bodies on file descriptors of their own.

use bytes::Bytes;

use crate::exchanges::{exchange, head};
use crate::frames::command::{CLOSE, CONNECT, FINISH, HEAD, POLL, READ, REQUEST, WRITE};
use crate::frames::{CLOSED, FOREVER, LAST, Reply, WHOLE, connect, fault, poll, request};
use crate::guest::{DATA, Guest};
use crate::mock::{ErrorCode, ExchangeState, HttpVersion, Phase, Shared, take_calls};

const NONE: u32 = 0;
const SIZED: u32 = 1;
const CHUNKED: u32 = 2;
const AGAIN: u32 = 6;
const BAD_FILE: u32 = 8;
const IO: u32 = 29;
/// A timeout that is over at once.
const LOOK: u64 = 0;

/// The descriptor of an exchange's bodies.
fn bodies(id: u32) -> u32 {
    0x8000_0000 + id
}

/// The reply to a `head` with a timeout: the head of the tests, and these bytes.
fn with_body(value: u32, body: &[u8]) -> Reply {
    let head = [200, 0, 11, 0, 2, 0, b'O', b'K', 0, 0];
    let payload = [&[head.len() as u8, 0, 0, 0], &head[..], body].concat();
    Reply::Ok { value, payload }
}

/// Makes the response, all of it.
fn respond(state: &Shared<ExchangeState>, body: &'static [u8]) {
    state.send_modify(|state| {
        state.head = Some(Ok(head(&[])));
        state.received = Bytes::from_static(body);
        state.ended = true;
    });
}

/// Changes the exchange when the program waits.
fn later(state: &Shared<ExchangeState>, change: fn(&mut ExchangeState)) {
    let state = state.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        state.send_modify(change);
    });
}

#[tokio::test]
async fn a_get_is_one_frame_for_the_request_and_one_for_the_whole_response() {
    let mut guest = Guest::new().await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    take_calls();
    let payload = request(0, b"GET", b"/", &[]);
    let id = guest.call(REQUEST, connection, NONE, &payload).await.id();
    assert_eq!(take_calls(), ["request"]);
    let state = guest.host().exchanges[0].clone();
    respond(&state, b"all of it");
    let reply = guest.call(HEAD, id, 100, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, with_body(LAST | CLOSED, b"all of it"));
    // The body's bytes, its end, and that there are no trailers.
    let calls = ["head", "response-body", "read", "read", "trailers", "drop"];
    assert_eq!(take_calls(), calls);
    let gone = Reply::fault(fault::HANDLE);
    assert_eq!(guest.call(READ, id, 1, b"").await, gone);
}

#[tokio::test]
async fn a_post_with_its_body_is_one_frame() {
    let mut guest = Guest::new().await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for body in [&b"body"[..], b""] {
        let payload = request(body.len() as u64, b"POST", b"/", &[(b"a", b"b")]);
        // A stream of the mock takes nothing before the test says so.
        let payload = [&payload[..], body].concat();
        let reply = guest
            .call(REQUEST, connection, SIZED | WHOLE, &payload)
            .await;
        let Reply::Ok { value: id, payload } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(payload, 0_u32.to_le_bytes());
        let state = guest.host().exchanges.pop().unwrap();
        assert_eq!(state.borrow().finished, body.is_empty());
        assert_eq!(state.borrow().fields, [(b"a".to_vec(), b"b".to_vec())]);
        state.send_modify(|state| state.permit = 100);
        take_calls();
        if !body.is_empty() {
            let reply = guest.call(WRITE, id, WHOLE, body).await;
            assert_eq!(reply, Reply::value(body.len() as u32));
            assert_eq!(take_calls(), ["check-write", "write", "finish-body"]);
        }
        assert!(state.borrow().finished);
        assert_eq!(state.borrow().sent, body);
        respond(&state, b"");
        let reply = guest.call(HEAD, id, 1, &LOOK.to_le_bytes()).await;
        assert_eq!(reply, with_body(LAST | CLOSED, b""));
    }
}

#[tokio::test]
async fn a_whole_body_ends_only_when_all_of_it_was_taken() {
    let (mut guest, id, state) = exchange(SIZED).await;
    state.send_modify(|state| state.permit = 2);
    assert_eq!(guest.call(WRITE, id, WHOLE, b"abc").await, Reply::value(2));
    assert_eq!(guest.call(WRITE, id, WHOLE, b"c").await, Reply::Pending);
    assert!(!state.borrow().finished);
    state.send_modify(|state| state.permit = 2);
    assert_eq!(guest.call(WRITE, id, WHOLE, b"c").await, Reply::value(1));
    assert!(state.borrow().finished);
    let closed = Reply::error(10, 0, "", b"");
    assert_eq!(guest.call(WRITE, id, WHOLE, b"").await, closed);
}

#[tokio::test]
async fn frames_with_a_body_where_none_belongs_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let get = request(0, b"GET", b"/", &[]);
    let longer = [&get[..], b"x"].concat();
    for (kind, payload) in [
        (NONE | WHOLE, &get),
        (NONE | WHOLE, &longer),
        (3 | WHOLE, &longer),
        (CHUNKED | 0x200, &get),
        (CHUNKED, &longer),
    ] {
        let reply = guest.call(REQUEST, id, kind, payload).await;
        assert_eq!(reply, Reply::fault(fault::FRAME), "{kind:x}");
    }
    assert!(guest.host().exchanges.is_empty());
    let (mut guest, id, _) = exchange(CHUNKED).await;
    for (command, arg, payload) in [
        (WRITE, WHOLE | 1, &b"x"[..]),
        (HEAD, 1, b""),
        (HEAD, 1, b"1234567"),
        (READ, 0, &LOOK.to_le_bytes()),
        (READ, 1, b"1234567"),
        (FINISH, WHOLE, b""),
    ] {
        let reply = guest.call(command, id, arg, payload).await;
        assert_eq!(reply, Reply::fault(fault::FRAME), "{command} {arg}");
    }
}

#[tokio::test]
async fn a_head_is_waited_for_as_long_as_the_frame_says() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    for timeout in [LOOK, 1, 1_000_000] {
        let reply = guest.call(HEAD, id, 10, &timeout.to_le_bytes()).await;
        assert_eq!(reply, Reply::Pending);
    }
    later(&state, |state| state.continued = true);
    let reply = guest.call(HEAD, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, Reply::Continue);
    later(&state, |state| state.head = Some(Ok(head(&[]))));
    let reply = guest.call(HEAD, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, with_body(0, b""));

    let (mut guest, id, state) = exchange(CHUNKED).await;
    later(&state, |state| {
        state.head = Some(Err(ErrorCode::Timeout(Phase::Head)))
    });
    let reply = guest.call(HEAD, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, Reply::error(6, 4, "", b""));
}

#[tokio::test]
async fn an_exchange_whose_request_is_not_over_stays_open() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    respond(&state, b"early");
    let reply = guest.call(HEAD, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, with_body(LAST, b"early"));
    assert_eq!(guest.call(FINISH, id, 0, b"").await, Reply::value(0));
    let end = guest.call(READ, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(end, Reply::value(1 | CLOSED));
    let gone = Reply::fault(fault::HANDLE);
    assert_eq!(guest.call(CLOSE, id, 0, b"").await, gone);
}

#[tokio::test]
async fn over_http2_nothing_is_looked_for_behind_a_piece_of_the_body() {
    let (mut guest, id, state) = exchange(NONE).await;
    respond(&state, b"abcdef");
    let mut head = head(&[]);
    head.version = HttpVersion::Http2;
    state.send_modify(|state| state.head = Some(Ok(head)));
    take_calls();
    let reply = guest.call(HEAD, id, 4, &LOOK.to_le_bytes()).await;
    assert!(matches!(reply, Reply::Ok { value: 0, .. }), "{reply:?}");
    assert_eq!(take_calls(), ["head", "response-body", "read"]);
    assert_eq!(guest.read(bodies(id), &[1]).await.unwrap(), b"e");
    let rest = guest.call(READ, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(rest, Reply::bytes(b"f"));
    assert_eq!(take_calls(), ["read", "read"]);
    let end = guest.call(READ, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(end, Reply::value(1 | CLOSED));
}

#[tokio::test]
async fn no_more_of_the_body_comes_with_the_head_than_was_asked_for() {
    let (mut guest, id, state) = exchange(NONE).await;
    respond(&state, b"abcdef");
    let reply = guest.call(HEAD, id, 4, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, with_body(0, b"abcd"));
    let rest = Reply::Ok {
        value: LAST | CLOSED,
        payload: b"ef".to_vec(),
    };
    let reply = guest.call(READ, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, rest);

    let (mut guest, id, state) = exchange(NONE).await;
    respond(&state, b"abc");
    let reply = guest.call(HEAD, id, 0, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, with_body(0, b""));
    assert_eq!(guest.call(READ, id, 3, b"").await, Reply::bytes(b"abc"));
}

#[tokio::test]
async fn trailers_and_failures_are_left_to_the_next_read() {
    let (mut guest, id, state) = exchange(NONE).await;
    respond(&state, b"abc");
    state.send_modify(|state| state.trailers = vec![(b"a".to_vec(), b"b".to_vec())]);
    let reply = guest.call(HEAD, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, with_body(0, b"abc"));
    let told = Reply::trailers(&[(b"a", b"b")]);
    assert_eq!(guest.call(READ, id, 1, b"").await, told);
    let Reply::Ok { value, .. } = guest.call(READ, id, 1, &LOOK.to_le_bytes()).await else {
        panic!("no end");
    };
    assert_eq!(value, 1 | CLOSED);

    let (mut guest, id, state) = exchange(NONE).await;
    state.send_modify(|state| {
        state.head = Some(Ok(head(&[])));
        state.broken = true;
        state.failure = Some(ErrorCode::Reset);
    });
    let reply = guest.call(HEAD, id, 10, &LOOK.to_le_bytes()).await;
    assert_eq!(reply, with_body(0, b""));
    let reset = Reply::error(5, 0, "", b"");
    for payload in [&b""[..], &FOREVER.to_le_bytes()] {
        assert_eq!(guest.call(READ, id, 10, payload).await, reset);
    }
}

#[tokio::test]
async fn a_read_waits_as_long_as_the_frame_says() {
    let (mut guest, id, state) = exchange(NONE).await;
    let before = Reply::error(11, 0, "before the head", b"");
    let reply = guest.call(READ, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, before);
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    for timeout in [LOOK, 1, 1_000_000] {
        let reply = guest.call(READ, id, 10, &timeout.to_le_bytes()).await;
        assert_eq!(reply, Reply::Pending);
    }
    later(&state, |state| state.received = Bytes::from_static(b"abc"));
    let reply = guest.call(READ, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, Reply::bytes(b"abc"));
    later(&state, |state| state.ended = true);
    let reply = guest.call(READ, id, 10, &FOREVER.to_le_bytes()).await;
    assert_eq!(reply, Reply::value(1 | CLOSED));
}

#[tokio::test]
async fn a_body_is_read_into_the_programs_own_buffer() {
    let (mut guest, id, state) = exchange(NONE).await;
    let fd = bodies(id);
    assert_eq!(guest.read(fd, &[10]).await, Ok(vec![]), "no head");
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    assert_eq!(guest.read(fd, &[10]).await, Err(AGAIN));
    let body: Bytes = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
    state.send_modify(|state| state.received = body.clone());
    take_calls();
    assert_eq!(guest.read(fd, &[0, 5, 10]).await.unwrap(), body[..5]);
    assert_eq!(take_calls(), ["read"]);
    let pages = guest.pages().await;
    let mut received = body[..5].to_vec();
    loop {
        match guest.read(fd, &[300_000]).await {
            Ok(piece) => received.extend(piece),
            errno => break assert_eq!(errno, Err(AGAIN)),
        }
    }
    assert!(received == body);
    assert_eq!(guest.pages().await, pages);
    state.send_modify(|state| {
        state.received = Bytes::from_static(b"rest");
        state.ended = true;
    });
    assert_eq!(guest.read(fd, &[10]).await, Ok(b"rest".to_vec()));
    for _ in 0..2 {
        assert_eq!(guest.read(fd, &[10]).await, Ok(vec![]));
        assert_eq!(guest.call(READ, id, 10, b"").await, Reply::value(1));
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_told_by_a_read_frame() {
    let (mut guest, id, state) = exchange(NONE).await;
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    state.send_modify(|state| {
        state.broken = true;
        state.failure = Some(ErrorCode::Reset);
    });
    let pages = guest.pages().await;
    for _ in 0..10_000 {
        assert_eq!(guest.read(bodies(id), &[10]).await, Ok(vec![]));
    }
    assert_eq!(guest.pages().await, pages);
    let reset = Reply::error(5, 0, "", b"");
    assert_eq!(guest.call(READ, id, 10, b"").await, reset);
}

#[tokio::test]
async fn a_body_is_written_from_the_programs_own_buffers() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    let fd = bodies(id);
    assert_eq!(guest.write(fd, &[b"abc"]).await, Err(AGAIN));
    state.send_modify(|state| state.permit = 4);
    take_calls();
    assert_eq!(guest.write(fd, &[b"abc", b"", b"def"]).await, Ok(4));
    assert_eq!(
        take_calls().iter().filter(|call| **call == "write").count(),
        2
    );
    assert_eq!(guest.write(fd, &[b""]).await, Ok(0));
    assert_eq!(state.borrow().sent, b"abcd");
    state.send_modify(|state| {
        state.broken = true;
        state.failure = Some(ErrorCode::Reset);
    });
    for _ in 0..2 {
        assert_eq!(guest.write(fd, &[b"e"]).await, Err(IO));
        let reset = Reply::error(5, 0, "", b"");
        assert_eq!(guest.call(WRITE, id, 0, b"e").await, reset);
    }
}

#[tokio::test]
async fn descriptors_of_no_exchange_are_bad() {
    let mut guest = Guest::new().await;
    let pages = guest.pages().await;
    for fd in [0x8000_0000, 0x8000_1000, 0xFFFF_FFFD, u32::MAX] {
        assert_eq!(guest.read(fd, &[1]).await, Err(BAD_FILE));
        assert_eq!(guest.write(fd, &[b"x"]).await, Err(BAD_FILE));
    }
    assert_eq!(guest.pages().await, pages, "nothing was made");
    let (mut guest, id, _) = exchange(CHUNKED).await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    guest.call(CLOSE, id, 0, b"").await;
    for fd in [id, connection, id + 0x1000].map(bodies) {
        assert_eq!(guest.read(fd, &[1]).await, Err(BAD_FILE));
        assert_eq!(guest.write(fd, &[b"x"]).await, Err(BAD_FILE));
    }
    // The channel goes on.
    let reply = guest.call(POLL, 0, 0, &poll(0, &[])).await;
    assert_eq!(reply, Reply::value(0));
}

#[tokio::test]
async fn buffers_over_the_adapters_memory_do_not_trap() {
    let (mut guest, id, state) = exchange(CHUNKED).await;
    state.send_modify(|state| state.head = Some(Ok(head(&[]))));
    guest.call(HEAD, id, 0, b"").await;
    let end = guest.pages().await * 0x1_0000;
    for start in (DATA..end).step_by(0x1_0000) {
        state.send_modify(|state| {
            state.received = Bytes::from_static(&[0; 300]);
            state.permit = 300;
        });
        for name in ["fd-read", "fd-write"] {
            let (list, count) = guest.list(&[(start, 300)]).await;
            // Whatever it answers: this program harms itself.
            guest.raw(name, bodies(id), list, count, 64).await;
        }
    }
}
