//! A guest that speaks `wasi:http` meets the same policy and log: its requests go through the same
//! `WasiHttpHooks`.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use sandbox_net::egress::{EgressConfig, Roots, TlsConfig, read_certificates};
use sandbox_net::policy::Policy;
use sandbox_net::{AuditLog, Gateway, OutgoingHandler, Stage, Verdict};
use sandbox_net_tests::{Alpn, Forbidden, HttpServer, RawServer, TestCa};
use wasmtime_wasi_http::{Error, RequestOptions, WasiHttpHooks};

fn request(url: &str, body: &'static str) -> http::Request<wasmtime_wasi_http::WasiBody> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    http::Request::post(url)
        .body(body.boxed_unsync())
        .expect("a request")
}

#[tokio::test]
async fn a_request_of_wasi_http_is_decided_sent_and_recorded_like_any_other() {
    let ca = TestCa::new("wasi:http tests");
    let server = HttpServer::tls(&ca.loopback_leaf(), Alpn::Http2).await;
    let forbidden = Forbidden::start().await;
    let roots = read_certificates(&ca.root_pem()).expect("a certificate");
    let tls = TlsConfig::new(Roots::None, roots).expect("roots");
    let policy = Policy::allow([server.origin().parse().expect("a rule")]);
    let config = EgressConfig::new(tls);
    let audit = AuditLog::new();
    let mut hooks = OutgoingHandler::new(Gateway::new(policy, config, audit.clone()));

    let echo = request(&(server.origin() + "/echo?secret=1"), "over wasi:http");
    let sent = hooks.send_request(echo, None, Box::new(async { Ok(()) }));
    let (response, _) = Box::into_pin(sent).await.expect("a response");
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "over wasi:http");

    let denied = request(&(forbidden.origin() + "/"), "");
    let sent = hooks.send_request(denied, None, Box::new(async { Ok(()) }));
    let error = Box::into_pin(sent).await.err().expect("a denial");
    assert!(matches!(error, Error::HttpRequestDenied), "{error:?}");
    assert_eq!(forbidden.connections().await, 0);

    let recorded = audit.decisions().into_iter();
    let recorded: Vec<_> = recorded.map(|r| (r.stage, r.verdict)).collect();
    let expected = [
        (Stage::Connect, Verdict::Allow),
        (Stage::Tls, Verdict::Allow),
        (Stage::Request, Verdict::Allow),
        (Stage::Connect, Verdict::Deny),
    ];
    assert_eq!(recorded, expected);
    let exchanges = audit.exchanges();
    assert_eq!((exchanges.len(), exchanges[0].status), (1, Some(200)));
    assert_eq!(exchanges[0].tls.as_deref(), Some("1.3"));
    assert!(!audit.decisions()[2].target.contains("secret"));
}

#[tokio::test]
async fn the_time_limits_of_wasi_http_are_kept() {
    let raw = RawServer::start().await;
    let tls = TlsConfig::new(Roots::Bundled, []).expect("roots");
    let policy = Policy::allow([raw.origin().parse().expect("a rule")]);
    let config = EgressConfig::new(tls);
    let mut hooks = OutgoingHandler::new(Gateway::new(policy, config, AuditLog::new()));
    let soon = Some(Duration::from_millis(100));

    let first = RequestOptions {
        first_byte_timeout: soon,
        ..RequestOptions::default()
    };
    let silent = request(&(raw.origin() + "/silent"), "");
    let sent = hooks.send_request(silent, Some(first), Box::new(async { Ok(()) }));
    let error = Box::into_pin(sent).await.err().expect("a time limit");
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error:?}");

    let between = RequestOptions {
        between_bytes_timeout: soon,
        ..RequestOptions::default()
    };
    let half = request(&(raw.origin() + "/silent-in-body"), "");
    let sent = hooks.send_request(half, Some(between), Box::new(async { Ok(()) }));
    let (response, _) = Box::into_pin(sent).await.expect("a response");
    let error = response.into_body().collect().await.expect_err("a limit");
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error:?}");
}
