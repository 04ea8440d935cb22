//! A TLS server whose answer to each request is its path.

use std::net::SocketAddr;

use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, ok, read_request, write};

/// The name in the server's certificate.
pub(crate) const NAME: &str = "localhost";

/// The server, and the authority of its certificate.
pub(crate) struct TestServer {
    authority: Authority,
    server: Server,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let authority = Authority::new();
        let config = authority.server_with(&["http/1.1"], &[NAME], |_| {});
        let server = serve_tls(config, |mut stream, _| async move {
            loop {
                let request = read_request(&mut stream).await;
                let Some(path) = request.split(' ').nth(1) else {
                    return;
                };
                write(&mut stream, ok(&body(path)).as_bytes()).await;
            }
        });
        let server = server.await;
        Self { authority, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The host and the port, by name.
    pub(crate) fn authority(&self) -> String {
        format!("{NAME}:{}", self.server.address.port())
    }

    /// What is allowed there.
    pub(crate) fn rule(&self) -> String {
        format!("GET https://{}/open/**", self.authority())
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.authority.pem()
    }
}

/// The body of the response for a path: a kibibyte that no other path has.
pub(crate) fn body(path: &str) -> String {
    format!("{path} {}", "x".repeat(1024))
}
