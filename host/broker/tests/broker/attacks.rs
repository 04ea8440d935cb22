//! Requests on a connection made by `CONNECT` that would lead elsewhere.

use sandbox_net_egress::test_support::tls::Authority;

use crate::support::*;

#[tokio::test]
async fn a_request_on_a_connection_goes_to_its_host_or_nowhere() {
    let (server, mut requests) = reflecting().await;
    let (other, mut others) = reflecting().await;
    let rules = [
        format!("http://{}", server.address),
        format!("http://{}", other.address),
    ];
    let broker = allowing(&rules).await;
    let (own, elsewhere) = (server.address.to_string(), other.address.to_string());
    for request in [
        format!("GET / HTTP/1.1\r\nHost: {elsewhere}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: {elsewhere}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}@{elsewhere}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {elsewhere}@{own}\r\n\r\n"),
        format!("GET http://{elsewhere}/ HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET http://{own}/ HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("CONNECT {elsewhere} HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("TRACE / HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!(
            "GET / HTTP/1.1\r\nHost: {own}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        ),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nConnection: host\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nProxy-Authorization: x\r\n\r\n"),
        format!("GET /a\tb HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        "\u{16}".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
    ] {
        let mut stream = connect(&broker, &own).await;
        let answer = ask(&mut stream, &request);
        let within = std::time::Duration::from_millis(1500);
        if let Ok(Some(answer)) = tokio::time::timeout(within, answer).await {
            assert!(matches!(answer.status, 400 | 403), "{request}: {answer:?}");
            assert!(read_answer(&mut stream).await.is_none(), "{request}");
        }
        assert!(requests.try_recv().is_err(), "{request}");
        assert!(others.try_recv().is_err(), "{request}");
    }
    let mut stream = connect(&broker, &own).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {own}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
    assert!(requests.try_recv().is_ok());
}

#[tokio::test]
async fn a_path_that_is_denied_stays_denied_however_it_is_written() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["localhost"]).await;
    let port = server.address.port();
    let settings = builder()
        .trust_ca_pem(authority.pem())
        .allow(format!("GET https://localhost:{port}/open/**"));
    let broker = start(settings).await;
    let endpoint = format!("localhost:{port}");
    for (path, expected) in [
        ("/open/x", 200),
        ("/open/../closed", 403),
        ("/open/%2e%2e/closed", 403),
        ("/open/..%2fclosed", 403),
        ("/open\\..\\closed", 403),
        ("//open/x", 403),
        ("/closed?/open/x", 403),
        ("/OPEN/x", 403),
    ] {
        let stream = connect(&broker, &endpoint).await;
        let mut stream = tls(&broker, stream, "localhost").await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!(answer.status, expected, "{path}");
        assert_eq!(requests.try_recv().is_ok(), expected == 200, "{path}");
    }
}

#[tokio::test]
async fn budgets_bind_across_all_clients() {
    let (server, mut requests) = reflecting().await;
    let text = format!(
        "version = 1\nallow = ['http://{}']\n[budgets]\nrequests = 2\n[end]\n",
        server.address
    );
    let document = sandbox_net_policy::Document::parse(&text).unwrap();
    let broker = start(builder().policy(document)).await;
    let endpoint = server.address.to_string();
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    for expected in [200, 200, 403, 403] {
        let mut stream = connect(&broker, &endpoint).await;
        let answer = ask(&mut stream, &request).await.unwrap();
        assert_eq!(answer.status, expected);
        if expected == 403 {
            let error = &answer.json()["error"];
            assert_eq!(
                (&error["code"], &error["limit"]),
                (&"limit".into(), &"requests".into())
            );
            assert_eq!(
                (&error["value"], &error["can_be_raised"]),
                (&2.into(), &true.into())
            );
        }
    }
    assert!(requests.try_recv().is_ok() && requests.try_recv().is_ok());
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn nothing_that_a_client_sends_ends_the_broker() {
    let (server, _requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let endpoint = server.address.to_string();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    use tokio::io::AsyncWriteExt as _;
    for round in 0..200 {
        let mut stream = match round % 2 {
            0 => dial(&broker).await,
            _ => connect(&broker, &endpoint).await,
        };
        let length = random() % 300;
        let mut bytes: Vec<u8> = (0..length).map(|_| (random() % 256) as u8).collect();
        if round % 4 == 1 {
            // The beginning of TLS.
            bytes.splice(0..0, [0x16, 3, 1, 0, (random() % 256) as u8]);
        }
        let _ = stream.write_all(&bytes).await;
        if round % 3 == 0 {
            stream.set_zero_linger().unwrap();
        }
    }
    assert_eq!(api(&broker, "GET", "/health", "").await.status, 200);
    let mut stream = connect(&broker, &endpoint).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
}
