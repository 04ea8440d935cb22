//! Frames that do not parse.

use crate::exchanges::exchange;
use crate::frames::command::*;
use crate::frames::{FOREVER, PROGRESS, READABLE, Reply, Tls, WRITABLE};
use crate::frames::{connect, fault, frame, poll, request, start_tls};
use crate::guest::{CONTROL, Guest};

/// Sends a frame that is refused, and checks that the channel is unchanged.
async fn refused(guest: &mut Guest, frame: &[u8], code: u8) {
    let shown = &frame[..frame.len().min(64)];
    assert_eq!(guest.send(frame).await, Reply::fault(code), "{shown:x?}");
    let reply = guest.call(POLL, 0, 0, &poll(0, &[])).await;
    assert_eq!(reply, Reply::value(0));
}

#[tokio::test]
async fn headers_that_do_not_parse_are_refused() {
    let mut guest = Guest::new().await;
    let good = frame(POLL, 0, 0, &poll(0, &[]));
    for end in 0..16 {
        refused(&mut guest, &good[..end], fault::FRAME).await;
    }
    for (offset, value, code) in [
        (0, 0, fault::VERSION),
        (0, 2, fault::VERSION),
        (1, 0, fault::COMMAND),
        (1, 13, fault::COMMAND),
        (1, 255, fault::COMMAND),
        (2, 1, fault::FRAME),
        (3, 128, fault::FRAME),
        (12, 7, fault::FRAME),
        (12, 9, fault::FRAME),
        (15, 255, fault::FRAME),
    ] {
        let mut bad = good.clone();
        bad[offset] = value;
        refused(&mut guest, &bad, code).await;
    }
    assert_eq!(guest.write(CONTROL, &[]).await, Ok(0));
    assert_eq!(guest.reply().await, Reply::fault(fault::FRAME));
}

#[tokio::test]
async fn arguments_and_ids_where_none_belong_are_refused() {
    let (mut guest, exchange, _) = exchange(2).await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for command in [STATUS, TLS_INFO, CLOSE] {
        refused(
            &mut guest,
            &frame(command, connection, 1, b""),
            fault::FRAME,
        )
        .await;
        refused(
            &mut guest,
            &frame(command, connection, 0, b"x"),
            fault::FRAME,
        )
        .await;
    }
    for command in [FINISH, HEAD, CLOSE] {
        refused(&mut guest, &frame(command, exchange, 1, b""), fault::FRAME).await;
        refused(&mut guest, &frame(command, exchange, 0, b"x"), fault::FRAME).await;
    }
    refused(&mut guest, &frame(WRITE, exchange, 1, b"x"), fault::FRAME).await;
    refused(&mut guest, &frame(READ, exchange, 0, b""), fault::FRAME).await;
    refused(&mut guest, &frame(READ, exchange, 1, b"x"), fault::FRAME).await;
    refused(
        &mut guest,
        &frame(CONNECT, 1, 80, &connect(0, b"a")),
        fault::FRAME,
    )
    .await;
    refused(
        &mut guest,
        &frame(CONNECT, 0, 65536, &connect(0, b"a")),
        fault::FRAME,
    )
    .await;
    refused(&mut guest, &frame(POLL, 1, 0, &poll(0, &[])), fault::FRAME).await;
    refused(&mut guest, &frame(POLL, 0, 1, &poll(0, &[])), fault::FRAME).await;
    for settings in [3, 7, 11, 19, 24, 29, 35, 99, 128, 129, 0x100, u32::MAX] {
        refused(
            &mut guest,
            &frame(START_TLS, connection, settings, &start_tls(b"a", &[])),
            fault::FRAME,
        )
        .await;
    }
    for (id, arg) in [(1, 0), (0, 1), (connection, 0), (0, u32::MAX)] {
        refused(&mut guest, &frame(RESOLVE, id, arg, b"a"), fault::FRAME).await;
    }
    let lookup = guest.call(RESOLVE, 0, 0, b"a").await.id();
    for command in [STATUS, CLOSE] {
        refused(&mut guest, &frame(command, lookup, 1, b""), fault::FRAME).await;
        refused(&mut guest, &frame(command, lookup, 0, b"x"), fault::FRAME).await;
    }
    for (arg, size) in [(0, 1), (2, 1), (3, 0), (u32::MAX, 0)] {
        let payload = request(size, b"GET", b"/", &[]);
        refused(
            &mut guest,
            &frame(REQUEST, connection, arg, &payload),
            fault::FRAME,
        )
        .await;
    }
}

