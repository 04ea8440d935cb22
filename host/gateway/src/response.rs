//! Follows responses on their way to the guest to their end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::audit::PendingRequest;
use crate::completion::Completion;
use crate::request::{Body as AnswerBody, Response};
use crate::secrets::{ResponseMask, SecretValue};
use crate::shared::Shared;
use crate::upload::CountedBody;
use sandbox_net_egress::account::{self, Reservation};
use sandbox_net_egress::{EgressError, Fields, Limit, Phase};
use sandbox_net_policy::{Checked, RequestLine};

/// What follows a response.
pub(super) struct Tracking {
    pub(super) shared: Arc<Shared>,
    pub(super) record: Arc<PendingRequest>,
    pub(super) completion: Arc<Completion>,
    /// The values of secrets that the request carries.
    pub(super) carried: Vec<SecretValue>,
    /// The longest pause between pieces of the body.
    pub(super) between: Option<Duration>,
}

impl Tracking {
    /// The request's body, counted.
    pub(super) fn counted(&self, body: AnswerBody) -> AnswerBody {
        let body = CountedBody::new(
            body,
            Arc::clone(&self.shared),
            Arc::clone(&self.record),
            Arc::clone(&self.completion),
        );
        body.boxed_unsync()
    }
}

/// Passes the response on, with its head as it was on the wire except for secrets, and follows its
/// body to the end.
///
/// # Errors
///
/// A response in which secrets could not be masked, and one for whose trailers there is no memory.
pub(super) fn tracked(
    response: sandbox_net_egress::Response,
    line: &Checked<RequestLine>,
    tracking: Tracking,
) -> Result<Response, EgressError> {
    let sandbox_net_egress::Response {
        mut head,
        body,
        peer,
        tls,
        held,
        ..
    } = response;
    let record = &tracking.record;
    record.answered(peer, tls, head.status);
    record.speaks(head.version);
    let size = response_size(&head);
    record.received(size);
    let mask = mask(&mut head, line, &tracking)?;
    let is_over = body.is_end_stream();
    let mut body = TrackedBody::new(body, mask, Some(held), tracking);
    if is_over {
        // It may never be read.
        body.settle()?;
    }
    Ok(Response {
        head: Ok(head),
        body: body.boxed_unsync(),
    })
}

/// Masks the head, and returns what masks the rest, if a secret may come back. Such an answer has
/// to be legible: a coding could hide a secret.
fn mask(
    head: &mut sandbox_net_egress::ResponseHead,
    line: &Checked<RequestLine>,
    Tracking {
        shared, carried, ..
    }: &Tracking,
) -> Result<Option<Masking>, EgressError> {
    let Some(mut mask) = shared.vault.mask(&line.origin, carried) else {
        return Ok(None);
    };
    let is_coded = head.fields.iter().any(|(name, value)| {
        let is_identity = value.trim_ascii().eq_ignore_ascii_case(b"identity");
        name.eq_ignore_ascii_case(b"content-encoding") && !is_identity
    });
    if is_coded {
        return Err(EgressError::Denied(line.coding_denial()));
    }
    mask.mask_whole(&mut head.reason);
    mask_fields(&mut head.fields, &mut mask);
    Masking::new(mask, shared).map(Some)
}

fn mask_fields(fields: &mut Fields, mask: &mut ResponseMask) {
    for (name, value) in fields {
        mask.mask_whole(name);
        mask.mask_whole(value);
    }
}

/// Masks the rest of an answer: its body and its trailers.
pub(super) struct Masking {
    mask: ResponseMask,
    /// The memory of what it holds back.
    held: Reservation,
}

impl Masking {
    pub(super) fn new(mask: ResponseMask, shared: &Shared) -> Result<Self, EgressError> {
        let held = shared.egress.memory().reserve(mask.size());
        let held = held.map_err(EgressError::Limit)?;
        Ok(Self { mask, held })
    }

    /// Masks a piece.
    fn push(&mut self, piece: Bytes) -> Result<Bytes, EgressError> {
        let given = self.mask.push(piece);
        let held = self.held.change_to(self.mask.size());
        held.map(|()| given).map_err(EgressError::Limit)
    }
}

/// Converts the fields to `http`'s own type, dropping what does not fit.
fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name);
        let value = http::HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            // If there are too many, the rest is dropped.
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// The bytes of a head as HTTP/1.1 text.
fn response_size(head: &sandbox_net_egress::ResponseHead) -> u64 {
    const FIXED: usize = "HTTP/1.1 200 \r\n\r\n".len();
    let fields = head.fields.iter().map(field_size);
    (FIXED + head.reason.len() + fields.sum::<usize>()) as u64
}

/// The bytes of a field line.
fn field_size((name, value): &(Vec<u8>, Vec<u8>)) -> usize {
    name.len() + value.len() + ": \r\n".len()
}

