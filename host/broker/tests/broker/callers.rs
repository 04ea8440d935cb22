//! Who may call: tokens, users, browsers, and where the broker listens.

use std::time::Duration;

use sandbox_net_broker::{Broker, BrokerError, Token};
use sandbox_net_egress::test_support::tls::Authority;

use tokio::net::UnixStream;

use crate::support::*;

#[tokio::test]
async fn a_call_without_the_token_is_refused_and_reaches_nothing() {
    let (server, mut requests) = reflecting().await;
    let token = Token::new("0123456789abcdef").unwrap();
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(builder().token(token), &rules)).await;
    let address = server.address;
    let forged = "Proxy-Authorization: Bearer 0123456789abcdeF\r\n";
    let basic = "Proxy-Authorization: Basic c2FuZGJveC1uZXQ6d3Jvbmc=\r\n";
    let elsewhere = "Authorization: Bearer 0123456789abcdef\r\n";
    for field in ["", forged, basic, elsewhere] {
        for request in [
            format!("CONNECT {address} HTTP/1.1\r\n{field}\r\n"),
            format!("GET http://{address}/ HTTP/1.1\r\n{field}\r\n"),
        ] {
            let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (407, "unauthorized"),
                "{request}"
            );
            assert!(answer.field("proxy-authenticate").is_some());
        }
        if field != elsewhere {
            let request = format!("GET /policy HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
            let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthorized"),
                "{request}"
            );
        }
    }
    assert_eq!(server.accepted(), 0);
    let right = "Proxy-Authorization: Basic c2FuZGJveC1uZXQ6MDEyMzQ1Njc4OWFiY2RlZg==\r\n";
    let request = format!("GET http://{address}/ HTTP/1.1\r\n{right}\r\n");
    assert_eq!(
        ask(&mut dial(&broker).await, &request)
            .await
            .unwrap()
            .status,
        200
    );
    assert!(requests.try_recv().is_ok());
}

