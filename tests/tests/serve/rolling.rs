//! A rolling restart of two instances behind HAProxy loses nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox_net::Engine;
use sandbox_net_serve::{Config, Server};
use sandbox_net_tests::{loopback, skip};
use serde_json::json;

use crate::client::ask;
use crate::{ACME, until};

/// A proxy that ends with the test.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Addresses that were free a moment ago.
fn free<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind(loopback(0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address"))
}

/// Routes sessions by the instance in their ids, and all else to who is ready.
fn proxy(directory: &Path, front: SocketAddr, [a, b]: [SocketAddr; 2]) -> std::io::Result<Proxy> {
    let file = directory.join("haproxy.cfg");
    let text = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout check 5s\n\
         frontend clients\n bind {front}\n\
         \x20http-request return status 200 if {{ path /both }} {{ nbsrv(any) eq 2 }}\n\
         \x20http-request return status 503 if {{ path /both }}\n\
         \x20use_backend a if {{ path_reg ^/v1/sessions/a\\. }}\n\
         \x20use_backend b if {{ path_reg ^/v1/sessions/b\\. }}\n\
         \x20default_backend any\n\
         backend any\n balance leastconn\n option httpchk GET /readyz\n option redispatch\n\
         \x20default-server check inter 100ms fall 1 rise 1\n server a {a}\n server b {b}\n\
         backend a\n server a {a}\nbackend b\n server b {b}\n"
    );
    std::fs::write(&file, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(Proxy)
}

async fn instance(name: &str, address: SocketAddr, directory: &Path) -> Server {
    let text = format!(
        "version = 1\n[server]\nlisten = \"{address}\"\ninstance = \"{name}\"\nnotice = \"1s\"\ngrace = \"30s\"\n\
         [[tenant]]\nname = \"acme\"\ntokens = [{{ file = \"acme.token\" }}]\n"
    );
    let config = Config::parse(&text, directory).expect("a configuration");
    let engine = config
        .bound(Engine::builder())
        .build()
        .await
        .expect("an engine");
    Server::start(config, engine).await.expect("a server")
}

/// Waits until the proxy knows that both instances are ready.
async fn both_ready(front: SocketAddr) {
    until("both are ready", async || {
        let connected = tokio::net::TcpStream::connect(front).await.is_ok();
        connected && ask(front, "GET", "/both", None, "").await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_behind_a_proxy_loses_no_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    std::fs::write(at.join("acme.token"), ACME).expect("a file");
    let [front, a, b] = free();
    let Ok(_proxy) = proxy(at, front, [a, b]) else {
        return skip("there is no haproxy");
    };
    let servers = [
        ("a", a, instance("a", a, at).await),
        ("b", b, instance("b", b, at).await),
    ];
    both_ready(front).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let clients = (0..8).map(|client| {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut count = 0;
            while !is_over.load(Ordering::SeqCst) {
                let code = format!("import time; time.sleep(0.05); print({client}, {count})");
                let body = json!({ "code": code }).to_string();
                let answer = ask(front, "POST", "/v1/run", Some(ACME), &body).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                assert_eq!(answer.printed("stdout"), format!("{client} {count}\n"));
                assert_eq!(answer.end()["ended"], "exit");
                count += 1;
            }
            count
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut restarted = Vec::new();
    for (name, address, server) in servers {
        server.drain().await;
        restarted.push(instance(name, address, at).await);
        both_ready(front).await;
    }
    let sessions = async {
        let session = ask(front, "POST", "/v1/sessions", Some(ACME), "").await;
        let location = session.field("location").expect("a location").to_owned();
        let turn = format!("{location}/turns");
        ask(front, "POST", &turn, Some(ACME), "{\"code\": \"1\"}")
            .await
            .status
    };
    assert_eq!(sessions.await, 200);
    is_over.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.expect("no request is lost") > 0);
    }
}
