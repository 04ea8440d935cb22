//! The trailers of a response.

use bytes::Bytes;
use h2::server::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::config::EgressConfig;
use crate::error::EgressError;
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::test_support::tls::Authority;
use crate::test_support::{Server, collect, config, connect, egress_with, fault, send};
use crate::tests::http2::serve;

fn lines(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| {
        format!("{}|{}", name.escape_ascii(), value.escape_ascii())
    };
    fields.iter().map(line).collect()
}

/// A response in chunks with these trailers.
fn chunked(body: &str, section: &str) -> String {
    let chunk = match body.len() {
        0 => String::new(),
        length => format!("{length:x}\r\n{body}\r\n"),
    };
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n{section}\r\n")
}

#[tokio::test]
async fn the_fields_behind_a_chunked_body_come_with_its_end_and_not_before() {
    for (body, section, expected) in [
        ("four", "", vec![]),
        (
            "four",
            "Digest: a\r\ndigest:  b \r\n",
            vec!["Digest|a", "digest|b"],
        ),
        (
            "",
            "X: \u{e9}\r\nContent-Length: 7\r\n",
            vec!["X|\\xc3\\xa9"],
        ),
    ] {
        let server = Server::answering(chunked(body, section)).await;
        let origin = server.http();
        let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        if !body.is_empty() {
            assert!(response.body.take_trailers().is_empty());
        }
        assert_eq!(collect(&mut response).await.unwrap(), body);
        assert_eq!(lines(&response.body.take_trailers()), expected);
        assert!(response.body.take_trailers().is_empty());
    }
}

#[tokio::test]
async fn a_connection_is_used_again_behind_trailers() {
    let server = Server::start(|mut stream, _| async move {
        use crate::test_support::{read_request, write};
        while !read_request(&mut stream).await.is_empty() {
            write(&mut stream, chunked("four", "A: b\r\n").as_bytes()).await;
        }
    })
    .await;
    let origin = server.http();
    let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
    for _ in 0..2 {
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        assert_eq!(collect(&mut response).await.unwrap(), "four");
        assert_eq!(lines(&response.body.take_trailers()), ["A|b"]);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn trailers_that_are_no_fields_fail_the_body() {
    for (section, expected) in [
        (
            "a b: c\r\n",
            ProtocolFault::Trailers("a field name is invalid"),
        ),
        ("a: b\n", ProtocolFault::Chunk("a line end without CR")),
    ] {
        let server = Server::answering(chunked("four", section)).await;
        let origin = server.http();
        let mut connection = connect(&egress_with(config()), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        let error = collect(&mut response).await.unwrap_err();
        assert_eq!(fault(error).0, expected);
        assert!(response.body.take_trailers().is_empty());
    }
}

#[tokio::test]
async fn trailers_have_the_bound_of_a_head() {
    for (length, fits) in [(100, true), (300, false)] {
        let section = format!("A: {}\r\n", "b".repeat(length));
        let server = Server::answering(chunked("four", &section)).await;
        let origin = server.http();
        let config = EgressConfig {
            max_response_head: 200,
            ..config()
        };
        let mut connection = connect(&egress_with(config), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        let result = collect(&mut response).await;
        match fits {
            true => assert_eq!(result.unwrap(), "four"),
            false => assert_eq!(result, Err(EgressError::Limit(Limit::ResponseHeadSize))),
        }
    }
}

/// Answers with a body and these trailers.
async fn http2(authority: &Authority, body: &'static str, fields: Vec<(&str, String)>) -> Server {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_str(&value).unwrap());
    }
    serve(authority, Builder::new(), move |_, mut answer, _| {
        let map = map.clone();
        async move {
            let mut stream = answer.send_response(Response::new(()), false).unwrap();
            if !body.is_empty() {
                stream.send_data(Bytes::from(body), false).unwrap();
            }
            stream.send_trailers(map).unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn the_trailers_of_http2_come_with_the_end_of_the_body() {
    let authority = Authority::new();
    for body in ["four", ""] {
        let fields = [
            ("grpc-status", "0"),
            ("b", "1"),
            ("content-length", "9"),
            ("b", "2"),
        ];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        let server = http2(&authority, body, fields.to_vec()).await;
        let origin = server.https();
        let mut connection = connect(&authority.egress(), &origin).await.unwrap();
        for _ in 0..2 {
            let mut response = send(&mut connection, &origin, "GET").await.unwrap();
            assert_eq!(collect(&mut response).await.unwrap(), body);
            let trailers = lines(&response.body.take_trailers());
            assert_eq!(trailers, ["grpc-status|0", "b|1", "b|2"]);
            assert!(response.body.take_trailers().is_empty());
        }
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn the_trailers_of_http2_have_the_bound_of_a_head() {
    let authority = Authority::new();
    for (length, fits) in [(100, true), (300, false)] {
        let server = http2(&authority, "four", vec![("a", "b".repeat(length))]).await;
        let origin = server.https();
        let config = EgressConfig {
            max_response_head: 200,
            ..authority.config()
        };
        let mut connection = connect(&egress_with(config), &origin).await.unwrap();
        let mut response = send(&mut connection, &origin, "GET").await.unwrap();
        let result = collect(&mut response).await;
        match fits {
            true => assert_eq!(result.unwrap(), "four"),
            false => assert_eq!(result, Err(EgressError::Limit(Limit::ResponseHeadSize))),
        }
    }
}
