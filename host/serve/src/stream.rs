//! The body of a response while a program runs, and what ends it early.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::answers::{Answers, Last};
use crate::lines::Piece;

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
    answers: Answers,
    write_timeout: Duration,
}

impl Lines {
    /// The sending end, and the response that reads from it. Lines take their room of `answers`.
    pub(crate) fn new(answers: &Answers, write_timeout: Duration) -> (Self, Body) {
        let (to, from) = mpsc::channel::<Bytes>(LINES);
        let lines = stream::unfold(from, |mut from| async move {
            let line = from.recv().await?;
            Some((Ok::<_, Infallible>(line), from))
        });
        let own = Self {
            to,
            answers: answers.clone(),
            write_timeout,
        };
        (own, Body::from_stream(lines))
    }

    /// The room that the lines take.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Waits until the client goes away.
    pub(crate) async fn gone(&self) {
        self.to.closed().await;
    }

    /// Sends what the program prints, up to so many bytes.
    pub(crate) async fn forward(&self, pieces: impl Stream<Item = Piece>, most: u64) -> Stopped {
        let mut pieces = std::pin::pin!(pieces);
        let mut left = most;
        while let Some(piece) = pieces.next().await {
            match left.checked_sub(piece.length) {
                Some(rest) => left = rest,
                None => return Stopped::Output,
            }
            let line = tokio::select! {
                biased;
                () = self.gone() => return Stopped::Gone,
                line = self.answers.counted(piece.line) => line,
            };
            if self.to.send(line).await.is_err() {
                return Stopped::Gone;
            }
        }
        Stopped::Over
    }

    /// Waits for the end of a program while `forward` sends its output. Without an outcome it has to be
    /// stopped; without [`Stopped`] a part of the output is still to be sent.
    pub(crate) async fn until_end<T>(
        &self,
        mut forward: Pin<&mut impl Future<Output = Stopped>>,
        end: impl Future<Output = T>,
        ending: &CancellationToken,
    ) -> (Option<T>, Option<Stopped>) {
        let mut end = std::pin::pin!(end);
        let mut over = None;
        loop {
            tokio::select! {
                biased;
                () = self.gone() => return (None, Some(Stopped::Gone)),
                () = ending.cancelled() => return (None, Some(Stopped::Ending)),
                outcome = &mut end => return (Some(outcome), over),
                stopped = &mut forward, if over.is_none() => match stopped {
                    Stopped::Over => over = Some(stopped),
                    _ => return (None, Some(stopped)),
                },
            }
        }
    }

    /// Sends the rest of the output, unless that has stopped, and the line that `last` has for it; returns its
    /// word. A client that does not take them in time loses them.
    pub(crate) async fn finish(
        &self,
        forward: impl Future<Output = Stopped>,
        stopped: Option<Stopped>,
        ending: &CancellationToken,
        last: impl FnOnce(Stopped) -> (&'static str, Last),
    ) -> &'static str {
        let finishing = async {
            let stopped = match stopped {
                Some(stopped) => stopped,
                None => tokio::select! {
                    biased;
                    stopped = forward => stopped,
                    () = ending.cancelled() => Stopped::Ending,
                },
            };
            let (word, last) = last(stopped);
            let line = tokio::select! {
                biased;
                () = self.gone() => return word,
                line = self.answers.last(last) => line,
            };
            // Without a client nobody misses it.
            let _ = self.to.send(line).await;
            word
        };
        let finished = tokio::time::timeout(self.write_timeout, finishing).await;
        finished.unwrap_or("gone")
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

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::lines;

    const LONG: Duration = Duration::from_secs(3600);

    fn pieces(count: usize) -> impl Stream<Item = Piece> {
        let piece = || Piece {
            line: vec![b'x'; 512 << 10],
            length: 1,
        };
        stream::iter(std::iter::repeat_with(piece).take(count))
    }

    fn last(_: Stopped) -> (&'static str, Last) {
        ("exit", lines::line(&"last").into())
    }

    #[tokio::test]
    async fn output_and_last_lines_wait_until_clients_have_taken_what_was_sent_before() {
        let answers = Answers::new(&Semaphore::new(0));
        let ending = CancellationToken::new();
        let (slow, body) = Lines::new(&answers, LONG);
        assert_eq!(slow.forward(pieces(2), 10).await, Stopped::Over);
        let (printing, _one) = Lines::new(&answers, LONG);
        let mut printing = Box::pin(printing.forward(pieces(1), 10));
        assert!(futures_util::poll!(&mut printing).is_pending());
        let (ended, _other) = Lines::new(&answers, LONG);
        let nothing = std::future::pending();
        let mut ended = Box::pin(ended.finish(nothing, Some(Stopped::Over), &ending, last));
        assert!(futures_util::poll!(&mut ended).is_pending());
        let mut taken = body.into_data_stream();
        let first = taken.next().await;
        assert!(
            futures_util::poll!(&mut printing).is_pending(),
            "it is not sent yet"
        );
        drop(first);
        assert_eq!(printing.await, Stopped::Over);
        drop(taken);
        assert_eq!(ended.await, "exit");
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_with_its_client() {
        let answers = Answers::new(&Semaphore::new(0));
        let (slow, _body) = Lines::new(&answers, LONG);
        slow.forward(pieces(2), 10).await;
        let (lines, body) = Lines::new(&answers, LONG);
        let mut printing = Box::pin(lines.forward(pieces(1), 10));
        assert!(futures_util::poll!(&mut printing).is_pending());
        drop(body);
        assert_eq!(printing.await, Stopped::Gone);
    }

    #[tokio::test]
    async fn the_end_of_a_program_is_seen_while_its_output_waits() {
        let answers = Answers::new(&Semaphore::new(0));
        let ending = CancellationToken::new();
        let (lines, body) = Lines::new(&answers, LONG);
        let mut forward = Box::pin(lines.forward(pieces(5), 10));
        assert!(futures_util::poll!(&mut forward).is_pending());
        let end = lines.until_end(forward.as_mut(), std::future::ready(7), &ending);
        assert_eq!(end.await, (Some(7), None));
        assert!(futures_util::poll!(&mut forward).is_pending());
        let reading = body.into_data_stream().take(5).count();
        assert_eq!(tokio::join!(forward, reading), (Stopped::Over, 5));
    }
}
