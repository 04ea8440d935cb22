//! The broker's own answers, and what follows from them.

use std::net::SocketAddr;

use crate::error_json::ErrorJson;
use crate::http::{Connection, Head, Own};
use crate::kept_errors::ConnectionId;

/// What happens to a connection after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next call follows.
    Next,
    /// It is closed after what was written.
    Close,
    /// It is closed so that nothing passes for complete.
    Reset,
}

impl After {
    /// After an answer of the broker itself.
    pub(crate) fn answer(written: std::io::Result<bool>) -> Self {
        match written {
            Ok(true) => Self::Next,
            Ok(false) => Self::Close,
            Err(_) => Self::Reset,
        }
    }
}

/// Writes an error as an answer; returns whether another request may follow.
pub(crate) async fn say(
    connection: &mut Connection,
    head: Option<&Head>,
    error: &ErrorJson,
    persists: bool,
) -> std::io::Result<bool> {
    let mut own = Own::json(error.status);
    own = match error.status {
        401 => own.with("WWW-Authenticate", "Bearer realm=\"sandbox-net\""),
        407 => own.with("Proxy-Authenticate", "Basic realm=\"sandbox-net\""),
        _ => own,
    };
    if head.is_some_and(|head| head.method == b"CONNECT") {
        own = own.saying(error.message());
    }
    connection.answer(own, &error.body(), head, persists).await
}

/// Tells the client that there is no connection, and closes its own.
pub(crate) async fn refuse(mut connection: Connection, head: &Head, error: &ErrorJson) {
    if say(&mut connection, Some(head), error, false).await.is_ok() {
        connection.close().await;
    }
}

/// The answer to a connection that was made.
pub(crate) fn established(id: &ConnectionId, peer: Option<SocketAddr>) -> Vec<u8> {
    let peer = peer.map(|peer| format!("X-Sandbox-Net-Peer: {peer}\r\n"));
    let peer = peer.unwrap_or_default();
    let id = id.text();
    format!("HTTP/1.1 200 Connection established\r\nX-Sandbox-Net-Connection: {id}\r\n{peer}\r\n")
        .into_bytes()
}
