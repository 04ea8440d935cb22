//! The servers of this crate, tested with plain clients before any sandbox relies on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sandbox_net_tests::{
    Alpn, BEHAVIOURS, COUNT_ANSWER_LENGTH, DnsAnswer, DnsServer, End, Forbidden, HttpServer, Piece,
    RawServer, TestCa, Validity, pattern, pattern_sha256, sha256,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Sends `request` and reads until the end.
async fn exchange<S>(mut stream: S, request: &str) -> std::io::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The head, and the body verbatim, of the answer to a request with these lines after the first.
async fn ask(address: SocketAddr, line: &str, more: &str) -> (String, Vec<u8>) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}");
    let answer = exchange(stream, &request).await.expect("an answer");
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a whole head");
    (
        String::from_utf8_lossy(&answer[..end]).into_owned(),
        answer[end + 4..].to_vec(),
    )
}

async fn tls(
    address: SocketAddr,
    ca: &TestCa,
    name: &'static str,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.root_der()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).expect("a server name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn the_http_server_answers_its_paths() {
    let server = HttpServer::plain().await;
    let no_body = "\r\n";
    let cases: &[(&str, &str, &str, Vec<u8>)] = &[
        ("GET /bytes/100", no_body, "200 OK", pattern(100)),
        ("GET /all-bytes", no_body, "200 OK", (0..=255).collect()),
        (
            "POST /echo",
            "Content-Length: 3\r\n\r\na\0b",
            "200 OK",
            b"a\0b".to_vec(),
        ),
        (
            "GET /redirect/302?to=%2Fget",
            no_body,
            "location: /get",
            b"status 302\n".to_vec(),
        ),
        (
            "GET /status/404",
            no_body,
            "404 Not Found",
            b"status 404\n".to_vec(),
        ),
        ("GET /status/204", no_body, "204 No Content", Vec::new()),
        (
            "HEAD /bytes/100",
            no_body,
            "content-length: 100",
            Vec::new(),
        ),
        (
            "GET /stream/1",
            no_body,
            "chunked",
            b"8\r\npiece 0\n\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "GET /sse/1",
            no_body,
            "event-stream",
            b"F\r\ndata: event 0\n\n\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "GET /auth",
            no_body,
            "401 Unauthorized",
            b"status 401\n".to_vec(),
        ),
        (
            "GET /auth",
            "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n",
            "200 OK",
            b"welcome\n".to_vec(),
        ),
        (
            "GET /nowhere",
            no_body,
            "404 Not Found",
            b"status 404\n".to_vec(),
        ),
    ];
    for (line, more, head_part, body) in cases {
        let (head, received) = ask(server.address(), line, more).await;
        assert!(head.contains(head_part), "{line}: {head}");
        assert_eq!(&received, body, "{line}");
    }
    assert_eq!(server.connections(), cases.len());
    assert_eq!(server.requests().len(), cases.len());
    let echo = &server.requests_for("/echo")[0];
    assert_eq!(echo.body.as_ref().map(|body| body.length), Some(3));
}

#[tokio::test]
async fn the_http_server_describes_requests_and_counts() {
    let server = HttpServer::plain().await;
    let chunked = "X-Test: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (_, body) = ask(server.address(), "POST /upload?x", chunked).await;
    let seen: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["path"], "/upload?x");
    assert_eq!(seen["length"], 3);
    assert_eq!(seen["sha256"], sha256(b"abc"));
    assert_eq!(server.requests()[0].header("x-test"), Some("1"));

    for count in 1..=2 {
        let (head, body) = ask(server.address(), "POST /count", "Content-Length: 0\r\n\r\n").await;
        assert!(head.contains(&format!("x-count: {count}")), "{head}");
        assert_eq!(body.len(), COUNT_ANSWER_LENGTH);
    }
    let (_, body) = ask(server.address(), "GET /large/2", "\r\n").await;
    assert_eq!(sha256(&body), pattern_sha256(2 * 1024 * 1024));
}

#[tokio::test]
async fn the_tls_server_is_trusted_only_with_the_right_root_name_and_time() {
    let ca = TestCa::new("root");
    let stranger = TestCa::new("another root");
    let good = HttpServer::tls(&ca.loopback_leaf(), Alpn::Http1).await;
    let expired = HttpServer::tls(&ca.leaf(&["localhost"], Validity::Expired), Alpn::Http1).await;
    let future = HttpServer::tls(&ca.leaf(&["localhost"], Validity::Future), Alpn::Http1).await;
    let other = HttpServer::tls(&ca.leaf(&["other.test"], Validity::Current), Alpn::Http1).await;
    let foreign = HttpServer::tls(&stranger.loopback_leaf(), Alpn::Http1).await;

    let cases = [
        ("good", &good, None),
        ("expired", &expired, Some("Expired")),
        ("not yet valid", &future, Some("NotValidYet")),
        ("for another name", &other, Some("NotValidForName")),
        ("from a foreign root", &foreign, Some("UnknownIssuer")),
    ];
    for (what, server, fault) in cases {
        let result = tls(server.address(), &ca, "localhost", b"http/1.1").await;
        match (result, fault) {
            (Ok(stream), None) => {
                let request = "GET /all-bytes HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
                let answer = exchange(stream, request).await.expect("an answer");
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{what}");
            }
            (Err(error), Some(fault)) => {
                let error = format!("{error:?}");
                assert!(error.contains(fault), "{what}: {error}");
            }
            (result, _) => panic!("{what}: {:?}", result.map(|_| "trusted")),
        }
    }
    for name in ["127.0.0.1", "::1"] {
        tls(good.address(), &ca, name, b"http/1.1")
            .await
            .expect("a name of the leaf");
    }
}

