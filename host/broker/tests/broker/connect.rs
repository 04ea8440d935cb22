//! `CONNECT`: plain HTTP and TLS, allowed and denied.

use sandbox_net_egress::test_support::tls::{self as servers, Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, ok, read_request, reset, write};
use tokio::io::AsyncWriteExt;

use crate::support::*;

#[tokio::test]
async fn plain_requests_pass_as_they_were_written() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let (mut stream, answer) = connect_with(&broker, &endpoint, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("x-sandbox-net-peer"), Some(endpoint.clone()));
    assert_eq!(answer.field("x-sandbox-net-connection").unwrap().len(), 16);
    let request =
        format!("GET /a?b=c HTTP/1.1\r\nhOST: {endpoint}\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\n\r\n");
    for _ in 0..3 {
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), request);
        assert_eq!(requests.recv().await.unwrap(), request);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn what_no_rule_allows_is_refused_before_it_is_dialled() {
    let (server, _requests) = reflecting().await;
    let (allowed, _) = reflecting().await;
    let broker = allowing(&[format!("http://{}", allowed.address)]).await;
    let (_stream, answer) = connect_with(&broker, &server.address.to_string(), "").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "denied"));
    let error = &answer.json()["error"];
    assert_eq!(error["reason"], "no-rule");
    assert!(error["message"].as_str().unwrap().contains("127.0.0.1"));
    assert_eq!(server.accepted(), 0);
    connect(&broker, &allowed.address.to_string()).await;
    assert_eq!(allowed.accepted(), 1);
}

#[tokio::test]
async fn failures_to_connect_have_their_own_statuses() {
    let closed = closed_port().await;
    let broker = allowing(&[
        format!("http://{closed}"),
        "http://no-such-name.invalid".into(),
    ])
    .await;
    let (_, answer) = connect_with(&broker, &closed.to_string(), "").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "refused"));
    let (_, answer) = connect_with(&broker, "no-such-name.invalid:80", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "dns"));
    for nonsense in [
        "a.test",
        "a.test:0",
        "user@a.test:80",
        "0x7f000001:80",
        "[::1:80",
    ] {
        let (_, answer) = connect_with(&broker, nonsense, "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid"),
            "{nonsense}"
        );
    }
    let (_, answer) = connect_with(&broker, &closed.to_string(), "Content-Length: 5\r\n").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn tls_ends_at_the_broker_and_methods_and_paths_bind_inside() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["127.0.0.1"]).await;
    let rules = [format!("GET https://{}/open/**", server.address)];
    let broker = start(with_rules(builder().trust_ca_pem(authority.pem()), &rules)).await;
    let endpoint = server.address.to_string();
    let stream = connect(&broker, &endpoint).await;
    let mut stream = tls(&broker, stream, "127.0.0.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    for path in ["/open/1", "/open/2"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, request.clone()));
        assert_eq!(requests.recv().await.unwrap(), request);
    }
    let denied = format!("GET /closed HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    let answer = ask(&mut stream, &denied).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (403, "denied"));
    assert_eq!(answer.field("connection").as_deref(), Some("close"));
    assert!(read_answer(&mut stream).await.is_none());
    assert!(
        requests.try_recv().is_err(),
        "the server saw the denied request"
    );
}

#[tokio::test]
async fn a_name_in_tls_that_is_not_the_host_is_refused() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["localhost", "other.test"]).await;
    let port = server.address.port();
    let rules = [
        format!("https://localhost:{port}"),
        format!("https://other.test:{port} to 127.0.0.1"),
    ];
    let broker = start(with_rules(builder().trust_ca_pem(authority.pem()), &rules)).await;
    let endpoint = format!("localhost:{port}");
    let stream = connect(&broker, &endpoint).await;
    let error = tls(&broker, stream, "other.test").await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    // Nor may the field name another host.
    let stream = connect(&broker, &endpoint).await;
    let mut stream = tls(&broker, stream, "localhost").await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: other.test:{port}\r\n\r\n");
    let answer = ask(&mut stream, &request).await.unwrap();
    assert_eq!(answer.json()["error"]["reason"], "host-mismatch");
    assert!(requests.try_recv().is_err());
    // The control.
    let stream = connect(&broker, &endpoint).await;
    let mut stream = tls(&broker, stream, "localhost").await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
    assert!(requests.try_recv().is_ok());
}

