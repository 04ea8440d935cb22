//! The paths of the HTTP server whose bodies move in step with other requests, so that a client
//! that holds something back blocks instead of being late. A stream's name is the query.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::mpsc;

use crate::content;
use crate::http_bodies::{ResponseBody, full};
use crate::journal::Journal;

/// More than a client that reads nothing may be sent.
const ENDLESS: u64 = 512 << 20;

/// The answer to `path`: its type and its body, if it is one of these paths.
///
/// | path | what it does |
/// |---|---|
/// | `/events/N` | sends `N` events, each when the one before it was acknowledged |
/// | `/acknowledge` | acknowledges an event |
/// | `/ticks/N` | sends `N` events without waiting |
/// | `/endless` | sends for as long as the client takes |
/// | `/settled` | waits until a stream stands still; answers how many bytes were sent, and arrived |
/// | `/take` | reads an upload, and answers with its length |
/// | `/arrived/N` | waits until `N` bytes of an upload have arrived |
/// | `/early` | answers at once, and does not read the upload |
/// | `/cut` | waits until the client has cut a stream off |
/// | `/unread` | neither reads the upload nor answers |
/// | `/wait/N` | answers after `N` milliseconds |
pub(crate) async fn stream_route(
    path: &str,
    name: &str,
    body: &mut Incoming,
    journal: &Arc<Journal>,
) -> Option<(&'static str, ResponseBody)> {
    let (first, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let number = argument.parse::<u64>().unwrap_or(0);
    let streams = &journal.streams;
    let text = |text: String| Some(("text/plain", full(text)));
    match first {
        "events" => Some((
            "text/event-stream",
            sent(name, journal, move |journal, name, pieces| {
                events(number as usize, true, journal, name, pieces)
            }),
        )),
        "ticks" => Some((
            "text/event-stream",
            sent(name, journal, move |journal, name, pieces| {
                events(number as usize, false, journal, name, pieces)
            }),
        )),
        "acknowledge" => {
            streams.note(name, |stream| stream.acknowledged += 1);
            text("acknowledged\n".to_owned())
        }
        "endless" => Some(("application/octet-stream", sent(name, journal, endless))),
        "settled" => {
            let stream = streams.settled(name).await;
            text(format!("{} {}", stream.given, stream.received))
        }
        "take" => text(take(name, body, journal).await.to_string()),
        "arrived" => {
            let enough = |stream: &crate::StreamRecord| stream.received >= number;
            streams.until(name, enough).await;
            text("arrived\n".to_owned())
        }
        "early" => text("enough\n".to_owned()),
        "cut" => {
            streams.until(name, |stream| stream.cut).await;
            text("cut\n".to_owned())
        }
        "unread" => std::future::pending().await,
        "wait" => {
            tokio::time::sleep(Duration::from_millis(number)).await;
            text("waited\n".to_owned())
        }
        _ => None,
    }
}

/// Reads a body, recording every piece; returns its length.
async fn take(name: &str, body: &mut Incoming, journal: &Arc<Journal>) -> u64 {
    let mut length = 0;
    loop {
        match body.frame().await {
            None => return length,
            Some(Ok(frame)) => {
                let more = frame.data_ref().map_or(0, Bytes::len) as u64;
                length += more;
                journal
                    .streams
                    .note(name, |stream| stream.received = length);
            }
            Some(Err(_)) => {
                journal.streams.note(name, |stream| stream.cut = true);
                return length;
            }
        }
    }
}

type Pieces = mpsc::Sender<Bytes>;

/// A body that a task sends. The task ends when the body is dropped.
fn sent<F>(
    name: &str,
    journal: &Arc<Journal>,
    task: impl FnOnce(Arc<Journal>, String, Pieces) -> F,
) -> ResponseBody
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let (pieces, receiver) = mpsc::channel(1);
    let (journal, name) = (Arc::clone(journal), name.to_owned());
    let making = task(Arc::clone(&journal), name.clone(), pieces.clone());
    tokio::spawn(async move {
        let made = tokio::select! {
            made = making => made,
            () = pieces.closed() => None,
        };
        if made.is_none() {
            journal.streams.note(&name, |stream| stream.cut = true);
        }
    });
    Received(receiver).boxed_unsync()
}

/// Sends `count` events, each after the acknowledgement of the one before it if they are `paced`.
/// `None` if the client has disconnected.
async fn events(
    count: usize,
    paced: bool,
    journal: Arc<Journal>,
    name: String,
    pieces: Pieces,
) -> Option<()> {
    for number in 0..count {
        let event = Bytes::from(format!("data: event {number}\n\n"));
        give(event, &journal, &name, &pieces).await?;
        if paced {
            let acknowledged = |stream: &crate::StreamRecord| stream.acknowledged > number;
            journal.streams.until(&name, acknowledged).await;
        }
    }
    Some(())
}

async fn endless(journal: Arc<Journal>, name: String, pieces: Pieces) -> Option<()> {
    for piece in content::pattern_pieces(ENDLESS) {
        give(piece, &journal, &name, &pieces).await?;
    }
    Some(())
}

async fn give(piece: Bytes, journal: &Journal, name: &str, pieces: &Pieces) -> Option<()> {
    let length = piece.len() as u64;
    pieces.send(piece).await.ok()?;
    journal.streams.note(name, |stream| stream.given += length);
    Some(())
}

/// The content of a channel, as a body.
struct Received(mpsc::Receiver<Bytes>);

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
