//! `sandbox-net serve`: what clients get, what a bad client gets, and what is left of either.

mod answers;
mod bad_clients;
mod client;
mod deployment;
mod draining;
mod policies;
mod programs;
mod refusals;
mod rolling;
mod sessions;
mod tenants;

use std::net::SocketAddr;
use std::time::Duration;

use sandbox_net::Engine;
use sandbox_net_serve::{Config, Server};
use serde_json::Value;

use self::client::{Answer, ask};

/// The tokens of the tenants that most tests have.
pub(crate) const ACME: &str = "token-of-acme-0123456789";
pub(crate) const BETA: &str = "token-of-beta-0123456789";

/// A server on loopback, with the tenants `acme` and `beta`.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) directory: tempfile::TempDir,
}

/// Starts a server. `settings` come before the tenants, `acme` has these keys of its own.
pub(crate) async fn start(settings: &str, acme: &str) -> Running {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
    write("acme.token", ACME).expect("a file");
    write("beta.token", BETA).expect("a file");
    let listen = match settings.contains("[server]") {
        true => settings.replace("[server]", "[server]\nlisten = \"127.0.0.1:0\""),
        false => format!("[server]\nlisten = \"127.0.0.1:0\"\ninstance = \"a\"\n{settings}"),
    };
    let text = format!(
        "version = 1\n{listen}\n[[tenant]]\nname = \"acme\"\ntokens = [{{ file = \"acme.token\" }}]\n\
         {acme}\n[[tenant]]\nname = \"beta\"\ntokens = [{{ file = \"beta.token\" }}]\n"
    );
    let config = Config::parse(&text, directory.path()).unwrap_or_else(|error| panic!("{error}"));
    let engine = config
        .bound(Engine::builder())
        .build()
        .await
        .expect("an engine");
    let server = Server::start(config, engine).await.expect("a server");
    Running { server, directory }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Runs a program of `acme` whose request is this object.
    pub(crate) async fn run(&self, request: Value) -> Answer {
        self.post("/v1/run", request).await
    }

    /// Calls as `acme`.
    pub(crate) async fn post(&self, path: &str, request: Value) -> Answer {
        ask(
            self.address(),
            "POST",
            path,
            Some(ACME),
            &request.to_string(),
        )
        .await
    }

    /// A number of `/metrics`; zero if there is none.
    pub(crate) async fn number(&self, series: &str) -> f64 {
        let answer = ask(self.address(), "GET", "/metrics", None, "").await;
        let mut lines = answer.body.lines();
        let found = lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        found.unwrap_or_default()
    }

    /// Waits until the server's number of programs that run is this.
    pub(crate) async fn runs(&self, count: usize) {
        let series = "sandbox_net_serve_running{tenant=\"acme\"}";
        until(&format!("{count} run"), async || {
            self.number(series).await == count as f64
        })
        .await;
    }

    /// Shows that nothing is left: no program and no session, and a good one works.
    pub(crate) async fn is_as_new(&self) {
        self.runs(0).await;
        let answer = self.run(serde_json::json!({"code": "print('good')"})).await;
        assert_eq!(answer.printed("stdout"), "good\n", "{}", answer.body);
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("it never was so that {what}"));
}
