//! A client's connection, on which it sends one request after the other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use sandbox_net_egress::account::{HostMemory, Reservation};
use sandbox_net_egress::{BodyKind, EgressError};
use sandbox_net_gateway::{Body, Completion, Response};
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::time::timeout;

use super::answer::{AnswerHead, Coding, Own, last_chunk};
use super::body::{BodyFault, BodyReader, Piece};
use super::head::{Head, HeadFault};
use super::reader::Reader;
use super::upload::{Upload, UploadEnd, upload, watch};
use crate::limits::BrokerLimits;
use crate::socket::{ClientSocket, ClientStream};

/// What an unread rest may cost before the connection is closed.
const DRAIN: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: Reader,
    writer: Writer,
    limits: Arc<BrokerLimits>,
    /// Whether a client that has ended its sending may still wait for a response.
    may_half_close: bool,
}

/// The writing half; a client that takes nothing for too long has gone.
#[derive(Debug)]
struct Writer {
    half: WriteHalf<ClientStream>,
    pause: Duration,
}

/// A whole body, and the memory that it takes.
#[derive(Debug)]
pub(crate) struct WholeBody {
    pub(crate) bytes: Vec<u8>,
    held: Reservation,
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The response was written; with whether another request may follow.
    Whole { persists: bool },
    /// It failed before anything of the response was written.
    Refused(EgressError),
    /// The client's own request is faulty; nothing of a response was written.
    Faulty(BodyFault),
    /// It failed in the middle of the response.
    Broken(EgressError),
    /// The client is gone.
    Gone,
}

/// How the head of a response is written.
pub(crate) type Translate = fn(&sandbox_net_egress::ResponseHead, &Head) -> AnswerHead;

impl Writer {
    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        while !bytes.is_empty() {
            let written = timeout(self.pause, self.half.write(bytes)).await;
            match written.map_err(late)?? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => bytes = &bytes[count..],
            }
        }
        timeout(self.pause, self.half.flush()).await.map_err(late)?
    }

    /// Writes a piece of a body.
    async fn piece(&mut self, data: &Bytes, coding: Coding) -> io::Result<()> {
        match coding {
            Coding::None => Ok(()),
            Coding::Length(_) | Coding::Close => self.write(data).await,
            Coding::Chunked if data.is_empty() => Ok(()),
            Coding::Chunked => {
                let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
                chunk.extend_from_slice(data);
                chunk.extend_from_slice(b"\r\n");
                self.write(&chunk).await
            }
        }
    }
}

