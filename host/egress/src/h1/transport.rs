//! Returns or closes a connection when its request is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf};

use crate::pool::Pool;
use crate::pump::{Pump, Sent};
use crate::stream::Stream;
use sandbox_net_policy::Endpoint;

/// How long the next request waits for the end of the last one's body. The response is complete by
/// then, so at most the task that sent the body has not been scheduled yet.
const SETTLE: Duration = Duration::from_millis(100);

/// A connection whose response is complete, and whose request nearly always is.
#[derive(Debug)]
pub(crate) struct IdleConnection {
    read: ReadHalf<Stream>,
    write: Writing,
}

/// The sending half.
#[derive(Debug)]
pub(super) enum Writing {
    /// The request is sent.
    Done(WriteHalf<Stream>),
    /// Its body is being sent.
    Body(Pump<WriteHalf<Stream>>),
    /// Nothing more can be sent.
    Broken,
}

impl IdleConnection {
    pub(super) fn new(read: ReadHalf<Stream>, write: Writing) -> Self {
        Self { read, write }
    }

    /// The connection, if the request is sent or will be in a moment.
    pub(crate) async fn settle(self) -> Option<Stream> {
        let half = match self.write {
            Writing::Done(half) => half,
            Writing::Broken => return None,
            Writing::Body(mut pump) => match tokio::time::timeout(SETTLE, &mut pump.end).await {
                Ok(Ok(Sent::Whole(half))) => half,
                _ => return None,
            },
        };
        Some(self.read.unsplit(half))
    }

    /// The connection, if the request is sent.
    fn settled(self) -> Option<Stream> {
        let half = match self.write {
            Writing::Done(half) => half,
            Writing::Broken => return None,
            Writing::Body(mut pump) => match pump.end.try_recv() {
                Ok(Sent::Whole(half)) => half,
                _ => return None,
            },
        };
        Some(self.read.unsplit(half))
    }
}

/// What happens to a connection's HTTP/1 transport when the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Close it, as a program expects that closes its socket: a peer may wait for that, or may have
    /// tied state to the connection (like NTLM).
    Close,
    /// Keep it for the client's next connection to the same endpoint, with the same TLS profile.
    Pool,
}

/// The guest's connection, as seen by its requests: the transport returns here for the guest's next
/// request, and is closed or pooled when the guest has closed its connection.
#[derive(Debug)]
pub(crate) struct ReturnSlot {
    reuse: Reuse,
    pool: Arc<Pool>,
    endpoint: Endpoint,
    slot: Mutex<ReturnState>,
}

#[derive(Debug)]
enum ReturnState {
    Open(Option<IdleConnection>),
    Closed,
}

impl ReturnSlot {
    pub(crate) fn new(pool: Arc<Pool>, endpoint: Endpoint, reuse: Reuse) -> Self {
        Self {
            reuse,
            pool,
            endpoint,
            slot: Mutex::new(ReturnState::Open(None)),
        }
    }

    /// Takes what the last request left.
    pub(crate) fn take(&self) -> Option<IdleConnection> {
        match &mut *self.slot.lock().unwrap_or_else(PoisonError::into_inner) {
            ReturnState::Open(idle) => idle.take(),
            ReturnState::Closed => None,
        }
    }

    /// Returns the connection after a request is over.
    pub(super) fn give_back(&self, idle: IdleConnection) {
        let rest = match &mut *self.slot.lock().unwrap_or_else(PoisonError::into_inner) {
            ReturnState::Open(slot @ None) => {
                *slot = Some(idle);
                None
            }
            ReturnState::Open(Some(_)) | ReturnState::Closed => Some(idle),
        };
        self.to_pool(rest);
    }

    /// Notes that the guest's connection is closed.
    pub(crate) fn close(&self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *slot, ReturnState::Closed);
        drop(slot);
        if let ReturnState::Open(idle) = last {
            self.to_pool(idle);
        }
    }

    fn to_pool(&self, idle: Option<IdleConnection>) {
        if self.reuse == Reuse::Pool
            && let Some(stream) = idle.and_then(IdleConnection::settled)
        {
            self.pool.put(&self.endpoint, stream);
        }
    }
}
