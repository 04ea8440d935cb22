//! Requests with a URL for their target.

use sandbox_net_egress::test_support::tls::Authority;
use sandbox_net_egress::test_support::{Server, read_request, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn a_request_passes_without_the_fields_of_the_proxys_own_connection() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let address = server.address;
    let mut stream = dial(&broker).await;
    let auth = auth(&broker);
    for _ in 0..2 {
        let request = format!(
            "GET http://{address}/a?b HTTP/1.1\r\nHost: {address}\r\n{auth}Proxy-Connection: keep-alive\r\n\
             Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nx-END: 2\r\nKeep-Alive: timeout=5\r\n\r\n"
        );
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!(answer.status, 200);
        let expected = format!("GET /a?b HTTP/1.1\r\nHost: {address}\r\nx-END: 2\r\n\r\n");
        assert_eq!(requests.recv().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn https_is_fetched_by_the_broker_itself() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["localhost"]).await;
    let port = server.address.port();
    let rules = [format!("GET https://localhost:{port}/open")];
    let broker = start(with_rules(builder().trust_ca_pem(authority.pem()), &rules)).await;
    let auth = auth(&broker);
    for (path, status) in [("/open", 200), ("/closed", 403)] {
        let request = format!("GET https://localhost:{port}{path} HTTP/1.1\r\n{auth}\r\n");
        let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert!(requests.try_recv().is_ok());
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_host_field_that_differs_from_the_url_is_refused() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let (address, auth) = (server.address, auth(&broker));
    for host in ["evil.test", "127.0.0.1:1", &format!("{address}, evil.test")] {
        let request = format!("GET http://{address}/ HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n");
        let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
        assert_eq!(answer.json()["error"]["reason"], "host-mismatch", "{host}");
    }
    for url in [
        "http://user@127.0.0.1/",
        "http://127.1/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1/#x",
    ] {
        let request = format!("GET {url} HTTP/1.1\r\n{auth}\r\n");
        let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid"),
            "{url}"
        );
    }
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn an_old_client_gets_a_body_that_it_can_read() {
    let server = Server::start(|mut stream, _| async move {
        read_request(&mut stream).await;
        let answer =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        write(&mut stream, answer).await;
        read_request(&mut stream).await;
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let auth = auth(&broker);
    let mut stream = dial(&broker).await;
    let request = format!("GET http://{}/ HTTP/1.0\r\n{auth}\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let (tx, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            read_request(&mut stream).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let _ = tx.send(());
        }
    })
    .await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let auth = auth(&broker);
    let mut stream = dial(&broker).await;
    let request = format!("GET http://{}/ HTTP/1.1\r\n{auth}\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(stream);
    let within = std::time::Duration::from_secs(5);
    tokio::time::timeout(within, ended.recv())
        .await
        .unwrap()
        .unwrap();
}