#[tokio::test]
async fn payloads_that_are_cut_or_too_long_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let tls = Tls {
        name: b"name",
        alpn: &[b"h2", b"x"],
        roots: &[b"root", b""],
        certificates: &[b"leaf", b"issuer"],
        key: b"key",
    };
    for (command, payload, id) in [
        (CONNECT, connect(0, b""), 0),
        (START_TLS, tls.payload(), id),
        (
            REQUEST,
            request(0, b"GET", b"/", &[(b"a", b"b"), (b"c", b"d")]),
            id,
        ),
    ] {
        for end in 0..payload.len() {
            refused(
                &mut guest,
                &frame(command, id, 0, &payload[..end]),
                fault::FRAME,
            )
            .await;
        }
    }
    for (command, payload) in [
        (REQUEST, request(0, b"GET", b"/", &[])),
        (START_TLS, tls.payload()),
        (START_TLS, start_tls(b"", &[])),
    ] {
        let longer = [&payload[..], b"x"].concat();
        refused(&mut guest, &frame(command, id, 0, &longer), fault::FRAME).await;
    }
    for entry_end in 9..16 {
        let payload = &poll(0, &[(id, PROGRESS)])[..entry_end];
        refused(&mut guest, &frame(POLL, 0, 0, payload), fault::FRAME).await;
    }
}

#[tokio::test]
async fn counts_and_lengths_that_promise_more_than_there_is_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let good = request(0, b"GET", b"/", &[(b"a", b"b")]);
    // The lengths of method and path, the count, and the field's lengths.
    for offset in [8, 13, 14, 15, 16, 18, 20, 22, 23, 24, 25] {
        let mut bad = good.clone();
        bad[offset] = 255;
        refused(&mut guest, &frame(REQUEST, id, 0, &bad), fault::FRAME).await;
    }
    let good = Tls {
        name: b"n",
        alpn: &[b"h2"],
        roots: &[b"root"],
        certificates: &[b"leaf"],
        key: b"key",
    };
    let good = good.payload();
    // The lengths of the name, of the list of protocols and of one, the counts of roots and
    // certificates, the lengths of one of each, and that of the key.
    for offset in [0, 1, 3, 4, 5, 8, 9, 10, 12, 13, 18, 19, 20, 23, 28, 29, 31] {
        let mut bad = good.clone();
        bad[offset] = 255;
        refused(&mut guest, &frame(START_TLS, id, 1, &bad), fault::FRAME).await;
    }
}

#[tokio::test]
async fn a_client_certificate_without_its_key_and_a_key_alone_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let certificates: [&[&[u8]]; 3] = [&[], &[b"leaf"], &[b""]];
    for (certificates, key) in [
        (certificates[0], &b"key"[..]),
        (certificates[1], b""),
        (certificates[2], b""),
    ] {
        let tls = Tls {
            certificates,
            key,
            ..Tls::default()
        };
        let frame = frame(START_TLS, id, 1, &tls.payload());
        refused(&mut guest, &frame, fault::FRAME).await;
    }
}

#[tokio::test]
async fn texts_that_are_not_utf_8_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for text in [
        &b"\xff"[..],
        b"a\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ] {
        refused(
            &mut guest,
            &frame(CONNECT, 0, 80, &connect(0, text)),
            fault::FRAME,
        )
        .await;
        refused(
            &mut guest,
            &frame(START_TLS, id, 0, &start_tls(text, &[])),
            fault::FRAME,
        )
        .await;
        refused(&mut guest, &frame(RESOLVE, 0, 0, text), fault::FRAME).await;
    }
    assert!(guest.host().lookups.is_empty());
}

