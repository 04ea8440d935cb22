//! request and head.

use crate::frames::command::{CONNECT, HEAD, REQUEST};
use crate::frames::{Reply, connect, fault, request};
use crate::guest::Guest;
use crate::mock::{BodyKind, ErrorCode, ExchangeState, HttpVersion, ResponseHead, Shared};

/// A program with one connection and one exchange of the body kind.
pub async fn exchange(kind: u32) -> (Guest, u32, Shared<ExchangeState>) {
    let mut guest = Guest::new().await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let payload = request(0, b"POST", b"/", &[]);
    let id = guest.call(REQUEST, connection, kind, &payload).await.id();
    let state = guest.host().exchanges[0].clone();
    (guest, id, state)
}

/// A response head with these fields.
pub fn head(fields: &[(&[u8], &[u8])]) -> ResponseHead {
    ResponseHead {
        status: 200,
        version: HttpVersion::Http11,
        reason: b"OK".to_vec(),
        fields: fields
            .iter()
            .map(|(n, v)| (n.to_vec(), v.to_vec()))
            .collect(),
    }
}

#[tokio::test]
async fn request_passes_every_byte_in_order() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let all: Vec<u8> = (0..=255).collect();
    let long = vec![b'v'; 200_000];
    let fields: [(&[u8], &[u8]); 5] = [
        (b"A", b"1"),
        (b"a", b"2"),
        (b"", b""),
        (&all, &long),
        (b"A", b"1"),
    ];
    let payload = request(0, b"M\xff", &all, &fields);
    guest.call(REQUEST, id, 0, &payload).await.id();
    let state = guest.host().exchanges[0].clone();
    let state = state.borrow();
    assert_eq!(state.method, b"M\xff");
    assert_eq!(state.path, all);
    assert_eq!(
        state.fields,
        fields.map(|(name, value)| (name.to_vec(), value.to_vec()))
    );
}

#[tokio::test]
async fn request_passes_the_kind_of_its_body() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for (arg, size, kind) in [
        (0, 0, BodyKind::None),
        (1, 0, BodyKind::Sized(0)),
        (1, u64::MAX, BodyKind::Sized(u64::MAX)),
        (2, 0, BodyKind::Chunked),
    ] {
        let payload = request(size, b"GET", b"/", &[]);
        guest.call(REQUEST, id, arg, &payload).await.id();
        let state = guest.host().exchanges.pop().unwrap();
        let given = state.borrow().kind;
        assert_eq!(format!("{given:?}"), format!("{:?}", Some(kind)));
    }
}

#[tokio::test]
async fn a_request_may_have_as_many_fields_as_its_count_can_say() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let fields = vec![(&b"n"[..], &b"v"[..]); 65535];
    let payload = request(0, b"GET", b"/", &fields);
    guest.call(REQUEST, id, 0, &payload).await.id();
    let state = guest.host().exchanges[0].clone();
    assert_eq!(state.borrow().fields.len(), 65535);
    assert!(
        state
            .borrow()
            .fields
            .iter()
            .all(|field| *field == (b"n".to_vec(), b"v".to_vec()))
    );
}

#[tokio::test]
async fn head_is_pending_then_given_once_then_closed() {
    let (mut guest, id, state) = exchange(0).await;
    assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::Pending);
    let fields: [(&[u8], &[u8]); 3] = [
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=\xff"),
        (b"X", b""),
    ];
    state.send_modify(|state| state.head = Some(Ok(head(&fields))));
    let mut expected = vec![200, 0, 11, 0, 2, 0];
    expected.extend(b"OK\x03\x00");
    for (name, value) in fields {
        expected.extend((name.len() as u16).to_le_bytes());
        expected.extend((value.len() as u32).to_le_bytes());
        expected.extend(name);
        expected.extend(value);
    }
    assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::bytes(&expected));
    assert_eq!(
        guest.call(HEAD, id, 0, b"").await,
        Reply::error(10, 0, "", b"")
    );
}

#[tokio::test]
async fn head_tells_versions_and_failures() {
    for (version, byte) in [
        (HttpVersion::Http10, 10),
        (HttpVersion::Http11, 11),
        (HttpVersion::Http2, 20),
        (HttpVersion::Unknown, 0),
    ] {
        let (mut guest, id, state) = exchange(0).await;
        let answer = ResponseHead {
            status: 599,
            version,
            reason: Vec::new(),
            fields: Vec::new(),
        };
        state.send_modify(|state| state.head = Some(Ok(answer)));
        let expected = [0x57, 0x02, byte, 0, 0, 0, 0, 0];
        assert_eq!(guest.call(HEAD, id, 0, b"").await, Reply::bytes(&expected));
    }
    let (mut guest, id, state) = exchange(0).await;
    state.send_modify(|state| state.head = Some(Err(ErrorCode::Reset)));
    assert_eq!(
        guest.call(HEAD, id, 0, b"").await,
        Reply::error(5, 0, "", b"")
    );
}

#[tokio::test]
async fn a_head_larger_than_the_first_chunk_of_memory_is_whole() {
    let (mut guest, id, state) = exchange(0).await;
    let values: Vec<Vec<u8>> = (0..2000_u32).map(|n| vec![n as u8; 1000]).collect();
    let fields: Vec<(&[u8], &[u8])> = values.iter().map(|v| (&b"name"[..], &v[..])).collect();
    state.send_modify(|state| state.head = Some(Ok(head(&fields))));
    let Reply::Ok { payload, .. } = guest.call(HEAD, id, 0, b"").await else {
        panic!("no head");
    };
    let fields = payload[10..].chunks(6 + 4 + 1000);
    assert_eq!(fields.len(), values.len());
    for (field, value) in fields.zip(&values) {
        assert_eq!(&field[10..], value);
    }
}

#[tokio::test]
async fn a_head_with_more_fields_than_a_reply_can_count_is_a_size_error() {
    let (mut guest, id, state) = exchange(0).await;
    let fields = vec![(&b""[..], &b""[..]); 65536];
    state.send_modify(|state| state.head = Some(Ok(head(&fields))));
    assert_eq!(
        guest.call(HEAD, id, 0, b"").await,
        Reply::fault(fault::SIZE)
    );
}
