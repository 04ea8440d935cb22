//! A client for one request over a connection of its own.

use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// When the first bytes came.
    pub(crate) first_piece: Instant,
}

#[allow(dead_code, reason = "one of the two programs has tenants")]
pub(crate) async fn post(address: &str, target: &str, body: &str) -> anyhow::Result<Answer> {
    let length = body.len();
    send(
        address,
        &format!("POST {target} HTTP/1.1\r\ncontent-length: {length}"),
        body,
    )
    .await
}

/// Sends JSON as the tenant with this token.
#[allow(dead_code, reason = "one of the two programs has no tenants")]
pub(crate) async fn post_as(
    address: &str,
    target: &str,
    token: &str,
    body: &Value,
) -> anyhow::Result<Answer> {
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-length: {length}"
    );
    send(address, &head, &body).await
}

#[allow(dead_code, reason = "one of the two programs reads numbers elsewhere")]
pub(crate) async fn get(address: &str, target: &str) -> anyhow::Result<Value> {
    let answer = send(address, &format!("GET {target} HTTP/1.1"), "").await?;
    Ok(serde_json::from_str(&answer.body)?)
}

async fn send(address: &str, head: &str, body: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("{head}\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await?;
    let mut received = Vec::new();
    stream.read_buf(&mut received).await?;
    let first_piece = Instant::now();
    stream.read_to_end(&mut received).await?;
    let received = String::from_utf8(received)?;
    let (head, rest) = received.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = match head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        true => dechunked(rest)?,
        false => rest.to_owned(),
    };
    Ok(Answer {
        status: status.ok_or_else(|| anyhow::anyhow!("no answer: {received}"))?,
        body,
        first_piece,
    })
}

/// The body of chunks, which has to be complete.
fn dechunked(mut rest: &str) -> anyhow::Result<String> {
    let mut body = String::new();
    loop {
        let Some((length, after)) = rest.split_once("\r\n") else {
            anyhow::bail!("the answer was broken off after {body}");
        };
        let length = usize::from_str_radix(length, 16)?;
        let Some((chunk, after)) = after.split_at_checked(length) else {
            anyhow::bail!("the answer was broken off after {body}");
        };
        if length == 0 {
            return Ok(body);
        }
        body += chunk;
        rest = after.strip_prefix("\r\n").unwrap_or(after);
    }
}
