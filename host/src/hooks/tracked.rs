//! Responses on their way to the guest, followed to their end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::WasiBody;

use super::wasi_http::to_http_error;
use super::{Completion, HttpError};
use crate::egress::{self, EgressError, Phase};

/// Hands the response on, with its head as it was on the wire, and follows its body to the end.
///
/// `between` is the longest that the body may have nothing to give.
pub(super) fn tracked(
    response: egress::Response,
    completion: Arc<Completion>,
    between: Option<Duration>,
) -> http::Response<WasiBody> {
    let egress::Response { head, body, .. } = response;
    if body.is_end_stream() {
        completion.complete();
    }
    let body = TrackedBody {
        ended: Box::pin({
            let completion = completion.clone();
            async move { completion.ended().await }
        }),
        inner: Some(Box::pin(body)),
        silence: between.map(|limit| (limit, Box::pin(sleep(limit)))),
        completion,
    };
    let mut answer = http::Response::new(body.boxed_unsync());
    if let Ok(status) = http::StatusCode::from_u16(head.status) {
        *answer.status_mut() = status;
    }
    for (name, value) in &head.fields {
        let name = http::HeaderName::from_bytes(name);
        let value = http::HeaderValue::from_bytes(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers_mut().append(name, value);
        }
    }
    // The body comes without its transfer coding.
    answer.headers_mut().remove(http::header::TRANSFER_ENCODING);
    answer.extensions_mut().insert(head);
    answer
}

/// A response's body that tells the exchange how it ended, and ends when the exchange does.
struct TrackedBody {
    inner: Option<Pin<Box<egress::ResponseBody>>>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
    completion: Arc<Completion>,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Some(error) = self.completion.failure() {
            self.inner = None;
            return Poll::Ready(Some(Err(to_http_error(&error))));
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        match inner.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some((limit, timer)) = &mut self.silence {
                    timer.as_mut().reset(Instant::now() + *limit);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let reported = to_http_error(&error);
                self.inner = None;
                self.completion.fail(error);
                Poll::Ready(Some(Err(reported)))
            }
            Poll::Ready(None) => {
                self.inner = None;
                self.completion.complete();
                Poll::Ready(None)
            }
            Poll::Pending if self.ended.as_mut().poll(cx).is_ready() => self.poll_frame(cx),
            Poll::Pending => {
                let silence = self.silence.as_mut();
                if silence.is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_ready()) {
                    self.completion.fail(EgressError::Timeout(Phase::Body));
                    return self.poll_frame(cx);
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|body| body.is_end_stream())
    }
}
