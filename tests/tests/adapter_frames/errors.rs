//! Every error of the host, as a reply reports it.

use crate::frames::command::{CONNECT, REQUEST};
use crate::frames::{Reply, connect, request};
use crate::guest::Guest;
use crate::mock::{
    CertificateFault, Denial, DenyReason, DnsFailure, ErrorCode, Limit, LimitFailure, Phase,
    ProtocolFailure, TlsFailure,
};

fn denied(reason: DenyReason) -> ErrorCode {
    ErrorCode::Denied(Denial {
        reason,
        rule: "the rule".to_owned(),
        message: "why ünd how".to_owned(),
    })
}

fn certificate(fault: CertificateFault) -> ErrorCode {
    ErrorCode::Tls(TlsFailure::Certificate((fault, "cert".to_owned())))
}

fn protocol(received: &[u8]) -> ErrorCode {
    ErrorCode::Protocol(ProtocolFailure {
        message: "bad line".to_owned(),
        received: received.to_vec(),
    })
}

fn limit(limit: Limit, value: Option<u64>, can_be_raised: bool) -> ErrorCode {
    ErrorCode::Limit(LimitFailure {
        limit,
        value,
        can_be_raised,
    })
}

fn table() -> Vec<(ErrorCode, Reply)> {
    let denial = |detail| Reply::error(1, detail, "why ünd how", b"the rule");
    let plain = |code, detail| Reply::error(code, detail, "", b"");
    vec![
        (denied(DenyReason::NoRule), denial(0)),
        (denied(DenyReason::Address), denial(1)),
        (denied(DenyReason::HostMismatch), denial(2)),
        (denied(DenyReason::TlsOptions), denial(3)),
        (denied(DenyReason::Method), denial(4)),
        (denied(DenyReason::Field), denial(5)),
        (ErrorCode::Dns(DnsFailure::NotFound), plain(2, 0)),
        (ErrorCode::Dns(DnsFailure::Temporary), plain(2, 1)),
        (ErrorCode::Dns(DnsFailure::Failed), plain(2, 2)),
        (ErrorCode::Refused, plain(3, 0)),
        (ErrorCode::Unreachable, plain(4, 0)),
        (ErrorCode::Reset, plain(5, 0)),
        (ErrorCode::Timeout(Phase::Resolve), plain(6, 0)),
        (ErrorCode::Timeout(Phase::Connect), plain(6, 1)),
        (ErrorCode::Timeout(Phase::Tls), plain(6, 2)),
        (ErrorCode::Timeout(Phase::Request), plain(6, 3)),
        (ErrorCode::Timeout(Phase::Head), plain(6, 4)),
        (ErrorCode::Timeout(Phase::Body), plain(6, 5)),
        (
            certificate(CertificateFault::Expired),
            Reply::error(7, 0, "cert", b""),
        ),
        (
            certificate(CertificateFault::NotYetValid),
            Reply::error(7, 1, "cert", b""),
        ),
        (
            certificate(CertificateFault::UnknownIssuer),
            Reply::error(7, 2, "cert", b""),
        ),
        (
            certificate(CertificateFault::NameMismatch),
            Reply::error(7, 3, "cert", b""),
        ),
        (
            certificate(CertificateFault::Revoked),
            Reply::error(7, 4, "cert", b""),
        ),
        (
            certificate(CertificateFault::Other),
            Reply::error(7, 5, "cert", b""),
        ),
        (
            certificate(CertificateFault::SelfSigned),
            Reply::error(7, 6, "cert", b""),
        ),
        (
            certificate(CertificateFault::InconsistentSignatureAlgorithm),
            Reply::error(7, 37, "cert", b""),
        ),
        (
            ErrorCode::Tls(TlsFailure::Other("alert 40".to_owned())),
            Reply::error(7, 255, "alert 40", b""),
        ),
        (
            protocol(b"\xff\x00\r\n"),
            Reply::error(8, 0, "bad line", b"\xff\x00\r\n"),
        ),
        (protocol(b""), Reply::error(8, 0, "bad line", b"")),
        (limit(Limit::ResponseHeadSize, None, false), plain(9, 0)),
        (limit(Limit::Connections, None, true), plain(9, 1)),
        (limit(Limit::RequestHeadSize, None, false), plain(9, 2)),
        (
            limit(Limit::Requests, Some(10), true),
            Reply::error(9, 3, "", b"\x0a\0\0\0\0\0\0\0\x01"),
        ),
        (
            limit(Limit::Denials, Some(0x0123_4567_89ab_cdef), false),
            Reply::error(9, 12, "", b"\xef\xcd\xab\x89\x67\x45\x23\x01\0"),
        ),
        (
            limit(Limit::BytesUp, Some(u64::MAX), true),
            Reply::error(
                9,
                5,
                "",
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ),
        ),
        (ErrorCode::Closed, plain(10, 0)),
        (
            ErrorCode::Invalid("no".to_owned()),
            Reply::error(11, 0, "no", b""),
        ),
        (
            ErrorCode::Invalid("x".repeat(300_000)),
            Reply::error(11, 0, &"x".repeat(300_000), b""),
        ),
    ]
}

#[tokio::test]
async fn every_error_is_told_with_its_code_detail_text_and_rest() {
    let mut guest = Guest::new().await;
    for (error, expected) in table() {
        guest.host().refusal = Some(error);
        let reply = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await;
        assert_eq!(reply, expected);
    }
}

#[tokio::test]
async fn a_request_that_fails_leaves_no_handle() {
    let mut guest = Guest::new().await;
    let id = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    for (error, expected) in table() {
        guest.host().refusal = Some(error);
        let payload = request(0, b"GET", b"/", &[]);
        assert_eq!(guest.call(REQUEST, id, 0, &payload).await, expected);
    }
    let next = guest.call(CONNECT, 0, 80, &connect(0, b"a")).await.id();
    assert_eq!(next & 0xFFF, 1, "the second slot");
}
