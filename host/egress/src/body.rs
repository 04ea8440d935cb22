//! The body of a response, whatever the version of HTTP.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::error::{EgressError, Phase};
use crate::fields::Fields;
use crate::h1::H1Body;
use crate::h2::H2Body;

/// A response body as it arrives, without transfer coding. A slow reader slows the peer down:
/// little is received ahead of the reader.
///
/// It ends with `None` only if it is complete by its framing; any other end is an error, and the
/// last item. Trailer fields are not part of it: [`take_trailers`] returns them at the end.
///
/// [`take_trailers`]: Self::take_trailers
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    deadline: Pin<Box<Sleep>>,
}

#[derive(Debug)]
pub(crate) enum Source {
    H1(Box<H1Body>),
    H2(Box<H2Body>),
    Over,
}

impl Source {
    /// The body, which fails when this much time has passed.
    pub(crate) fn until(self, left: Duration) -> ResponseBody {
        ResponseBody {
            source: self,
            deadline: Box::pin(tokio::time::sleep(left)),
        }
    }
}

impl ResponseBody {
    /// The trailer fields, in the peer's order and spelling, once, after the end was reached; empty
    /// before it, and if there are none. Fields that would say how the message is framed or where it
    /// goes are dropped.
    pub fn take_trailers(&mut self) -> Fields {
        match &mut self.source {
            Source::H1(body) if body.is_over() => body.take_trailers(),
            Source::H2(body) if body.is_over() => body.take_trailers(),
            Source::H1(_) | Source::H2(_) | Source::Over => Fields::new(),
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        match &mut self.source {
            Source::H1(body) => body.poll_data(cx),
            Source::H2(body) => body.poll_data(cx),
            Source::Over => Poll::Ready(None),
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        // A peer that always has more must not outrun the deadline.
        if Instant::now() >= self.deadline.deadline() && !self.is_end_stream() {
            self.source = Source::Over;
            return Poll::Ready(Some(Err(EgressError::Timeout(Phase::Body))));
        }
        let next = match self.poll_source(cx) {
            Poll::Ready(next) => next,
            Poll::Pending if self.deadline.as_mut().poll(cx).is_pending() => return Poll::Pending,
            Poll::Pending => Some(Err(EgressError::Timeout(Phase::Body))),
        };
        if matches!(next, Some(Err(_))) {
            self.source = Source::Over;
        }
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::H1(body) => body.is_over(),
            Source::H2(body) => body.is_over(),
            Source::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let remaining = match &self.source {
            Source::H1(body) => body.remaining(),
            Source::H2(body) => body.is_over().then_some(0),
            Source::Over => Some(0),
        };
        remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
