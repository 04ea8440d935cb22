//! connect, status, start-tls, tls-info and close.

use crate::frames::command::{CLOSE, CONNECT, REQUEST, START_TLS, STATUS, TLS_INFO, WRITE};
use crate::frames::{Reply, Tls, connect, fault, request, start_tls};
use crate::guest::Guest;
use crate::mock::{ChainChecks, ErrorCode, TlsInfo, TlsVersions, Verification};

#[tokio::test]
async fn connect_passes_host_port_and_timeout() {
    let mut guest = Guest::new().await;
    for (timeout, port, host) in [
        (0, 80, "example.com"),
        (1, 65535, "bücher.example"),
        (u64::MAX, 0, ""),
        (5_000_000_000, 443, "2001:db8::1"),
    ] {
        let payload = connect(timeout, host.as_bytes());
        guest.call(CONNECT, 0, port, &payload).await.id();
        let state = guest.host().connections.pop().unwrap();
        let state = state.borrow();
        assert_eq!((&*state.host, u32::from(state.port)), (host, port));
        assert_eq!(state.timeout, (timeout != 0).then_some(timeout));
    }
}

#[tokio::test]
async fn status_is_pending_until_the_phase_ends_and_then_stays() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let state = guest.host().connections[0].clone();
    assert_eq!(guest.call(STATUS, id, 0, b"").await, Reply::Pending);
    assert_eq!(guest.call(STATUS, id, 0, b"").await, Reply::Pending);
    state.send_modify(|state| state.phase = Some(Ok(())));
    assert_eq!(guest.call(STATUS, id, 0, b"").await, Reply::value(0));
    state.send_modify(|state| state.phase = Some(Err(ErrorCode::Reset)));
    for _ in 0..2 {
        assert_eq!(
            guest.call(STATUS, id, 0, b"").await,
            Reply::error(5, 0, "", b"")
        );
    }
}

fn owned(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|item| item.to_vec()).collect()
}

#[tokio::test]
async fn start_tls_passes_every_setting() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 443, &connect(0, b"a")).await.id();
    let state = guest.host().connections[0].clone();
    let (long, large) = ([b'x'; 255], [0xFF; 100_000]);
    let everything = Tls {
        name: "ä".as_bytes(),
        alpn: &[b"\xff\x00", &long],
        roots: &[b"root", b"", &large],
        certificates: &[b"leaf", &large],
        key: b"\x00key",
    };
    let many = Tls {
        alpn: &vec![&b"x"[..]; 32767],
        roots: &vec![&b""[..]; 65535],
        certificates: &vec![&b"c"[..]; 65535],
        key: b"k",
        ..Tls::default()
    };
    let names = Tls {
        name: b"example.com",
        alpn: &[b"h2", b"http/1.1"],
        ..Tls::default()
    };
    let cases = [
        (0, Verification::None, Tls::default()),
        (1, Verification::Full, everything),
        (8 | 2, Verification::NameUnchecked, many),
        (4, Verification::None, everything),
        (16 | 5, Verification::Full, names),
        (6, Verification::NameUnchecked, Tls::default()),
        (32 | 1, Verification::Full, Tls::default()),
        (64 | 16 | 1, Verification::Full, names),
        (64 | 32 | 1, Verification::Full, many),
    ];
    for (settings, verification, tls) in cases {
        let reply = guest.call(START_TLS, id, settings, &tls.payload()).await;
        assert_eq!(reply, Reply::value(0));
        let (name, options) = state.borrow().asked.clone().unwrap();
        assert_eq!(name.as_bytes(), tls.name);
        assert_eq!(options.verification, verification);
        assert_eq!(options.host_roots, settings & 4 != 0);
        let versions = [TlsVersions::All, TlsVersions::V12, TlsVersions::V13];
        assert_eq!(options.versions, versions[(settings >> 3) as usize & 3]);
        let checks = [
            ChainChecks::Usual,
            ChainChecks::Strict,
            ChainChecks::Partial,
            ChainChecks::StrictPartial,
        ];
        assert_eq!(options.checks, checks[(settings >> 5) as usize]);
        assert!(options.roots == owned(tls.roots) && options.alpn == owned(tls.alpn));
        let client = options.client_certificate;
        let client = client.map(|client| (client.certificates, client.key));
        let expected = (owned(tls.certificates), tls.key.to_vec());
        assert!(client == (!tls.key.is_empty()).then_some(expected));
    }
    guest.host().refusal = Some(ErrorCode::Closed);
    let payload = start_tls(b"a", &[]);
    let reply = guest.call(START_TLS, id, 1, &payload).await;
    assert_eq!(reply, Reply::error(10, 0, "", b""));
}

