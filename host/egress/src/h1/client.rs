//! Sends one request on a connection and reads its response.

use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncWriteExt, WriteHalf};

use crate::account::HostMemory;
use crate::body_kind::BodyKind;
use crate::error::{EgressError, Phase};
use crate::failure::{Delivery, Failure};
use crate::h1::body::{H1Body, Receiving};
use crate::h1::reader::Reader;
use crate::h1::response::{Framing, is_persistent};
use crate::h1::transport::{ReturnSlot, Writing};
use crate::limit::limit_of;
use crate::protocol_failure::{ProtocolFailure, ProtocolFault};
use crate::pump::{Pump, Sent};
use crate::request_body::RequestBody;
use crate::response::ResponseHead;
use crate::send_options::Continued;
use crate::stream::Stream;

/// The result of a request.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A response.
    Framed(ResponseHead, H1Body),
    /// Bytes whose head is not accepted, from the first one to the connection's end.
    Unframed(ProtocolFailure, H1Body),
}

/// A request that is ready to be sent, on any connection.
#[derive(Debug)]
pub(crate) struct ReadyRequest<'a> {
    /// The encoded request head.
    pub(crate) head: &'a [u8],
    pub(crate) kind: BodyKind,
    /// Who is told that the peer asks for the body.
    pub(crate) continued: Option<&'a Continued>,
    /// Whether the request asks to close the connection.
    pub(crate) closes: bool,
    /// Whether the method is HEAD, whose response has no body whatever its fields say.
    pub(crate) answers_head: bool,
    pub(crate) max_response_head: usize,
    pub(crate) accept_tls_truncation: bool,
    /// Whether to return a malformed response as it comes.
    pub(crate) takes_unframed: bool,
    /// Whether to return an ambiguous response as it comes, too.
    pub(crate) takes_ambiguous: bool,
    /// The account for what is read ahead.
    pub(crate) memory: &'a HostMemory,
    /// Where the connection goes afterwards.
    pub(crate) return_slot: Arc<ReturnSlot>,
}

impl ReadyRequest<'_> {
    /// Sends the request and waits for the response's head. The body is taken out of `body` only
    /// when the head is sent. `phase` always says what is going on.
    ///
    /// Dropping the future closes the connection.
    pub(crate) async fn send(
        &self,
        stream: Stream,
        body: &mut Option<RequestBody>,
        phase: &mut Phase,
    ) -> Result<Arrived, Failure> {
        *phase = Phase::Request;
        let (read, write) = tokio::io::split(stream);
        let reader = Reader::new(read, self.memory);
        let mut reader = reader.map_err(|limit| Failure::last(EgressError::Limit(limit)))?;
        let (mut sent, mut answered) = (0, false);
        let result = self
            .until_head(&mut reader, &mut answered, write, &mut sent, body, phase)
            .await;
        let (head, framing, writing) = match result {
            Ok(found) => found,
            Err(EgressError::Protocol(failure)) if self.hands_on(&failure, &reader) => {
                // Nothing more is sent or received on such a connection.
                let mut receiving = self.receiving(reader, Writing::Broken, false);
                receiving.max_head = receiving.reader.head_room;
                return Ok(Arrived::Unframed(failure, H1Body::unframed(receiving)));
            }
            Err(error) => {
                let delivery = match (answered, sent) {
                    (true, _) => Delivery::Final,
                    (false, 0) => Delivery::Nothing,
                    (false, _) => Delivery::Unanswered,
                };
                return Err(Failure { error, delivery });
            }
        };
        let persistent = is_persistent(&head, framing) && !self.closes;
        let receiving = self.receiving(reader, writing, persistent);
        Ok(Arrived::Framed(head, H1Body::new(framing, receiving)))
    }

    /// Whether to pass on a malformed head as it came. Not if it is larger than the bound, or if an
    /// attacker on the path may have truncated it. The reader's own bounds of a part of the head do
    /// not apply to the client.
    fn hands_on(&self, failure: &ProtocolFailure, reader: &Reader) -> bool {
        use ProtocolFault::{Ambiguous, Head, HeadCut, HeadTooLarge, NotHttp, Switched};
        let is_bounded = match failure.fault {
            Head(_) | HeadCut | NotHttp | Switched | Ambiguous { .. } => true,
            HeadTooLarge => reader.buffer.len() < reader.head_room,
            _ => false,
        };
        self.takes_unframed && is_bounded && (self.accept_tls_truncation || !reader.was_truncated)
    }

    fn receiving(&self, reader: Reader, writing: Writing, persistent: bool) -> Receiving {
        Receiving {
            reader,
            writing,
            persistent,
            accept_tls_truncation: self.accept_tls_truncation,
            max_head: self.max_response_head,
            return_slot: Arc::clone(&self.return_slot),
        }
    }

    /// Sends and receives at once: a peer may answer, and stop reading, at any time.
    async fn until_head(
        &self,
        reader: &mut Reader,
        answered: &mut bool,
        mut write: WriteHalf<Stream>,
        sent: &mut usize,
        body: &mut Option<RequestBody>,
        phase: &mut Phase,
    ) -> Result<(ResponseHead, Framing, Writing), EgressError> {
        let takes_ambiguous = self.takes_unframed && self.takes_ambiguous;
        let bounds = (self.max_response_head, self.answers_head, takes_ambiguous);
        let mut receive = pin!(reader.read_head(bounds, answered, self.continued));
        let head_is_sent = tokio::select! {
            biased;
            result = send_head(&mut write, self.head, sent) => match result {
                Ok(()) => true,
                Err(error) => match limit_of(&error) {
                    Some(limit) => return Err(EgressError::Limit(limit)),
                    None => false,
                },
            },
            result = &mut receive => {
                // The peer answered before the request was complete, so the connection cannot be
                // reused.
                let (head, framing) = result?;
                return Ok((head, framing, Writing::Broken));
            }
        };
        let mut writing = match (head_is_sent, self.kind) {
            // The peer takes nothing more, but may have said why.
            (false, _) => Writing::Broken,
            (true, BodyKind::None | BodyKind::Sized(0)) => Writing::Done(write),
            (true, kind) => match body.take() {
                Some(body) => Writing::Body(Pump::start(write, kind, body)),
                None => return Err(EgressError::Closed),
            },
        };
        loop {
            let Writing::Body(pump) = &mut writing else {
                *phase = Phase::Head;
                let (head, framing) = receive.await?;
                return Ok((head, framing, writing));
            };
            tokio::select! {
                result = &mut receive => {
                    let (head, framing) = result?;
                    return Ok((head, framing, writing));
                }
                end = &mut pump.end => writing = match end {
                    Ok(Sent::Whole(half)) => Writing::Done(half),
                    Ok(Sent::Failed(error)) => return Err(error),
                    Ok(Sent::Broken) | Err(_) => Writing::Broken,
                },
            }
        }
    }
}

/// Writes the head; `sent` counts the bytes that the connection took.
async fn send_head(
    write: &mut WriteHalf<Stream>,
    head: &[u8],
    sent: &mut usize,
) -> std::io::Result<()> {
    while *sent < head.len() {
        match write.write(&head[*sent..]).await? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            n => *sent += n,
        }
    }
    write.flush().await
}
