//! Counts request bodies on their way out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::audit::PendingRequest;
use crate::completion::Completion;
use crate::request::Body as RequestBody;
use crate::shared::Shared;
use sandbox_net_egress::EgressError;

/// A request's body that counts its bytes for the record, and ends in an error if a piece does not
/// fit into the budget: nothing of such a piece is sent.
pub(super) struct CountedBody {
    inner: RequestBody,
    shared: Arc<Shared>,
    record: Arc<PendingRequest>,
    completion: Arc<Completion>,
}

impl CountedBody {
    pub(super) fn new(
        inner: RequestBody,
        shared: Arc<Shared>,
        record: Arc<PendingRequest>,
        completion: Arc<Completion>,
    ) -> Self {
        Self {
            inner,
            shared,
            record,
            completion,
        }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let bytes = data.len() as u64;
            if let Err(limit) = self.shared.meter.has_room_up(bytes) {
                self.completion.fail(EgressError::Limit(limit));
                return Poll::Ready(Some(Err(EgressError::Limit(limit))));
            }
            self.record.sent(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
