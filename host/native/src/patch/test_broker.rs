//! A broker for one test, which denies everything with a text that nobody else knows.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const MAX_HEAD: usize = 16 * 1024;
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens on loopback until it is dropped.
#[derive(Debug)]
pub(super) struct TestBroker {
    address: SocketAddr,
    token: String,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TestBroker {
    pub(super) fn start() -> io::Result<TestBroker> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let over = Arc::new(AtomicBool::new(false));
        let (address, word, end) = (listener.local_addr()?, token.clone(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    return;
                }
                // A client that breaks off has nothing to learn.
                let _ = stream.and_then(|stream| answer(stream, &word));
            }
        });
        Ok(TestBroker {
            address,
            token,
            over,
            thread: Some(thread),
        })
    }

    /// The variables with which a program finds it, and no other broker. Those of proxies name it as
    /// well, as `native run` has them name its broker: the patch has to ignore them.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let proxy = format!("http://sandbox-net:{}@{}", self.token, self.address);
        let mut found: Vec<_> = PROXIES.iter().map(|name| (*name, proxy.clone())).collect();
        found.extend([
            ("SANDBOX_NET_BROKER_HOST", self.address.ip().to_string()),
            ("SANDBOX_NET_BROKER_PORT", self.address.port().to_string()),
            ("SANDBOX_NET_BROKER_SOCKET", String::new()),
            ("SANDBOX_NET_BROKER_TOKEN", self.token.clone()),
        ]);
        found
    }

    /// The text of its denials.
    pub(super) fn denial(&self) -> String {
        denial(&self.token)
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn denial(token: &str) -> String {
    format!("the test broker denies this ({})", &token[..8])
}

fn answer(mut stream: TcpStream, token: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        if count == 0 || head.len() > MAX_HEAD {
            return Ok(());
        }
        head.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&head);
    let (status, body) = if !text.contains(token) {
        (
            "401 Unauthorized",
            serde_json::json!({"error": {"code": "unauthorized", "message": "another token"}}),
        )
    } else if text.starts_with("CONNECT ") {
        let error = serde_json::json!({
            "code": "denied", "reason": "no-rule", "rule": "test", "message": denial(token),
        });
        ("403 Forbidden", serde_json::json!({ "error": error }))
    } else if text.starts_with("POST /api/resolve ") {
        ("200 OK", serde_json::json!({ "addresses": [] }))
    } else {
        (
            "404 Not Found",
            serde_json::json!({"error": {"code": "not-found", "message": "no such call"}}),
        )
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
