//! resolve, and the frames on a lookup.

use crate::frames::command::{CLOSE, CONNECT, POLL, RESOLVE, STATUS};
use crate::frames::{FOREVER, PROGRESS, Reply, connect, fault, frame, poll};
use crate::guest::{CONTROL, Guest};
use crate::mock::{Denial, DenyReason, DnsFailure, ErrorCode, IpAddress, Phase};

#[tokio::test]
async fn resolve_passes_the_host_however_it_is_written() {
    let mut guest = Guest::new().await;
    for host in ["example.com", "bücher.example", "", "2001:db8::1"] {
        let frame = frame(RESOLVE, 0, 0, host.as_bytes());
        let (first, second) = frame.split_at(frame.len() / 2);
        guest.write(CONTROL, &[first, second]).await.unwrap();
        let id = guest.reply().await.id();
        let state = guest.host().lookups.pop().unwrap();
        assert_eq!(state.borrow().host, host);
        assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
        assert!(state.borrow().closed);
    }
}

#[tokio::test]
async fn the_status_of_a_lookup_is_pending_until_it_is_answered_and_then_stays() {
    for (answer, expected) in [
        (Ok(()), Reply::value(0)),
        (
            Err(ErrorCode::Dns(DnsFailure::NotFound)),
            Reply::error(2, 0, "", b""),
        ),
        (
            Err(ErrorCode::Timeout(Phase::Resolve)),
            Reply::error(6, 0, "", b""),
        ),
    ] {
        let mut guest = Guest::new().await;
        let id = guest.call(RESOLVE, 0, 0, b"a").await.id();
        let state = guest.host().lookups[0].clone();
        for _ in 0..2 {
            assert_eq!(guest.call(STATUS, id, 0, b"").await, Reply::Pending);
        }
        state.send_modify(|state| state.answer = Some(answer));
        for _ in 0..2 {
            assert_eq!(guest.call(STATUS, id, 0, b"").await, expected);
        }
        assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
        for command in [STATUS, CLOSE] {
            let reply = guest.call(command, id, 0, b"").await;
            assert_eq!(reply, Reply::fault(fault::HANDLE));
        }
    }
}

#[tokio::test]
async fn the_status_of_a_lookup_tells_its_addresses_in_order_once_it_has_ended_well() {
    let v4 = IpAddress::Ipv4((93, 184, 216, 34));
    let v6 = IpAddress::Ipv6((0x2001, 0xdb8, 0, 0, 0, 0, 0xff, 0xfe01));
    let v4_bytes = [4, 93, 184, 216, 34];
    let v6_bytes = [
        16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 1,
    ];
    for (addresses, payload) in [
        (vec![], vec![]),
        (vec![v4], v4_bytes.to_vec()),
        (vec![v6, v4], [&v6_bytes[..], &v4_bytes].concat()),
        (vec![v6; 64], v6_bytes.repeat(64)),
    ] {
        let mut guest = Guest::new().await;
        let id = guest.call(RESOLVE, 0, 0, b"a").await.id();
        let state = guest.host().lookups[0].clone();
        state.send_modify(|state| state.addresses = addresses);
        assert_eq!(guest.call(STATUS, id, 0, b"").await, Reply::Pending);
        state.send_modify(|state| state.answer = Some(Ok(())));
        for _ in 0..2 {
            let payload = payload.clone();
            let expected = Reply::Ok { value: 0, payload };
            assert_eq!(guest.call(STATUS, id, 0, b"").await, expected);
        }
        let failed = ErrorCode::Dns(DnsFailure::NotFound);
        state.send_modify(|state| state.answer = Some(Err(failed)));
        let reply = guest.call(STATUS, id, 0, b"").await;
        assert_eq!(reply, Reply::error(2, 0, "", b""));
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_opens_nothing() {
    let mut guest = Guest::new().await;
    let denial = Denial {
        reason: DenyReason::NoRule,
        rule: "default-deny".to_owned(),
        message: "no".to_owned(),
    };
    guest.host().refusal = Some(ErrorCode::Denied(denial));
    let reply = guest.call(RESOLVE, 0, 0, b"a").await;
    assert_eq!(reply, Reply::error(1, 0, "no", b"default-deny"));
    assert_eq!(guest.host().table.iter_mut().count(), 0);
}

#[tokio::test]
async fn a_lookup_is_waited_for_beside_a_connection() {
    let mut guest = Guest::new().await;
    let connection = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let lookup = guest.call(RESOLVE, 0, 0, b"b").await.id();
    let entries = [(connection, PROGRESS), (lookup, PROGRESS)];
    let reply = guest.call(POLL, 0, 0, &poll(0, &entries)).await;
    assert_eq!(
        reply,
        Reply::Ok {
            value: 0,
            payload: vec![0, 0]
        }
    );
    guest.host().lookups[0].send_modify(|state| state.answer = Some(Ok(())));
    for timeout in [0, FOREVER] {
        let reply = guest.call(POLL, 0, 0, &poll(timeout, &entries)).await;
        let payload = vec![0, PROGRESS];
        assert_eq!(reply, Reply::Ok { value: 1, payload });
    }
    // Nothing remains of the wait.
    assert_eq!(guest.host().table.iter_mut().count(), 2);
}

#[tokio::test]
async fn lookups_take_slots_like_anything_else() {
    let mut guest = Guest::new().await;
    let mut ids = Vec::new();
    for _ in 0..4096 {
        ids.push(guest.call(RESOLVE, 0, 0, b"a").await.id());
    }
    let full = Reply::fault(fault::HANDLES);
    assert_eq!(guest.call(RESOLVE, 0, 0, b"a").await, full);
    assert_eq!(guest.call(CONNECT, 0, 80, &connect(0, b"a")).await, full);
    guest.call(CLOSE, ids[7], 0, b"").await;
    let id = guest.call(RESOLVE, 0, 0, b"a").await.id();
    assert!(!ids.contains(&id));
}
