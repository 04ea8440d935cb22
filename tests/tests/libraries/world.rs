//! The servers for each program.

use sandbox_net::{Sandbox, SandboxBuilder};
use sandbox_net_tests::{
    Alpn, Forbidden, HttpServer, LIBRARIES, LIMIT, Report, S3Server, TestCa, run,
};

/// All servers of a test.
pub(crate) struct World {
    pub(crate) ca: TestCa,
    pub(crate) http: HttpServer,
    pub(crate) https: HttpServer,
    pub(crate) http2: HttpServer,
    pub(crate) untrusted: HttpServer,
    pub(crate) forbidden: Forbidden,
}

impl World {
    pub(crate) async fn start() -> Self {
        let ca = TestCa::new("sandbox-net tests");
        let leaf = ca.loopback_leaf();
        let stranger = TestCa::new("a stranger").loopback_leaf();
        Self {
            http: HttpServer::plain().await,
            https: HttpServer::tls(&leaf, Alpn::Http1).await,
            http2: HttpServer::tls(&leaf, Alpn::Http2).await,
            untrusted: HttpServer::tls(&stranger, Alpn::Http1).await,
            forbidden: Forbidden::start().await,
            ca,
        }
    }

    /// The arguments of a program, as `programs/libraries/columns.py` reads them.
    pub(crate) fn arguments(&self) -> Vec<(&'static str, String)> {
        vec![
            ("http", self.http.origin()),
            ("https", self.https.origin()),
            ("http2", self.http2.origin()),
            ("named", self.https.origin_as("localhost")),
            ("named2", self.http2.origin_as("localhost")),
            ("untrusted", self.untrusted.origin()),
            ("denied", self.forbidden.origin()),
        ]
    }

    /// A sandbox that may use all servers except the denied one, and has all packages.
    pub(crate) fn sandbox(&self, arguments: &[(&'static str, String)]) -> SandboxBuilder {
        let mut sandbox = Sandbox::builder()
            .trust_ca_pem(self.ca.root_pem())
            // The same server by its name, for cookies.
            .allow(self.http.origin_as("localhost"))
            .time_limit(LIMIT);
        for (name, url) in arguments {
            if *name != "denied" {
                sandbox = sandbox.allow(url.as_str());
            }
            sandbox = sandbox.arg(format!("{name}={url}"));
        }
        LIBRARIES
            .iter()
            .fold(sandbox, |sandbox, package| sandbox.with_package(*package))
    }

    /// What `program` prints in a sandbox.
    pub(crate) async fn inside(
        &self,
        program: &str,
        arguments: &[(&'static str, String)],
    ) -> Report {
        let sandbox = self.sandbox(arguments).build().await;
        run(&sandbox.expect("a sandbox"), program).await.0
    }
}

/// The servers of object storage, in the same three ways, instead of the first three arguments.
pub(crate) struct Storage(pub(crate) [S3Server; 3]);

impl Storage {
    pub(crate) async fn start(ca: &TestCa) -> Self {
        let leaf = ca.loopback_leaf();
        Self([
            S3Server::plain().await,
            S3Server::tls(&leaf, &[b"http/1.1"]).await,
            S3Server::tls(&leaf, &[b"h2", b"http/1.1"]).await,
        ])
    }

    pub(crate) fn replace(&self, arguments: &mut [(&'static str, String)]) {
        let [http, https, http2] = &self.0;
        let named = |server: &S3Server| server.origin().replace("127.0.0.1", "localhost");
        for (name, url) in arguments {
            *url = match *name {
                "http" => http.origin(),
                "https" => https.origin(),
                "http2" => http2.origin(),
                "named" => named(https),
                "named2" => named(http2),
                _ => continue,
            };
        }
    }
}