#[tokio::test]
async fn protocol_lists_that_no_handshake_can_carry_are_refused() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for alpn in [&[&b""[..]][..], &[b"h2", b""], &[&[b'x'; 255][..]; 256]] {
        refused(
            &mut guest,
            &frame(START_TLS, id, 0, &start_tls(b"", alpn)),
            fault::FRAME,
        )
        .await;
    }
}

#[tokio::test]
async fn poll_entries_that_ask_for_nothing_or_something_unknown_are_refused() {
    let (mut guest, id, _) = exchange(2).await;
    for interests in [0, 8, 128, 255] {
        let payload = poll(0, &[(id, PROGRESS), (id, interests)]);
        refused(&mut guest, &frame(POLL, 0, 0, &payload), fault::FRAME).await;
    }
    for padding in 1..4 {
        let mut payload = poll(0, &[(id, PROGRESS)]);
        payload[12 + padding] = 1;
        refused(&mut guest, &frame(POLL, 0, 0, &payload), fault::FRAME).await;
    }
    refused(
        &mut guest,
        &frame(POLL, 0, 0, &poll(FOREVER, &[])),
        fault::FRAME,
    )
    .await;
}

#[tokio::test]
async fn payloads_of_more_than_the_adapter_takes_are_refused() {
    let (mut guest, id, _) = exchange(2).await;
    let large = vec![b'a'; 1024 * 1024 + 1];
    for command in [
        CONNECT, STATUS, START_TLS, TLS_INFO, REQUEST, FINISH, HEAD, READ, POLL, CLOSE, RESOLVE,
    ] {
        refused(&mut guest, &frame(command, 0, 0, &large), fault::SIZE).await;
    }
    let entries = vec![(id, PROGRESS); 4097];
    refused(
        &mut guest,
        &frame(POLL, 0, 0, &poll(0, &entries)),
        fault::SIZE,
    )
    .await;
}

#[tokio::test]
async fn ids_of_nothing_and_of_another_kind_are_refused() {
    let (mut guest, exchange, _) = exchange(2).await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let closed = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    guest.call(CLOSE, closed, 0, b"").await;
    let reused = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    assert_eq!((reused & 0xFFF, reused == closed), (closed & 0xFFF, false));

    let request = request(0, b"GET", b"/", &[]);
    let tls = start_tls(b"", &[]);
    let unknown = [
        0,
        1,
        0xFFF,
        0x1FFF,
        u32::MAX,
        closed,
        connection + 0x1000,
        exchange + 0x1000,
    ];
    let on_connections: [(u8, u32, &[u8]); 4] = [
        (STATUS, 0, b""),
        (START_TLS, 1, &tls),
        (TLS_INFO, 0, b""),
        (REQUEST, 0, &request),
    ];
    let on_exchanges: [(u8, u32, &[u8]); 5] = [
        (WRITE, 0, b"a"),
        (WRITE, 0, b""),
        (FINISH, 0, b""),
        (HEAD, 0, b""),
        (READ, 1, b""),
    ];
    let lookup = guest.call(RESOLVE, 0, 0, b"a").await.id();
    for (command, arg, payload) in on_connections {
        // The status of a lookup can be read.
        let other = (command != STATUS).then_some(lookup);
        for id in unknown.into_iter().chain([exchange]).chain(other) {
            refused(&mut guest, &frame(command, id, arg, payload), fault::HANDLE).await;
        }
    }
    for (command, arg, payload) in on_exchanges {
        for id in unknown.into_iter().chain([connection, lookup]) {
            refused(&mut guest, &frame(command, id, arg, payload), fault::HANDLE).await;
        }
    }
    for id in unknown {
        refused(&mut guest, &frame(CLOSE, id, 0, b""), fault::HANDLE).await;
        let payload = poll(0, &[(connection, PROGRESS), (id, PROGRESS)]);
        refused(&mut guest, &frame(POLL, 0, 0, &payload), fault::HANDLE).await;
    }
    for interests in [READABLE, WRITABLE, PROGRESS | READABLE] {
        for id in [connection, lookup] {
            let payload = poll(0, &[(id, interests)]);
            refused(&mut guest, &frame(POLL, 0, 0, &payload), fault::HANDLE).await;
        }
    }
}
