//! A plain HTTP client, which can also behave badly.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a line may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The only object of the body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {}", self.body))
    }

    /// The lines of the body.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}")))
            .collect()
    }

    /// What the program wrote to this stream.
    pub(crate) fn printed(&self, stream: &str) -> String {
        let lines = self.lines();
        lines
            .iter()
            .filter_map(|line| line[stream].as_str())
            .collect()
    }

    /// The last line.
    pub(crate) fn end(&self) -> Value {
        self.lines().pop().expect("a last line")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        lines
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, token: Option<&str>, length: usize) -> String {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{}\r\n",
        token.unwrap_or_default()
    )
}

/// An answer that is read only in part so far.
pub(crate) struct Streamed {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Streamed {
    /// Posts as `acme`, and reads up to this text: what runs is there then.
    pub(crate) async fn until(text: &str, address: SocketAddr, path: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = head("POST", path, Some(crate::ACME), body.len()) + body;
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("a request");
        let mut received = Vec::new();
        while !String::from_utf8_lossy(&received).contains(text) {
            let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut received)).await;
            let read = read.expect("it comes in time").expect("a line");
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&received));
        }
        Self { stream, received }
    }

    /// Reads up to its end.
    pub(crate) async fn rest(self) -> Answer {
        read_on(self.stream, self.received).await
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Answer {
    let head = head(method, path, token, body.len());
    send(address, &(head + body)).await
}

/// Sends these bytes and reads the whole answer.
pub(crate) async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // A server that refuses may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    read(stream).await
}

/// Reads an answer up to the end of the connection.
pub(crate) async fn read(stream: TcpStream) -> Answer {
    read_on(stream, Vec::new()).await
}

async fn read_on(mut stream: TcpStream, mut received: Vec<u8>) -> Answer {
    let _ = stream.read_to_end(&mut received).await;
    let received = String::from_utf8(received).expect("UTF-8");
    let (head, rest) = received
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("a head: {received}"));
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = match head.contains("transfer-encoding: chunked") {
        true => dechunked(rest),
        false => rest.to_owned(),
    };
    Answer {
        status: status.expect("a status"),
        head,
        body,
    }
}

/// The body of chunks, as far as it came.
fn dechunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        let Some((chunk, after)) = after.split_at_checked(length) else {
            break;
        };
        body += chunk;
        rest = after.strip_prefix("\r\n").unwrap_or(after);
    }
    body
}
