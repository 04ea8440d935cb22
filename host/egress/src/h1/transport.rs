//! Where a connection goes when its exchange is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{ReadHalf, WriteHalf};

use crate::pool::Pool;
use crate::pump::{Pump, Sent};
use crate::stream::Stream;
use sandbox_net_policy::Endpoint;

/// How long the next request waits for the end of the last one's body. By then its response is
/// complete, so that only the task that sent the body may not have been scheduled yet.
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

    /// The connection, if the request is sent, or is so in a moment.
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

/// What becomes of a connection's HTTP/1 transport when the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It is closed, as a program expects that closes its socket: a peer may wait for that, or have
    /// tied something to the connection (NTLM does).
    Close,
    /// It waits for the client's next connection to the same endpoint, with the same TLS profile.
    Pool,
}

/// The guest's connection, as its exchanges see it: the transport returns here for the guest's
/// next request, and goes where it is meant to go when the guest has closed its connection.
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

    /// What the last exchange left.
    pub(crate) fn take(&self) -> Option<IdleConnection> {
        match &mut *self.slot.lock().unwrap_or_else(PoisonError::into_inner) {
            ReturnState::Open(parked) => parked.take(),
            ReturnState::Closed => None,
        }
    }

    /// An exchange is over, and its connection is free.
    pub(super) fn give_back(&self, parked: IdleConnection) {
        let rest = match &mut *self.slot.lock().unwrap_or_else(PoisonError::into_inner) {
            ReturnState::Open(slot @ None) => {
                *slot = Some(parked);
                None
            }
            ReturnState::Open(Some(_)) | ReturnState::Closed => Some(parked),
        };
        self.to_pool(rest);
    }

    /// The guest's connection is closed.
    pub(crate) fn close(&self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let last = std::mem::replace(&mut *slot, ReturnState::Closed);
        drop(slot);
        if let ReturnState::Open(parked) = last {
            self.to_pool(parked);
        }
    }

    fn to_pool(&self, parked: Option<IdleConnection>) {
        if self.reuse == Reuse::Pool
            && let Some(stream) = parked.and_then(IdleConnection::settled)
        {
            self.pool.put(&self.endpoint, stream);
        }
    }
}
