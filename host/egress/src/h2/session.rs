//! A connection that speaks HTTP/2, shared by the client's requests to one endpoint.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::account::{HostMemory, Reservation};
use crate::error::EgressError;
use crate::h2::failure::translate;
use crate::h2::frames::Frames;
use crate::h2::kept::{KeptStream, Streams};
use crate::stream::{Secured, Stream};
use crate::wire::Ended;

/// The most concurrent requests on one session; beyond them another session is opened.
const MAX_STREAMS: usize = 100;

/// The most and the least of one response that is received ahead of its reader.
///
/// The session has room for the windows of all its streams, so that a reader that pauses never
/// blocks the others. A peer may fill every window that it was given, so each request takes its
/// window from the sandbox's memory before it begins. The window of a session is its share of what
/// was free when it was opened: a few requests get large windows, and a thousand fit side by side
/// with small ones.
const LARGEST_WINDOW: usize = 256 * 1024;
const SMALLEST_WINDOW: usize = 16 * 1024;

/// About what a session holds besides the windows: frames in transit, and tables of fields.
const SESSION: usize = 64 * 1024;

/// How much of one request body is buffered.
const SEND_BUFFER: usize = 64 * 1024;

/// How many streams are opened before the peer's SETTINGS say how many may be.
const STREAMS_BEFORE_SETTINGS: usize = 1;

/// How long to wait for the peer's SETTINGS before assuming the defaults.
const SETTINGS_GRACE: Duration = Duration::from_secs(2);

/// A session. It lives as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Session {
    sender: SendRequest<Bytes>,
    driver: AbortHandle,
    ended: Ended,
    peer: SocketAddr,
    tls: Option<Secured>,
    begun: Instant,
    active: AtomicUsize,
    requests: AtomicUsize,
    is_retired: AtomicBool,
    last_use: Mutex<Instant>,
    /// The window of each of its streams.
    window: usize,
    streams: Streams,
    _held: Reservation,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Starts HTTP/2 on a connection whose TLS handshake chose it. `max_head` bounds the header
    /// list of a response; what the session holds is taken from `memory`.
    pub(crate) async fn start(
        stream: Stream,
        max_head: usize,
        memory: &HostMemory,
    ) -> Result<Arc<Self>, EgressError> {
        let (peer, tls) = (stream.peer(), stream.secured().cloned());
        let ended = stream.ended();
        let held = memory.reserve(SESSION).map_err(EgressError::Limit)?;
        let window = memory.share(SMALLEST_WINDOW, LARGEST_WINDOW);
        let [window_of_stream, window_of_all] =
            [window, window * MAX_STREAMS].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        // The request applies the bound itself; the session ends far beyond it.
        let max_list = u32::try_from(max_head.saturating_mul(2)).unwrap_or(u32::MAX);
        let streams = Streams::new(memory.clone()).map_err(EgressError::Limit)?;
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(window_of_stream)
            .initial_connection_window_size(window_of_all)
            .max_header_list_size(max_list)
            .max_send_buffer_size(SEND_BUFFER)
            .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
            .handshake(Frames::new(stream, streams.clone()))
            .await
            .map_err(|error| limited(&ended, translate(&error)))?;
        let driver = tokio::spawn(async move {
            // Every request learns of a failure by itself.
            let _ = connection.await;
        });
        let now = Instant::now();
        Ok(Arc::new(Self {
            sender,
            driver: driver.abort_handle(),
            ended,
            peer,
            tls,
            begun: now,
            active: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            is_retired: AtomicBool::new(false),
            last_use: Mutex::new(now),
            window,
            streams,
            _held: held,
        }))
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The TLS handshake of its connection.
    pub(crate) fn secured(&self) -> Option<&Secured> {
        self.tls.as_ref()
    }

    /// The failure of a request, or the limit that has ended the whole session: the library only
    /// reports that the connection has failed.
    pub(crate) fn limited(&self, failure: EgressError) -> EgressError {
        limited(&self.ended, failure)
    }

    /// Whether a limit has ended it.
    pub(crate) fn is_limited(&self) -> bool {
        self.ended.get().is_some()
    }

    /// How much of each response is received ahead of its reader.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// What is kept of its streams.
    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Stops taking new requests. Those under way continue.
    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Whether the peer would take another request: it has not sent GOAWAY.
    pub(crate) fn is_open(&self) -> bool {
        let is_refused = || {
            let mut cx = Context::from_waker(Waker::noop());
            matches!(self.sender().poll_ready(&mut cx), Poll::Ready(Err(_)))
        };
        !self.is_retired.load(Ordering::Relaxed) && !self.driver.is_finished() && !is_refused()
    }

    /// Whether it is open and has room for another request.
    pub(crate) fn has_room(&self) -> bool {
        self.is_open() && self.active.load(Ordering::Relaxed) < self.capacity()
    }

    /// Counts a request that begins; returns the number of those before it.
    pub(crate) fn count(&self) -> usize {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// How long it has had no request.
    pub(crate) fn idle_for(&self) -> Duration {
        match self.active.load(Ordering::Relaxed) {
            0 => self
                .last_use
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .elapsed(),
            _ => Duration::ZERO,
        }
    }

    /// Takes a place for one request, if there is room.
    pub(crate) fn place(self: &Arc<Self>) -> Option<StreamPlace> {
        let capacity = self.is_open().then(|| self.capacity())?;
        self.active
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |active| {
                (active < capacity).then_some(active + 1)
            })
            .ok()?;
        Some(StreamPlace {
            session: Arc::clone(self),
            stream: None,
        })
    }

    fn capacity(&self) -> usize {
        match self.sender.current_max_send_streams() {
            // The SETTINGS have not arrived yet: requests that wait for them do not wait long.
            STREAMS_BEFORE_SETTINGS if self.begun.elapsed() < SETTINGS_GRACE => MAX_STREAMS,
            announced => announced.min(MAX_STREAMS),
        }
    }
}

fn limited(ended: &Ended, failure: EgressError) -> EgressError {
    ended
        .get()
        .map_or(failure, |limit| EgressError::Limit(*limit))
}

/// The place of one request on a session, until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    session: Arc<Session>,
    /// What is kept of its stream, once it is open.
    stream: Option<KeptStream>,
}

impl StreamPlace {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Releases what is kept of the stream together with the place.
    pub(super) fn keep(&mut self, stream: KeptStream) {
        self.stream = Some(stream);
    }

    pub(super) fn stream(&self) -> Option<&KeptStream> {
        self.stream.as_ref()
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        *self
            .session
            .last_use
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.session.active.fetch_sub(1, Ordering::Relaxed);
    }
}