#[tokio::test]
async fn a_bad_certificate_of_the_server_is_a_failed_handshake_that_names_the_fault() {
    let authority = Authority::new();
    let (_, own_config) = servers::self_signed("localhost", |_| {});
    let stranger = Authority::new();
    let configs = [
        (
            authority.server_with(&[], &["localhost"], servers::expired),
            "CertificateExpired",
            "expired",
        ),
        (
            authority.server_with(&[], &["other.test"], |_| {}),
            "BadCertificate",
            "name-mismatch",
        ),
        (
            stranger.server_with(&[], &["localhost"], |_| {}),
            "UnknownCA",
            "unknown-issuer",
        ),
        (own_config, "UnknownCA", "self-signed"),
    ];
    for (config, alert, fault) in configs {
        let server = serve_tls(config, |mut stream, _| async move {
            panic!("the server got {:?}", read_request(&mut stream).await);
        })
        .await;
        let port = server.address.port();
        let rules = [format!("https://localhost:{port}")];
        let broker = start(with_rules(builder().trust_ca_pem(authority.pem()), &rules)).await;
        let endpoint = format!("localhost:{port}");
        let (stream, answer) = connect_with(&broker, &endpoint, "").await;
        let error = tls(&broker, stream, "localhost").await.unwrap_err();
        assert!(error.to_string().contains(alert), "{fault}: {error}");
        let id = answer.field("x-sandbox-net-connection").unwrap();
        let told = api(&broker, "GET", &format!("/api/connections/{id}"), "").await;
        assert_eq!(told.json()["error"]["code"], "tls");
        assert_eq!(told.json()["error"]["certificate"], fault);
    }
}

#[tokio::test]
async fn the_patch_sees_a_reset_and_asks_why() {
    let (server, _requests) = reflecting().await;
    let broker = allowing(&[format!("GET http://{}/open", server.address)]).await;
    let endpoint = server.address.to_string();
    let patch = "X-Sandbox-Net-Client: patch\r\n";
    let (mut stream, answer) = connect_with(&broker, &endpoint, patch).await;
    let id = answer.field("x-sandbox-net-connection").unwrap();
    let path = format!("/api/connections/{id}");
    let request = format!("GET /open HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
    assert_eq!(
        api(&broker, "GET", &path, "").await.text(),
        "{\"error\":null}\n"
    );
    let request = format!("GET /closed HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(is_reset(&mut stream).await);
    let told = api(&broker, "GET", &path, "").await;
    assert_eq!(told.code(), "denied");
    let unknown = api(&broker, "GET", "/api/connections/0123456789abcdef", "").await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "not-found")
    );
}

#[tokio::test]
async fn a_response_that_is_cut_off_passes_for_no_whole_one() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        write(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        )
        .await;
        reset(stream);
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    let mut stream = connect(&broker, &endpoint).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(is_reset(&mut stream).await);
}

#[tokio::test]
async fn what_is_not_http_passes_as_it_came() {
    let server = Server::answering("HTTP/1.1 2x0 What\r\n\r\nhello").await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        "HTTP/1.1 2x0 What\r\n\r\nhello"
    );
}

#[tokio::test]
async fn bodies_pass_with_their_own_framing() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let request = format!("POST / HTTP/1.1\r\nHost: {endpoint}\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(ask(&mut stream, &request).await.unwrap().text(), request);
    assert_eq!(requests.recv().await.unwrap(), request);
    for (head, body) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        ),
        ("HTTP/1.1 200 Fine\r\nx: y\r\n\r\n", "until the end"),
        ("HTTP/1.0 404 \r\n\r\n", "old"),
        ("HTTP/1.1 204 None\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
    ] {
        let whole = format!("{head}{body}");
        let server = Server::answering(whole.clone()).await;
        let broker = allowing(&[format!("http://{}", server.address)]).await;
        let endpoint = server.address.to_string();
        let mut stream = connect(&broker, &endpoint).await;
        let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), whole);
    }
}

#[tokio::test]
async fn a_client_that_waits_to_continue_is_told_by_the_server() {
    let server = Server::start(|mut stream, _| async move {
        let head = sandbox_net_egress::test_support::read_head(&mut stream).await;
        assert!(head.contains("Expect: 100-continue"), "{head}");
        write(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut body = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body)
            .await
            .unwrap();
        write(&mut stream, ok(&String::from_utf8_lossy(&body)).as_bytes()).await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut stream = connect(&broker, &endpoint).await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {endpoint}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut told)
        .await
        .unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answer = ask(&mut stream, "hello").await.unwrap();
    assert_eq!(answer.text(), "hello");
}