impl Connection {
    pub(crate) fn new(stream: ClientStream, limits: Arc<BrokerLimits>) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            reader: Reader::new(read),
            writer: Writer {
                half: write,
                pause: limits.pause,
            },
            limits,
            may_half_close: false,
        }
    }

    /// From now on a client may end its sending, and wait for the response to what it sent.
    pub(crate) fn allow_half_close(&mut self) {
        self.may_half_close = true;
    }

    /// The stream, and what was read and not used.
    fn into_stream(self) -> (ClientStream, bytes::BytesMut) {
        let (read, unread) = self.reader.into_parts();
        (read.unsplit(self.writer.half), unread)
    }

    /// The socket, with everything that was not used; `None` within TLS.
    pub(crate) fn into_socket(self) -> Option<ClientSocket> {
        match self.into_stream() {
            (ClientStream::Plain(socket), unread) => Some(socket.with_unread(unread)),
            (ClientStream::Tls(_), _) => None,
        }
    }

    /// Closes the connection so that the client sees a reset, and takes nothing for complete.
    pub(crate) fn reset(self) {
        let (stream, _) = self.into_stream();
        stream.socket().resets();
    }

    /// Closes the connection after what was written, which the client can read in peace.
    pub(crate) async fn close(mut self) {
        let drain = async {
            if self.writer.half.shutdown().await.is_err() {
                return;
            }
            let mut drained = 0;
            while drained <= DRAIN {
                match self.reader.fill().await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => drained += count,
                }
                self.reader.buffer.clear();
            }
        };
        // The rest is the client's own fault.
        let _ = timeout(DRAIN_TIME, drain).await;
    }

    /// The next request's head.
    pub(crate) async fn head(&mut self, wait: Duration) -> Result<Option<Head>, HeadFault> {
        self.reader.head(wait, &self.limits).await
    }

    /// The first byte of what the client sends next, which stays unread; `None` if it sends nothing.
    pub(crate) async fn first_byte(&mut self) -> Option<u8> {
        self.reader.first_byte(self.limits.idle).await
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write(bytes).await
    }

    /// Writes a whole answer of the broker itself; returns whether another request may follow.
    pub(crate) async fn answer(
        &mut self,
        own: Own,
        body: &[u8],
        request: Option<&Head>,
        persists: bool,
    ) -> io::Result<bool> {
        let head = AnswerHead::own(own, Some(body.len()), request, persists);
        let mut bytes = head.bytes;
        if head.coding != Coding::None {
            bytes.extend_from_slice(body);
        }
        self.writer.write(&bytes).await?;
        Ok(head.persists)
    }

    /// Reads a whole body of at most `most` bytes into memory that is taken from the account.
    pub(crate) async fn whole_body(
        &mut self,
        head: &Head,
        most: usize,
        memory: &HostMemory,
    ) -> Result<WholeBody, BodyFault> {
        if matches!(head.kind, BodyKind::Sized(length) if length > most as u64) {
            return Err(BodyFault::TooLarge);
        }
        if head.expects_continue && self.writer.write(CONTINUE).await.is_err() {
            return Err(BodyFault::Cut);
        }
        let mut whole = WholeBody {
            bytes: Vec::new(),
            held: memory.reserve(0).map_err(|_| BodyFault::NoMemory)?,
        };
        let mut reader = BodyReader::new(head.kind, &self.limits);
        while let Some(piece) = reader.next(&mut self.reader).await? {
            let Piece::Data(data) = piece else { continue };
            if whole.bytes.len() + data.len() > most {
                return Err(BodyFault::TooLarge);
            }
            // A vector that grows has up to twice the bytes.
            let grown = whole.held.grow(2 * data.len());
            grown.map_err(|_| BodyFault::NoMemory)?;
            whole.bytes.extend_from_slice(&data);
        }
        Ok(whole)
    }

    /// Carries out `work`; returns `None` if the client goes away meanwhile.
    pub(crate) async fn unless_gone<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = watch(&mut self.reader, false) => None,
        }
    }

    /// Sends a request, with the body that follows its head on the connection, and writes the response
    /// as `translate` says. `send` sends it.
    pub(crate) async fn exchange<F>(
        &mut self,
        request: &Head,
        completion: &Completion,
        translate: Translate,
        send: impl FnOnce(Body) -> F,
    ) -> Exchanged
    where
        F: Future<Output = Result<Response, EgressError>>,
    {
        let mut body = BodyReader::new(request.kind, &self.limits);
        let (sender, pieces) = Upload::new();
        let mut sender = Some(sender);
        let may_half_close = self.may_half_close;
        let (reader, writer) = (&mut self.reader, &mut self.writer);
        let mut fault = None;
        let exchanged = {
            let sending = async {
                match upload(reader, &mut body, &mut sender).await {
                    Ok(()) => watch(reader, may_half_close).await,
                    Err(end) => end,
                }
            };
            let answering = answering(writer, request, completion, translate, send(pieces.boxed()));
            tokio::pin!(sending, answering);
            let mut is_sending = true;
            loop {
                tokio::select! {
                    biased;
                    exchanged = &mut answering => break exchanged,
                    end = &mut sending, if is_sending => match end {
                        UploadEnd::Gone => break Exchanged::Gone,
                        UploadEnd::Unwanted => is_sending = false,
                        UploadEnd::Faulty(found) => {
                            fault = Some(found);
                            is_sending = false;
                        }
                    },
                }
            }
        };
        match (exchanged, fault) {
            (Exchanged::Refused(_), Some(fault)) => Exchanged::Faulty(fault),
            (Exchanged::Whole { persists }, None) if persists && !body.is_done() => {
                // The server answered early, and may still read the rest.
                let rest = upload(&mut self.reader, &mut body, &mut sender).await;
                Exchanged::Whole {
                    persists: rest.is_ok(),
                }
            }
            (Exchanged::Whole { .. }, Some(_)) => Exchanged::Whole { persists: false },
            (exchanged, _) => exchanged,
        }
    }
}

/// What a client that waits for it is told before it sends the body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Waits for the response and writes it.
async fn answering<F>(
    writer: &mut Writer,
    request: &Head,
    completion: &Completion,
    translate: Translate,
    sent: F,
) -> Exchanged
where
    F: Future<Output = Result<Response, EgressError>>,
{
    tokio::pin!(sent);
    let mut may_continue = request.expects_continue;
    let response = loop {
        tokio::select! {
            biased;
            response = &mut sent => break response,
            () = completion.continued(), if may_continue => {
                may_continue = false;
                if writer.write(CONTINUE).await.is_err() {
                    return Exchanged::Gone;
                }
            }
        }
    };
    match response {
        Err(error) => Exchanged::Refused(error),
        Ok(Response {
            head: Ok(head),
            body,
            ..
        }) => {
            let head = translate(&head, request);
            if writer.write(&head.bytes).await.is_err() {
                return Exchanged::Gone;
            }
            relay(writer, body, completion, &head).await
        }
        // What came in place of a response passes as it came.
        Ok(Response { body, .. }) => {
            let head = AnswerHead {
                bytes: Vec::new(),
                coding: Coding::Close,
                persists: false,
            };
            relay(writer, body, completion, &head).await
        }
    }
}

/// Writes the response's body.
async fn relay(
    writer: &mut Writer,
    mut body: Body,
    completion: &Completion,
    head: &AnswerHead,
) -> Exchanged {
    let mut left = match head.coding {
        Coding::Length(length) => Some(length),
        _ => None,
    };
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Exchanged::Broken(error),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if let Some(left) = &mut left {
            match left.checked_sub(data.len() as u64) {
                Some(rest) => *left = rest,
                // The client would take the rest for the next response.
                None => return Exchanged::Broken(EgressError::Closed),
            }
        }
        if writer.piece(&data, head.coding).await.is_err() {
            return Exchanged::Gone;
        }
    }
    if left.is_some_and(|left| left > 0) {
        return Exchanged::Broken(EgressError::Closed);
    }
    if head.coding == Coding::Chunked {
        let last = last_chunk(&completion.trailers());
        if writer.write(&last).await.is_err() {
            return Exchanged::Gone;
        }
    }
    Exchanged::Whole {
        persists: head.persists,
    }
}
