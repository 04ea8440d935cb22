//! File descriptors, buffers, and the reading of replies.

use crate::frames::command::{CONNECT, STATUS};
use crate::frames::{Reply, connect, fault, frame};
use crate::guest::{CONTROL, DATA, Guest, PAGES};

const AGAIN: u32 = 6;
const BAD_DESCRIPTOR: u32 = 8;
const FAULT: u32 = 21;
const INVALID: u32 = 28;

#[tokio::test]
async fn other_descriptors_are_the_upstream_adapters() {
    let mut guest = Guest::new().await;
    assert_eq!(guest.write(1, &[b"hel", b"", b"lo"]).await, Ok(3));
    assert_eq!(guest.stdout.contents(), "hel");
    for fd in [77, CONTROL - 1, CONTROL + 1] {
        assert_eq!(guest.write(fd, &[b"hello"]).await, Err(BAD_DESCRIPTOR));
        assert_eq!(guest.read(fd, &[5]).await, Err(BAD_DESCRIPTOR));
        assert_eq!(guest.fdstat(fd).await, Err(BAD_DESCRIPTOR));
    }
}

#[tokio::test]
async fn the_channel_is_a_character_device() {
    let mut guest = Guest::new().await;
    let mut expected = [0; 24];
    expected[0] = 2;
    expected[8] = 1 << 1 | 1 << 6;
    assert_eq!(guest.fdstat(CONTROL).await, Ok(expected.to_vec()));
}

#[tokio::test]
async fn reading_before_the_first_frame_is_again() {
    let mut guest = Guest::new().await;
    assert_eq!(guest.read(CONTROL, &[16]).await, Err(AGAIN));
    guest.call(STATUS, 0, 0, b"").await;
    assert_eq!(guest.read(CONTROL, &[16]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_frame_may_be_cut_anywhere() {
    let mut guest = Guest::new().await;
    let whole = frame(CONNECT, 0, 80, &connect(7, b"example.com"));
    for first in 0..=whole.len() {
        for second in first..=whole.len() {
            let parts = [
                &whole[..first],
                b"",
                &whole[first..second],
                &whole[second..],
            ];
            assert_eq!(guest.write(CONTROL, &parts).await, Ok(whole.len() as u32));
            assert!(
                matches!(guest.reply().await, Reply::Ok { .. }),
                "{first} {second}"
            );
        }
    }
    for state in &guest.host().connections {
        let state = state.borrow();
        assert_eq!(
            (&*state.host, state.port, state.timeout),
            ("example.com", 80, Some(7))
        );
    }
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let mut guest = Guest::new().await;
    let whole = frame(CONNECT, 0, 443, &connect(0, b"example.org"));
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(guest.write(CONTROL, &bytes).await, Ok(whole.len() as u32));
    assert!(matches!(guest.reply().await, Reply::Ok { .. }));
    assert_eq!(guest.host().connections[0].borrow().host, "example.org");
}

#[tokio::test]
async fn a_reply_may_be_read_in_pieces_of_any_size() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let failure = crate::mock::ErrorCode::Invalid("a text of some length".to_owned());
    guest.host().connections[0].send_modify(|state| state.phase = Some(Err(failure)));
    let expected = Reply::error(11, 0, "a text of some length", b"");
    for sizes in [
        &[1][..],
        &[0, 3, 0, 5],
        &[16],
        &[15, 1, 1],
        &[17],
        &[100],
        &[16, 100],
    ] {
        let frame = frame(STATUS, id, 0, b"");
        guest.write(CONTROL, &[&frame]).await.unwrap();
        let mut whole = Vec::new();
        loop {
            let piece = guest.read(CONTROL, sizes).await.unwrap();
            if piece.is_empty() {
                break;
            }
            whole.extend(piece);
        }
        assert_eq!(Reply::parse(&whole), expected, "{sizes:?}");
    }
}

#[tokio::test]
async fn a_reply_that_was_not_read_is_dropped_by_the_next_frame() {
    let mut guest = Guest::new().await;
    let frame = frame(CONNECT, 0, 80, &connect(0, b"a"));
    guest.write(CONTROL, &[&frame]).await.unwrap();
    assert_eq!(guest.read(CONTROL, &[5]).await.unwrap().len(), 5);
    assert_eq!(
        guest.call(STATUS, 1, 0, b"").await,
        Reply::fault(fault::HANDLE)
    );
    assert_eq!(guest.host().connections.len(), 1);
}

#[tokio::test]
async fn addresses_outside_the_memory_are_faults_and_nothing_is_carried_out() {
    let mut guest = Guest::new().await;
    let end = PAGES * 0x1_0000;
    let frame = frame(CONNECT, 0, 80, &connect(0, b"a"));
    let size = frame.len() as u32;
    guest.poke(DATA, &frame).await;
    let good = guest.list(&[(DATA, size)]).await;
    for (list, count, result) in [
        (good.0, good.1, 0),
        (good.0, good.1, u32::MAX),
        (good.0, 0x2000_0000, 64),
        (0, 1, 64),
        (u32::MAX - 3, 1, 64),
        (good.0, u32::MAX, 64),
    ] {
        for name in ["fd-write", "fd-read"] {
            let errno = guest.raw(name, CONTROL, list, count, result).await;
            assert_eq!(errno, FAULT, "{name} {list:x} {count:x} {result:x}");
        }
    }
    for buffer in [
        (0, 1),
        (end + 0x10_0000, 1),
        (DATA, u32::MAX),
        (u32::MAX, u32::MAX),
    ] {
        let (list, count) = guest.list(&[(DATA, size), buffer]).await;
        for name in ["fd-write", "fd-read"] {
            let errno = guest.raw(name, CONTROL, list, count, 64).await;
            assert_eq!(errno, FAULT, "{name} {buffer:x?}");
        }
    }
    assert_eq!(guest.raw("fd-write", CONTROL, good.0, good.1, 64).await, 0);
    assert_eq!(guest.host().connections.len(), 1);
}

#[tokio::test]
async fn buffers_of_two_gigabytes_together_are_invalid() {
    let mut guest = Guest::new().await;
    let large = 0x40_0000;
    let (list, count) = guest.list(&[(DATA, large); 512]).await;
    for name in ["fd-write", "fd-read"] {
        assert_eq!(guest.raw(name, CONTROL, list, count, 64).await, INVALID);
    }
}

#[tokio::test]
async fn buffers_that_overlap_their_own_list_do_no_harm() {
    let mut guest = Guest::new().await;
    guest.call(STATUS, 0, 0, b"").await;
    let frame = frame(STATUS, 1, 0, b"");
    guest.write(CONTROL, &[&frame]).await.unwrap();
    // The first buffer is the second one's entry in the list.
    let (list, _) = guest.list(&[(0, 0)]).await;
    let (list, count) = guest.list(&[(list + 8, 8), (DATA, 8)]).await;
    assert_eq!(guest.raw("fd-read", CONTROL, list, count, 64).await, 0);
    assert_eq!(
        guest.call(STATUS, 0, 0, b"").await,
        Reply::fault(fault::HANDLE)
    );
}