#[tokio::test]
async fn a_page_in_a_browser_reaches_nothing() {
    let (server, mut requests) = reflecting().await;
    let broker = allowing(&[format!("http://{}", server.address)]).await;
    let (address, auth) = (server.address, auth(&broker));
    let own = broker.addresses()[0];
    for (host, field) in [
        (own.to_string(), "Origin: http://evil.test\r\n"),
        (own.to_string(), "Origin: null\r\n"),
        (own.to_string(), "Sec-Fetch-Site: none\r\n"),
        (format!("evil.test:{}", own.port()), ""),
        ("evil.test".to_owned(), ""),
        ("localhost:1".to_owned(), ""),
    ] {
        let request = format!("GET /policy HTTP/1.1\r\nHost: {host}\r\n{field}{auth}\r\n");
        let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "forbidden"),
            "{request}"
        );
    }
    let request =
        format!("GET http://{address}/ HTTP/1.1\r\nOrigin: http://evil.test\r\n{auth}\r\n");
    let answer = ask(&mut dial(&broker).await, &request).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"));
    assert!(requests.try_recv().is_err());
    for host in [own.to_string(), "localhost".to_owned()] {
        let request = format!("GET /policy HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n");
        assert_eq!(
            ask(&mut dial(&broker).await, &request)
                .await
                .unwrap()
                .status,
            200
        );
    }
    let request = format!("GET /policy HTTP/1.0\r\n{auth}\r\n");
    assert_eq!(
        ask(&mut dial(&broker).await, &request)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_socket_is_private_and_needs_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.sock");
    let broker = start(Broker::builder().socket(&path)).await;
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(ask(&mut stream, request).await.unwrap().status, 200);
    assert_eq!(broker.sockets(), std::slice::from_ref(&path));
    // A second one says whose place it would take.
    let second = Broker::builder()
        .socket(&path)
        .build()
        .unwrap()
        .start()
        .await;
    assert!(matches!(second, Err(BrokerError::SocketInUse(taken)) if taken == path));
    broker.shutdown().await;
    assert!(!path.exists());
    // What a broker left behind that was killed is replaced, and nothing else is.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let broker = start(Broker::builder().socket(&path)).await;
    broker.shutdown().await;
    std::fs::write(&path, "mine").unwrap();
    let refused = Broker::builder()
        .socket(&path)
        .build()
        .unwrap()
        .start()
        .await;
    assert!(matches!(refused, Err(BrokerError::Socket { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[tokio::test]
async fn a_socket_serves_all_that_a_port_does() {
    let authority = Authority::new();
    let (server, mut requests) = reflecting_tls(&authority, &["localhost"]).await;
    let endpoint = format!("localhost:{}", server.address.port());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.sock");
    let settings = Broker::builder()
        .socket(&path)
        .trust_ca_pem(authority.pem())
        .allow(format!("https://{endpoint}"));
    let broker = start(settings).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = format!("CONNECT {endpoint} HTTP/1.1\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
    let mut stream = tls(&broker, stream, "localhost").await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {endpoint}\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().text(), request);
    assert_eq!(requests.recv().await.unwrap(), request);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = format!("GET https://{endpoint}/ HTTP/1.1\r\n\r\n");
    assert_eq!(ask(&mut stream, &request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_socket_where_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let path = directory.path().join("broker.sock");
    let refused = Broker::builder()
        .socket(&path)
        .build()
        .unwrap()
        .start()
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("other users can write"), "{error}");
}

/// Run as root, which can become another user for a moment.
#[tokio::test]
async fn another_users_process_is_closed_on_the_socket() {
    let is_root = std::process::Command::new("id").arg("-u").output().unwrap();
    if is_root.stdout != b"0\n" {
        eprintln!("skipped: not root");
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let visible = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), visible).unwrap();
    let path = directory.path().join("broker.sock");
    let broker = start(Broker::builder().socket(&path)).await;
    // The mode alone would stop another user: the check of its user is what is tested here.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ask = |user: &'static str| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let script = "import socket, sys\n\
                s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])\n\
                try:\n s.sendall(b'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n\
                \x20print(s.recv(12).decode())\n\
                except OSError as e: print(type(e).__name__)\n";
            let mut command = std::process::Command::new("setpriv");
            command.args([
                &format!("--reuid={user}"),
                "--clear-groups",
                "python3",
                "-c",
                script,
            ]);
            let output = command.arg(path).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    };
    let strangers = ask("65534").await.unwrap();
    assert!(!strangers.starts_with("HTTP"), "{strangers}");
    assert_eq!(ask("0").await.unwrap(), "HTTP/1.1 200");
    drop(broker);
}

#[tokio::test]
async fn a_listener_that_was_handed_over_needs_no_token() {
    let (server, _requests) = reflecting().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rules = [format!("http://{}", server.address)];
    let broker = start(with_rules(Broker::builder().own_listener(listener), &rules)).await;
    let request = format!("GET http://{}/ HTTP/1.1\r\n\r\n", server.address);
    assert_eq!(
        ask(&mut dial(&broker).await, &request)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_listener_that_is_to_be_isolated_is_refused_if_it_is_not() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = Broker::builder()
        .isolated_listener(listener)
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("network namespace"), "{error}");
    let anywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let broker = Broker::builder().own_listener(anywhere).build().unwrap();
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("not a loopback address"), "{error}");
}

/// Makes a listener in a new network namespace, hands it over, and calls the broker on it.
const INSIDE: &str = "
import fcntl, socket, struct, sys
up = struct.pack('16sh', b'lo', 0x1 | 0x40)
fcntl.ioctl(socket.socket(), 0x8914, up + bytes(24))
listener = socket.create_server(('127.0.0.1', 0))
channel = socket.socket(socket.AF_UNIX)
channel.connect(sys.argv[1])
socket.send_fds(channel, [b'x'], [listener.fileno()])
channel.recv(1)
client = socket.create_connection(listener.getsockname(), 10)
client.sendall(b'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
print(client.recv(12).decode())
";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_listener_of_another_namespace_serves_those_who_are_there() {
    use std::os::unix::net::UnixListener;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("channel");
    let channel = UnixListener::bind(&path).unwrap();
    let mut command = tokio::process::Command::new("unshare");
    command
        .args(["-r", "-n", "python3", "-c", INSIDE])
        .arg(&path);
    let child = command
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = child else {
        eprintln!("skipped: no unshare");
        return;
    };
    let received = tokio::task::spawn_blocking(move || {
        let (stream, _) = channel.accept().unwrap();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 1];
        let mut buffers = [std::io::IoSliceMut::new(&mut bytes)];
        let flags = rustix::net::RecvFlags::CMSG_CLOEXEC;
        rustix::net::recvmsg(&stream, &mut buffers, &mut control, flags).unwrap();
        let fd = control.drain().find_map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        (std::net::TcpListener::from(fd.unwrap()), stream)
    });
    let within = Duration::from_secs(20);
    let Ok(received) = tokio::time::timeout(within, received).await else {
        panic!("no listener came: are user namespaces forbidden?");
    };
    let (listener, channel) = received.unwrap();
    let broker = start(Broker::builder().isolated_listener(listener)).await;
    std::io::Write::write_all(&mut &channel, b"x").unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "HTTP/1.1 200\n");
    drop(broker);
}

#[tokio::test]
async fn a_second_broker_on_the_port_is_told_so() {
    let broker = allowing(&[]).await;
    let address = broker.addresses()[0];
    let second = Broker::builder()
        .listen(address)
        .build()
        .unwrap()
        .start()
        .await;
    let error = second.unwrap_err();
    assert!(matches!(error, BrokerError::AddressInUse(taken) if taken == address));
    assert!(error.to_string().contains(&address.to_string()));
    assert_eq!(api(&broker, "GET", "/health", "").await.status, 200);
}

#[tokio::test]
async fn an_address_of_the_network_is_refused_unless_it_is_asked_for() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Broker::builder()
        .listen(everywhere)
        .build()
        .unwrap()
        .start()
        .await;
    assert!(matches!(refused, Err(BrokerError::NotLoopback(_))));
    let open = Broker::builder().listen(everywhere).listen_anywhere();
    assert!(open.build().unwrap().start().await.is_ok());
}
