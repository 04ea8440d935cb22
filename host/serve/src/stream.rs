//! The body of a response while a program runs, and what ends it early.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::lines::{self, Piece};

/// Lines that wait for the client. The program waits for them too.
const LINES: usize = 2;

/// How the output of a program came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stopped {
    /// It wrote all that it had to.
    Over,
    /// The client went away.
    Gone,
    /// It printed more than it may.
    Output,
    /// The server or the session ends.
    Ending,
}

/// The lines of one response.
pub(crate) struct Lines {
    to: mpsc::Sender<Bytes>,
    write_timeout: Duration,
}

impl Lines {
    /// The sending end, and the response that reads from it.
    pub(crate) fn new(write_timeout: Duration) -> (Self, Body) {
        let (to, from) = mpsc::channel::<Bytes>(LINES);
        let lines = stream::unfold(from, |mut from| async move {
            let line = from.recv().await?;
            Some((Ok::<_, Infallible>(line), from))
        });
        (Self { to, write_timeout }, Body::from_stream(lines))
    }

    /// Waits until the client goes away.
    pub(crate) async fn gone(&self) {
        self.to.closed().await;
    }

    /// Sends what the program prints, up to so many bytes.
    pub(crate) async fn forward(
        &self,
        pieces: impl Stream<Item = Piece>,
        most: u64,
        ending: &CancellationToken,
    ) -> Stopped {
        let mut pieces = std::pin::pin!(pieces);
        let mut left = most;
        loop {
            let piece = tokio::select! {
                biased;
                () = self.gone() => return Stopped::Gone,
                () = ending.cancelled() => return Stopped::Ending,
                piece = pieces.next() => piece,
            };
            let Some(piece) = piece else {
                return Stopped::Over;
            };
            match left.checked_sub(piece.length) {
                Some(rest) => left = rest,
                None => return Stopped::Output,
            }
            tokio::select! {
                biased;
                sent = self.to.send(piece.line) => match sent {
                    Ok(()) => {}
                    Err(_) => return Stopped::Gone,
                },
                () = ending.cancelled() => return Stopped::Ending,
            }
        }
    }

    /// Sends the last line. A client that does not take it in time loses it.
    pub(crate) async fn end(self, last: &Value) {
        let sent = self.to.send(lines::line(last));
        // Without a client nobody misses it.
        let _ = tokio::time::timeout(self.write_timeout, sent).await;
    }
}

/// A response of lines, with the name of what runs.
pub(crate) fn response(body: Body, sandbox: &str) -> Response {
    let mut fields = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-ndjson");
    fields.insert(header::CONTENT_TYPE, kind);
    // A proxy that buffered them would hold what was printed back.
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    if let Ok(name) = HeaderValue::from_str(sandbox) {
        fields.insert(crate::router::SANDBOX, name);
    }
    (fields, body).into_response()
}