/// A response's body that reports to the request how it ended, and ends when the request does.
pub(super) struct TrackedBody {
    inner: Option<Pin<Box<sandbox_net_egress::ResponseBody>>>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
    deadline: Option<Pin<Box<Sleep>>>,
    mask: Option<Masking>,
    /// The trailers, for a reader that takes them from the body.
    trailers: Option<HeaderMap>,
    /// The memory of the head, which is always taken before the body.
    _head: Option<Reservation>,
    tracking: Tracking,
}

impl TrackedBody {
    pub(super) fn new(
        body: sandbox_net_egress::ResponseBody,
        mask: Option<Masking>,
        head: Option<Reservation>,
        tracking: Tracking,
    ) -> Self {
        let between = tracking.between;
        let deadline = tracking.shared.meter.deadline();
        Self {
            ended: Box::pin({
                let completion = tracking.completion.clone();
                async move { completion.ended().await }
            }),
            inner: Some(Box::pin(body)),
            silence: between.map(|limit| (limit, Box::pin(sleep(limit)))),
            deadline: deadline.map(|at| Box::pin(sleep_until(at))),
            mask,
            trailers: None,
            _head: head,
            tracking,
        }
    }

    /// Records a piece, and masks it.
    fn arrived(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, EgressError> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(other) => return Ok(other),
        };
        self.tracking.record.received(data.len() as u64);
        Ok(Frame::data(match &mut self.mask {
            Some(mask) => mask.push(data)?,
            None => data,
        }))
    }

    /// Removes the attached bytes from the failure if they could not be masked.
    fn broken(&self, mut error: EgressError) -> EgressError {
        if let EgressError::Protocol(failure) = &mut error {
            if self.mask.is_some() {
                failure.received = Bytes::new();
            }
            self.tracking.record.received(failure.received.len() as u64);
        }
        error
    }

    /// Drops what a mask has held back: half a value may be in it.
    fn failed(&mut self, error: EgressError) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        self.inner = None;
        self.tracking.completion.fail(error.clone());
        Poll::Ready(Some(Err(error)))
    }

    /// Ends as the framing says, after what a mask has held back.
    fn finished(&mut self) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if let Err(error) = self.settle() {
            return self.failed(error);
        }
        let rest = self.mask.take().map(|mut masking| masking.mask.finish());
        match rest.filter(|rest| !rest.is_empty()) {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => self.last(),
        }
    }

    /// Returns the trailers, and then nothing more.
    fn last(&mut self) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        Poll::Ready(self.trailers.take().map(|map| Ok(Frame::trailers(map))))
    }

    /// Records and masks the trailers after everything has arrived, and notes the end.
    fn settle(&mut self) -> Result<(), EgressError> {
        let Some(mut inner) = self.inner.take() else {
            return Ok(());
        };
        let mut fields = inner.take_trailers();
        let size = fields.iter().map(field_size).sum::<usize>() as u64;
        self.tracking.record.received(size);
        // Converted to our fields, and back to the body's.
        let shared = &self.tracking.shared;
        let held = shared.egress.memory().reserve(2 * account::fields(&fields));
        self.tracking
            .completion
            .hold(held.map_err(EgressError::Limit)?);
        if let Some(masking) = &mut self.mask {
            mask_fields(&mut fields, &mut masking.mask);
        }
        if !fields.is_empty() {
            self.trailers = Some(header_map(&fields));
        }
        self.tracking.completion.complete(fields);
        Ok(())
    }

    /// Whether a time limit has passed: that of a pause, or that of the sandbox.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<EgressError> {
        let silence = self.silence.as_mut();
        if silence.is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_ready()) {
            return Some(EgressError::Timeout(Phase::Body));
        }
        let deadline = self.deadline.as_mut();
        deadline
            .is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
            .then_some(EgressError::Limit(Limit::Time))
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        loop {
            if let Some(error) = self.tracking.completion.failure() {
                return self.failed(error);
            }
            let Some(inner) = &mut self.inner else {
                return match self.mask.is_some() {
                    true => self.finished(),
                    false => self.last(),
                };
            };
            match inner.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some((limit, timer)) = &mut self.silence {
                        timer.as_mut().reset(Instant::now() + *limit);
                    }
                    match self.arrived(frame) {
                        // A mask may hold all of it back.
                        Ok(frame) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                        Ok(frame) => return Poll::Ready(Some(Ok(frame))),
                        Err(error) => return self.failed(error),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = self.broken(error);
                    return self.failed(error);
                }
                Poll::Ready(None) => return self.finished(),
                Poll::Pending if self.ended.as_mut().poll(cx).is_ready() => {
                    let failure = self.tracking.completion.failure();
                    return self.failed(failure.unwrap_or(EgressError::Closed));
                }
                Poll::Pending => match self.overdue(cx) {
                    Some(error) => return self.failed(error),
                    None => return Poll::Pending,
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Trailers, and what a mask holds back, come only at the end.
        self.inner.is_none() && self.mask.is_none() && self.trailers.is_none()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        // Nobody will read any more.
        self.tracking.completion.cancel();
    }
}
