//! Tracks the progress of a request.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::admission::Admission;
use crate::audit::PendingRequest;
use crate::judgement::Judgement;
use sandbox_net_egress::account::Reservation;
use sandbox_net_egress::{Continued, EgressError, Fields};
use sandbox_net_policy::Policy;

/// The state that the two ends of a request, its connection and its streams, share.
pub struct Completion {
    failure: OnceLock<EgressError>,
    over: watch::Sender<bool>,
    record: OnceLock<Arc<PendingRequest>>,
    trailers: OnceLock<Fields>,
    continued: Continued,
    judgement: OnceLock<Judgement>,
    held: Mutex<Held>,
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion")
            .field("is_over", &self.is_over())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// What a request takes of its sandbox.
#[derive(Default)]
struct Held {
    /// Its place, until it is over.
    admission: Option<Admission>,
    /// Held for as long as anybody may ask about the request.
    memory: Vec<Reservation>,
}

impl Completion {
    /// Makes that of a request that has not begun.
    #[allow(clippy::new_ret_no_self, reason = "both ends have it")]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            failure: OnceLock::new(),
            over: watch::Sender::new(false),
            record: OnceLock::new(),
            trailers: OnceLock::new(),
            continued: Arc::new(watch::Sender::new(false)),
            judgement: OnceLock::new(),
            held: Mutex::default(),
        })
    }

    /// Whether nothing more will come: the response was read to its end, or the request failed.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Stores what the request was judged by.
    pub(super) fn judged_by(&self, judgement: Judgement) {
        // Each completion has one request.
        let _ = self.judgement.set(judgement);
    }

    /// Stores the place of the request.
    pub(super) fn admit(&self, admission: Admission) {
        self.held().admission = Some(admission);
    }

    /// Keeps memory for as long as anybody may ask about the request.
    pub(super) fn hold(&self, memory: Reservation) {
        self.held().memory.push(memory);
    }

    /// Whether the request may continue under a newer policy; if not, it has ended.
    pub(super) fn is_permitted(&self, policy: &Policy) -> bool {
        let judgement = self.judgement.get();
        if let Some(denial) = judgement.and_then(|judgement| judgement.denial(policy)) {
            self.fail(EgressError::Denied(denial));
        }
        !self.is_over()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the record to finish at the end.
    pub(crate) fn record_in(&self, record: Arc<PendingRequest>) {
        // Each completion has one request.
        let _ = self.record.set(record);
    }

    /// Notes that the response's body has ended as its framing says, with these trailers.
    pub(crate) fn complete(&self, trailers: Fields) {
        // A body ends once.
        let _ = self.trailers.set(trailers);
        self.end();
    }

    /// The trailers of the response, once it has ended completely.
    pub fn trailers(&self) -> Fields {
        match self.is_over() && self.failure.get().is_none() {
            true => self.trailers.get().cloned().unwrap_or_default(),
            false => Fields::new(),
        }
    }

    /// The sender with which the transport reports that the peer asks for the body.
    pub(super) fn continuing(&self) -> Continued {
        Arc::clone(&self.continued)
    }

    /// Whether the peer has asked for the body.
    pub fn is_continued(&self) -> bool {
        *self.continued.borrow()
    }

    /// Waits until the peer asks for the body, which it may never do. Cancel safe.
    pub async fn continued(&self) {
        // The sender is `self`: it can't have gone.
        let _ = self.continued.subscribe().wait_for(|asks| *asks).await;
    }

    /// Notes the first failure.
    pub fn fail(&self, error: EgressError) {
        if !self.is_over()
            && let Some(record) = self.record.get()
        {
            record.failed(&error.code());
        }
        let _ = self.failure.set(error);
        self.end();
    }

    /// Notes a failure; returns the first one.
    pub(crate) fn failed(&self, error: EgressError) -> EgressError {
        self.fail(error.clone());
        self.failure().unwrap_or(error)
    }

    /// Notes that the connection was closed.
    pub fn cancel(&self) {
        if !self.is_over() {
            self.fail(EgressError::Closed);
        }
    }

    /// The first failure.
    pub fn failure(&self) -> Option<EgressError> {
        self.failure.get().cloned()
    }

    /// Waits for the end, successful or not. Cancel safe.
    pub async fn ended(&self) {
        // The sender is `self`: it can't have gone.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    fn end(&self) {
        if let Some(record) = self.record.get() {
            record.finish();
        }
        if let Some(admission) = &mut self.held().admission {
            admission.end();
        }
        self.over.send_replace(true);
    }
}