#[tokio::test]
async fn the_tls_server_speaks_http2_where_it_offers_it() {
    let ca = TestCa::new("root");
    let server = HttpServer::tls(&ca.loopback_leaf(), Alpn::Http2).await;
    let stream = tls(server.address(), &ca, "localhost", b"h2")
        .await
        .expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("an HTTP/2 connection");
    tokio::spawn(connection);
    for number in 0..3 {
        let request = hyper::Request::get(format!("https://localhost/bytes/{number}"))
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        assert_eq!(body, pattern(number));
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(server.requests()[2].version, "HTTP/2.0");
}

#[tokio::test]
async fn the_raw_server_follows_its_table() {
    let server = RawServer::start().await;
    for behaviour in BEHAVIOURS {
        let endless = behaviour
            .answer
            .iter()
            .any(|piece| matches!(piece, Piece::Forever(_)));
        if endless || matches!(behaviour.end, End::Hold) {
            continue;
        }
        let expected: Vec<u8> = behaviour
            .answer
            .iter()
            .flat_map(|piece| match piece {
                Piece::Once(bytes) | Piece::Forever(bytes) => bytes.to_vec(),
            })
            .collect();
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        let request = format!("GET {} HTTP/1.1\r\nX-CaSe: kept\r\n\r\n", behaviour.path);
        stream.write_all(request.as_bytes()).await.expect("a write");
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, expected, "{}", behaviour.path);
        let reset = end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
        assert_eq!(
            reset,
            matches!(behaviour.end, End::Reset),
            "{}",
            behaviour.path
        );
        assert_eq!(
            server.heads().last().map(Vec::as_slice),
            Some(request.as_bytes())
        );
    }
    assert_eq!(server.connections(), server.heads().len());
}

#[tokio::test]
async fn the_raw_server_can_answer_without_end() {
    let server = RawServer::start().await;
    for path in ["/many-fields", "/long-field", "/endless-informational"] {
        let mut stream = TcpStream::connect(server.address())
            .await
            .expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a write");
        let mut much = vec![0; 1024 * 1024];
        stream
            .read_exact(&mut much)
            .await
            .expect("more than any limit");
        assert!(much.starts_with(b"HTTP/1.1 "), "{path}");
    }
}

#[tokio::test]
async fn the_dns_server_follows_its_script_and_counts() {
    let server = DnsServer::start().await;
    let (v4, v6) = (
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    );
    server.set("both.test", [v4, v6]);
    server.set("broken.test", DnsAnswer::ServerFailure);
    server.set("shy.test", DnsAnswer::Refused);
    let cases = [
        (
            "both.test.",
            RecordType::A,
            ResponseCode::NoError,
            Some("127.0.0.1"),
        ),
        (
            "BOTH.test.",
            RecordType::AAAA,
            ResponseCode::NoError,
            Some("::1"),
        ),
        ("broken.test.", RecordType::A, ResponseCode::ServFail, None),
        ("shy.test.", RecordType::A, ResponseCode::Refused, None),
        ("missing.test.", RecordType::A, ResponseCode::NXDomain, None),
    ];
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for (name, record_type, code, address) in cases {
        let mut question = Message::query();
        question.add_query(Query::query(name.parse().expect("a name"), record_type));
        let bytes = question.to_vec().expect("a message");
        socket
            .send_to(&bytes, server.address())
            .await
            .expect("a send");
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).await.expect("an answer");
        let answer = Message::from_vec(&buffer[..length]).expect("a message");
        assert_eq!(answer.metadata.id, question.metadata.id, "{name}");
        assert_eq!(answer.metadata.response_code, code, "{name}");
        let addresses: Vec<_> = answer
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect();
        assert_eq!(addresses, Vec::from_iter(address), "{name}");
    }
    let questions = server.questions().await;
    assert_eq!(questions.len(), cases.len());
    assert_eq!(
        (
            questions[1].name.as_str(),
            questions[1].record_type.as_str()
        ),
        ("both.test", "AAAA")
    );
    assert_eq!(
        server.questions().await.len(),
        cases.len(),
        "its own questions do not count"
    );
}

#[tokio::test]
async fn the_forbidden_server_counts_every_connection_but_its_own() {
    let server = Forbidden::start().await;
    assert_eq!(server.connections().await, 0);
    let first = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    drop(first);
    let _second = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    assert_eq!(server.connections().await, 2);
    assert_eq!(server.connections().await, 2);
}

/// The records in the answer to a query of type A, as texts.
async fn records(server: &DnsServer, name: &str) -> Vec<String> {
    let mut question = Message::query();
    question.add_query(Query::query(name.parse().expect("a name"), RecordType::A));
    let bytes = question.to_vec().expect("a message");
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let sent = socket.send_to(&bytes, server.address()).await;
    sent.expect("a send");
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer).await.expect("an answer");
    let answer = Message::from_vec(&buffer[..length]).expect("a message");
    let records = answer.answers.iter();
    records.map(|record| record.data.to_string()).collect()
}

#[tokio::test]
async fn the_dns_server_follows_aliases_and_answers_in_turn() {
    let server = DnsServer::start().await;
    let address = |last| DnsAnswer::from([IpAddr::from([127, 0, 0, last])]);
    let moves = DnsAnswer::InTurn(vec![address(1), address(2)]);
    server.set("moves.test", moves);
    server.set("alias.test", DnsAnswer::Alias("target.test".to_owned()));
    server.set("target.test", address(3));
    for expected in ["127.0.0.1", "127.0.0.2", "127.0.0.2"] {
        assert_eq!(records(&server, "moves.test.").await, [expected]);
    }
    assert_eq!(
        records(&server, "alias.test.").await,
        ["target.test.", "127.0.0.3"]
    );
}
