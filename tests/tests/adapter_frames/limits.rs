//! Running out of handles and of memory.

use bytes::Bytes;

use crate::exchanges::head;
use crate::frames::command::{CLOSE, CONNECT, HEAD, READ, REQUEST, START_TLS, STATUS};
use crate::frames::{Reply, Tls, connect, fault, frame, request};
use crate::guest::{CONTROL, Guest, PAGES};
use crate::mock::ErrorCode;

const NO_MEMORY: u32 = 48;
/// What the two adapters' stacks and this one's state take, and a little more, but less than the
/// smallest step by which the adapter's memory grows.
const TAKEN: u32 = 16;

#[tokio::test]
async fn a_handle_is_refused_before_the_host_is_asked_when_all_are_in_use() {
    let mut guest = Guest::new().await;
    let mut ids = Vec::new();
    for _ in 0..4096 {
        ids.push(guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id());
    }
    let get = request(0, b"GET", b"/", &[]);
    let full = Reply::fault(fault::HANDLES);
    assert_eq!(guest.call(CONNECT, 0, 80, &connect(0, b"a")).await, full);
    assert_eq!(guest.call(REQUEST, ids[0], 0, &get).await, full);
    assert_eq!(guest.host().connections.len(), 4096);
    assert_eq!(guest.host().exchanges.len(), 0);

    assert_eq!(guest.call(CLOSE, ids[7], 0, b"").await, Reply::value(0));
    let exchange = guest.call(REQUEST, ids[0], 0, &get).await.id();
    assert_eq!(guest.call(CONNECT, 0, 80, &connect(0, b"a")).await, full);
    ids[7] = exchange;
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 4096);
    for id in ids {
        assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
    }
    assert!(guest.host().table.is_empty());
}

#[tokio::test]
async fn an_id_is_not_given_again() {
    let mut guest = Guest::new().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20_000 {
        let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
        assert!(seen.insert(id));
        guest.call(CLOSE, id, 0, b"").await;
        guest.host().connections.clear();
    }
}

#[tokio::test]
async fn without_room_for_its_state_a_frame_is_out_of_memory() {
    let mut guest = Guest::with_most_pages(PAGES + 4).await;
    let frame = frame(CONNECT, 0, 80, &connect(0, b"a"));
    for _ in 0..2 {
        assert_eq!(guest.write(CONTROL, &[&frame]).await, Err(NO_MEMORY));
    }
    assert!(guest.host().connections.is_empty());
    assert!(guest.fdstat(CONTROL).await.is_ok());
}

#[tokio::test]
async fn what_does_not_fit_into_the_memory_is_an_error_and_the_channel_goes_on() {
    let mut guest = Guest::with_most_pages(PAGES + TAKEN).await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let memory = Reply::fault(fault::MEMORY);

    // A payload that has to be assembled, and fields whose list is larger than their bytes.
    let large = frame(REQUEST, id, 0, &request(0, b"GET", &[b'/'; 700_000], &[]));
    guest
        .write(CONTROL, &[&large[..100], &large[100..]])
        .await
        .unwrap();
    assert_eq!(guest.reply().await, memory);
    let many = request(0, b"GET", b"/", &vec![(&b""[..], &b""[..]); 65535]);
    assert_eq!(guest.call(REQUEST, id, 0, &many).await, memory);
    assert!(guest.host().exchanges.is_empty());

    // The lists of a handshake, each of which would fit by itself.
    let few = Tls {
        roots: &vec![&b""[..]; 30_000],
        ..Tls::default()
    };
    let many = Tls {
        certificates: &vec![&b"c"[..]; 30_000],
        key: b"key",
        ..few
    };
    let state = guest.host().connections[0].clone();
    let reply = guest.call(START_TLS, id, 5, &many.payload()).await;
    assert_eq!((reply, state.borrow().asked.is_some()), (memory, false));
    let reply = guest.call(START_TLS, id, 5, &few.payload()).await;
    assert_eq!(reply, Reply::value(0));

    // In one piece it needs no memory.
    guest.send(&large).await.id();
    assert_eq!(guest.host().exchanges[0].borrow().path.len(), 700_000);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_into_the_memory_is_an_error_and_the_channel_goes_on() {
    let mut guest = Guest::with_most_pages(PAGES + TAKEN).await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let memory = Reply::fault(fault::MEMORY);
    let value = [b'v'; 300];
    // Many fields, and one whose bytes by themselves leave no room for the reply.
    for fields in [
        vec![(&b"name"[..], &value[..]); 3000],
        vec![(&b"name"[..], &[b'v'; 400_000])],
    ] {
        let get = request(0, b"GET", b"/", &[]);
        let exchange = guest.call(REQUEST, id, 0, &get).await.id();
        let state = guest.host().exchanges.pop().unwrap();
        state.send_modify(|state| state.head = Some(Ok(head(&fields))));
        assert_eq!(guest.call(HEAD, exchange, 0, b"").await, memory);

        state.send_modify(|state| state.received = Bytes::from(vec![7; 300_000]));
        for size in [131_072, 131_072, 37_856] {
            let reply = guest.call(READ, exchange, u32::MAX, b"").await;
            assert_eq!(reply, Reply::bytes(&vec![7; size]));
        }
    }
    let text = "x".repeat(400_000);
    let state = guest.host().connections[0].clone();
    state.send_modify(|state| state.phase = Some(Err(ErrorCode::Invalid(text))));
    assert_eq!(guest.call(STATUS, id, 0, b"").await, memory);
    state.send_modify(|state| state.phase = Some(Err(ErrorCode::Invalid("x".to_owned()))));
    assert_eq!(
        guest.call(STATUS, id, 0, b"").await,
        Reply::error(11, 0, "x", b"")
    );
}

#[tokio::test]
async fn the_program_may_grow_its_memory_between_frames() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let get = request(0, b"GET", b"/", &[]);
    for size in [100_000, 600_000, 2_000_000, 100_000] {
        guest.grow(3).await;
        let exchange = guest.call(REQUEST, id, 0, &get).await.id();
        let state = guest.host().exchanges.pop().unwrap();
        let value = vec![b'v'; size];
        state.send_modify(|state| state.head = Some(Ok(head(&[(b"n", &value)]))));
        let Reply::Ok { payload, .. } = guest.call(HEAD, exchange, 0, b"").await else {
            panic!("no head");
        };
        assert!(payload.ends_with(&value));
    }
}

#[tokio::test]
async fn a_steady_flow_of_frames_does_not_grow_the_memory() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let fields = vec![(&b"name"[..], &b"value"[..]); 20_000];
    let post = request(0, b"POST", b"/", &fields);
    let mut pages = 0;
    for round in 0..20 {
        let exchange = guest.call(REQUEST, id, 0, &post).await.id();
        let state = guest.host().exchanges.pop().unwrap();
        state.send_modify(|state| state.head = Some(Ok(head(&fields))));
        assert!(matches!(
            guest.call(HEAD, exchange, 0, b"").await,
            Reply::Ok { .. }
        ));
        guest.call(CLOSE, exchange, 0, b"").await;
        if round == 0 {
            pages = guest.pages().await;
        }
    }
    assert_eq!(guest.pages().await, pages);
}
