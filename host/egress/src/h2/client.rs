//! Sends one request on a session and reads its response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};

use crate::account::{HostMemory, Reservation};
use crate::body_kind::BodyKind;
use crate::error::{EgressError, Phase};
use crate::failure::{Delivery, Failure};
use crate::h2::body::H2Body;
use crate::h2::failure::translate;
use crate::h2::field_lists::{bounded_fields, size};
use crate::h2::kept::{AHEAD, OpenError};
use crate::h2::request::head;
use crate::h2::session::StreamPlace;
use crate::limit::Limit;
use crate::protocol_failure::ProtocolFault;
use crate::pump::{Pump, Sent};
use crate::request_body::RequestBody;
use crate::response::{HttpVersion, MAX_INFORMATIONAL, ResponseHead};
use sandbox_net_policy::RequestLine;

/// About what a stream holds besides its window: the library's state, tasks, and an ordinary head.
const STREAM: usize = (2 << 10) + AHEAD;

/// Sends the request and waits for the response's head. The body is taken out of `body` only when
/// the stream is open. `phase` always says what is going on.
///
/// Dropping the future resets the stream.
pub(crate) async fn send(
    mut place: StreamPlace,
    (request, kind): (&RequestLine, BodyKind),
    body: &mut Option<RequestBody>,
    (max_head, memory): (usize, &HostMemory),
    phase: &mut Phase,
) -> Result<(ResponseHead, H2Body), Failure> {
    *phase = Phase::Request;
    let held = window(&place, memory).map_err(Failure::last)?;
    let (response, mut pump) = open(&mut place, request, kind, body).await?;
    let mut answer = PendingHead::new(response, max_head);
    let response = until_head(&mut answer, &mut pump, phase).await?;
    let (parts, received) = response.into_parts();
    let head = response_head(&parts, answer.left).map_err(Failure::last)?;
    drop(parts);
    place.stream().inspect(|stream| stream.took_head());
    let body = H2Body::new(received, pump, (place, held), max_head);
    Ok((head, body))
}

/// The memory for what the peer may send ahead of the reader.
fn window(place: &StreamPlace, memory: &HostMemory) -> Result<Reservation, EgressError> {
    let held = memory.reserve(STREAM + place.session().window());
    held.map_err(EgressError::Limit)
}

type Sending = Pump<SendStream<Bytes>>;

/// Opens a stream with the request's head, and begins to send the body if there is one.
async fn open(
    place: &mut StreamPlace,
    request: &RequestLine,
    kind: BodyKind,
    body: &mut Option<RequestBody>,
) -> Result<(ResponseFuture, Option<Sending>), Failure> {
    let head = head(request, kind).map_err(Failure::last)?;
    let sender = place.session().sender();
    let mut sender = sender.ready().await.map_err(|error| unsent(&error))?;
    let send = || {
        let (response, stream) = sender.send_request(head, kind.is_empty())?;
        Ok((stream.stream_id().as_u32(), (response, stream)))
    };
    let opened = place.session().streams().open(send);
    let (kept, (response, stream)) = opened.map_err(|error| match error {
        OpenError::Library(error) => unsent(&error),
        OpenError::Limit(limit) => Failure::last(EgressError::Limit(limit)),
    })?;
    place.keep(kept);
    if kind.is_empty() {
        return Ok((response, None));
    }
    let body = body.take().ok_or(Failure::last(EgressError::Closed))?;
    Ok((response, Some(Pump::start(stream, kind, body))))
}

fn response_head(parts: &http::response::Parts, max: usize) -> Result<ResponseHead, EgressError> {
    Ok(ResponseHead {
        status: parts.status.as_u16(),
        version: HttpVersion::Http2,
        reason: Vec::new(),
        fields: bounded_fields(&parts.headers, max)?,
    })
}

/// The final response, while it is awaited. Informational ones are skipped, and bounded as in
/// HTTP/1: in their number, and in their bytes together with those of the final head.
struct PendingHead {
    response: ResponseFuture,
    informational: usize,
    /// The bytes that the final head may have.
    left: usize,
}

impl PendingHead {
    fn new(response: ResponseFuture, max: usize) -> Self {
        Self {
            response,
            informational: 0,
            left: max,
        }
    }

    /// Counts an informational response.
    fn skip(&mut self, fields: &HeaderMap) -> Result<(), EgressError> {
        self.informational += 1;
        if self.informational > MAX_INFORMATIONAL {
            return Err(EgressError::protocol(ProtocolFault::Informational));
        }
        let left = self.left.checked_sub(size(fields));
        self.left = left.ok_or(EgressError::Limit(Limit::ResponseHeadSize))?;
        Ok(())
    }
}

impl Future for PendingHead {
    type Output = Result<Response<RecvStream>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Poll::Ready(Some(Ok(head))) = self.response.poll_informational(cx) {
            self.skip(head.headers()).map_err(Failure::last)?;
        }
        let polled = Pin::new(&mut self.response).poll(cx);
        polled.map_err(|error| failure(&error))
    }
}

/// Waits for the response while the body is sent.
async fn until_head(
    answer: &mut PendingHead,
    pump: &mut Option<Sending>,
    phase: &mut Phase,
) -> Result<Response<RecvStream>, Failure> {
    loop {
        let Some(sending) = pump else {
            *phase = Phase::Head;
            return answer.await;
        };
        tokio::select! {
            biased;
            end = &mut sending.end => {
                if let Ok(Sent::Failed(error)) = end {
                    return Err(Failure::last(error));
                }
                *pump = None;
            }
            response = &mut *answer => return response.map_err(|failure| {
                // A failed body ends its stream, so it is the cause.
                sending.failure().map_or(failure, Failure::last)
            }),
        }
    }
}

/// A failure to open a stream. The session is over, unless the request is at fault.
fn unsent(error: &h2::Error) -> Failure {
    let is_session = error.is_io() || error.is_go_away() || error.is_reset();
    Failure {
        error: translate(error),
        delivery: if is_session {
            Delivery::Nothing
        } else {
            Delivery::Final
        },
    }
}

/// A failure before the response's head.
fn failure(error: &h2::Error) -> Failure {
    // GOAWAY affects only streams that the peer did not begin to process.
    let is_refused =
        error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
    let delivery = match (is_refused, error.is_io() || error.is_go_away()) {
        (true, _) => Delivery::Nothing,
        (false, true) => Delivery::Unanswered,
        (false, false) => Delivery::Final,
    };
    Failure {
        error: translate(error),
        delivery,
    }
}