#[tokio::test]
async fn tls_info_tells_everything_and_is_closed_without_a_session() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 443, &connect(0, b"a")).await.id();
    let state = guest.host().connections[0].clone();
    assert_eq!(
        guest.call(TLS_INFO, id, 0, b"").await,
        Reply::error(10, 0, "", b"")
    );
    let cipher = "TLS_AES_128_GCM_SHA256";
    let certificates = vec![vec![0; 3], Vec::new(), vec![0xFF; 100_000]];
    state.send_modify(|state| {
        state.tls = Some(TlsInfo {
            version: Some(0x0304),
            cipher: Some(cipher.to_owned()),
            alpn: b"h2".to_vec(),
            certificates: certificates.clone(),
        });
    });
    let mut expected = vec![0x04, 0x03, cipher.len() as u8];
    expected.extend(cipher.as_bytes());
    expected.extend(b"\x02h2\x03\x00");
    for der in &certificates {
        expected.extend((der.len() as u32).to_le_bytes());
        expected.extend(der);
    }
    for _ in 0..2 {
        assert_eq!(
            guest.call(TLS_INFO, id, 0, b"").await,
            Reply::bytes(&expected)
        );
    }
}

#[tokio::test]
async fn tls_info_is_zero_and_empty_where_the_host_does_not_know() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 443, &connect(0, b"a")).await.id();
    let state = guest.host().connections[0].clone();
    state.send_modify(|state| {
        state.tls = Some(TlsInfo {
            version: None,
            cipher: None,
            alpn: Vec::new(),
            certificates: Vec::new(),
        });
    });
    let expected = Reply::bytes(&[0; 6]);
    assert_eq!(guest.call(TLS_INFO, id, 0, b"").await, expected);
}

#[tokio::test]
async fn what_a_reply_cannot_carry_is_a_size_error() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 443, &connect(0, b"a")).await.id();
    let state = guest.host().connections[0].clone();
    state.send_modify(|state| {
        state.tls = Some(TlsInfo {
            version: Some(0x0304),
            cipher: Some("c".repeat(256)),
            alpn: Vec::new(),
            certificates: Vec::new(),
        });
    });
    assert_eq!(
        guest.call(TLS_INFO, id, 0, b"").await,
        Reply::fault(fault::SIZE)
    );
}

#[tokio::test]
async fn close_ends_a_connection_once_and_its_exchanges_keep_their_ids() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    let payload = request(0, b"GET", b"/", &[]);
    let exchange = guest.call(REQUEST, id, 2, &payload).await.id();
    assert_eq!(guest.call(CLOSE, id, 0, b"").await, Reply::value(0));
    assert!(guest.host().connections[0].borrow().closed);
    assert_eq!(
        guest.call(CLOSE, id, 0, b"").await,
        Reply::fault(fault::HANDLE)
    );
    assert_eq!(
        guest.call(STATUS, id, 0, b"").await,
        Reply::fault(fault::HANDLE)
    );
    assert_eq!(guest.call(WRITE, exchange, 0, b"").await, Reply::value(0));
    assert_eq!(guest.call(CLOSE, exchange, 0, b"").await, Reply::value(0));
    assert_eq!(
        guest.call(CLOSE, exchange, 0, b"").await,
        Reply::fault(fault::HANDLE)
    );
    assert!(guest.host().table.is_empty());
}
