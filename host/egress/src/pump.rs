//! Sends a request body in a task of its own: a peer may answer before it has read the body, and a
//! guest may read the answer while it still writes.

use std::io;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::body_kind::BodyKind;
use crate::error::EgressError;
use crate::limit::limit_of;
use crate::request_body::RequestBody;

/// How the sending of a body ended.
#[derive(Debug)]
pub(crate) enum Sent<T> {
    /// All of it was sent, and this can be used again.
    Whole(T),
    /// The peer takes no more. It may have answered, or may still answer.
    Broken,
    /// The body itself failed or has the wrong length; the peer has half a request.
    Failed(EgressError),
}

/// Why the sending of a body stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The peer takes no more.
    Peer,
    /// The body failed, or a limit was reached.
    Body(EgressError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match limit_of(&error) {
            Some(limit) => Self::Body(EgressError::Limit(limit)),
            None => Self::Peer,
        }
    }
}

/// A body that is being sent. Dropping it stops the sending.
#[derive(Debug)]
pub(crate) struct Pump<T> {
    pub(crate) end: oneshot::Receiver<Sent<T>>,
    task: AbortHandle,
}

impl<T> Drop for Pump<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The sending half of a connection or stream, which knows the wire format of a body.
pub(crate) trait Outlet: Send + 'static {
    /// Sends a body to its end.
    fn send_body(&mut self, body: Outgoing) -> impl Future<Output = Result<(), Stop>> + Send;
}

impl<T: Outlet> Pump<T> {
    /// Begins to send a body, after a head that is already sent.
    pub(crate) fn start(mut outlet: T, kind: BodyKind, body: RequestBody) -> Self {
        let (tx, end) = oneshot::channel();
        let task = tokio::spawn(async move {
            let sent = match outlet.send_body(Outgoing::new(kind, body)).await {
                Ok(()) => Sent::Whole(outlet),
                Err(Stop::Peer) => Sent::Broken,
                Err(Stop::Body(error)) => Sent::Failed(error),
            };
            // Report the reason first, and only then drop the outlet, which others may notice. The
            // request may be over already.
            let _ = tx.send(sent);
        });
        Self {
            end,
            task: task.abort_handle(),
        }
    }

    /// Why the body failed, if it has.
    pub(crate) fn failure(&mut self) -> Option<EgressError> {
        match self.end.try_recv() {
            Ok(Sent::Failed(error)) => Some(error),
            _ => None,
        }
    }
}

/// A request body, checked against its announced length.
pub(crate) struct Outgoing {
    body: RequestBody,
    left: Option<u64>,
}

impl Outgoing {
    fn new(kind: BodyKind, body: RequestBody) -> Self {
        let left = match kind {
            BodyKind::None => Some(0),
            BodyKind::Sized(length) => Some(length),
            BodyKind::Chunked => None,
        };
        Self { body, left }
    }

    /// Whether the length was announced.
    pub(crate) fn is_sized(&self) -> bool {
        self.left.is_some()
    }

    /// Whether every announced byte was returned.
    pub(crate) fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// The next piece, never empty; `None` at the end. A piece beyond the announced length is not
    /// returned.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        while !self.is_complete() {
            let Some(frame) = self.body.frame().await else {
                break;
            };
            let Ok(data) = frame.map_err(Stop::Body)?.into_data() else {
                return Err(invalid("trailer fields are not sent"));
            };
            if data.is_empty() {
                continue;
            }
            if let Some(left) = &mut self.left {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or_else(|| invalid("it is longer than its Content-Length"))?;
            }
            return Ok(Some(data));
        }
        match self.left {
            None | Some(0) => Ok(None),
            Some(_) => Err(invalid("it ended before its Content-Length")),
        }
    }
}

fn invalid(what: &str) -> Stop {
    Stop::Body(EgressError::Invalid(format!(
        "the request body is wrong: {what}"
    )))
}
