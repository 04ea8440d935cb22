//! Records what a server saw: the connections it accepted and the requests it read.

use tokio::sync::watch;

use crate::streams::Streams;

/// One request as the server read it.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Which of the server's connections carried it, from 1 in the order of arrival.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// The path and query as sent.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// The header fields. hyper returns their names in lower case, and those of one name together;
    /// if spelling matters, use a [`RawServer`](crate::RawServer).
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, once it was read to its end.
    pub body: Option<BodyRecord>,
}

impl RequestRecord {
    /// The value of the first field called `name` (in lower case), if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// A body that was read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyRecord {
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    resumptions: usize,
    requests: Vec<RequestRecord>,
    released: bool,
}

/// The record of one server, shared with its connections.
#[derive(Debug)]
pub(crate) struct Journal {
    seen: watch::Sender<Seen>,
    /// The bodies that tests observe while they are sent.
    pub(crate) streams: Streams,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            seen: watch::Sender::new(Seen::default()),
            streams: Streams::new(),
        }
    }

    /// Records a connection and returns its number, from 1.
    pub(crate) fn accepted(&self) -> usize {
        let mut number = 0;
        self.seen.send_modify(|seen| {
            seen.connections += 1;
            number = seen.connections;
        });
        number
    }

    /// Notes that a TLS session was resumed.
    pub(crate) fn resumed(&self) {
        self.seen.send_modify(|seen| seen.resumptions += 1);
    }

    /// Records a request and returns its index.
    pub(crate) fn requested(&self, request: RequestRecord) -> usize {
        let mut index = 0;
        self.seen.send_modify(|seen| {
            index = seen.requests.len();
            seen.requests.push(request);
        });
        index
    }

    /// Notes the body of request `index`.
    pub(crate) fn body_read(&self, index: usize, body: BodyRecord) {
        self.seen.send_modify(|seen| {
            if let Some(request) = seen.requests.get_mut(index) {
                request.body = Some(body);
            }
        });
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    pub(crate) fn resumptions(&self) -> usize {
        self.seen.borrow().resumptions
    }

    pub(crate) fn requests(&self) -> Vec<RequestRecord> {
        self.seen.borrow().requests.clone()
    }

    /// Waits until `count` requests for `target` have arrived.
    pub(crate) async fn until_requested(&self, target: &str, count: usize) {
        let is_it = |request: &&RequestRecord| request.target == target;
        let arrived = |seen: &Seen| seen.requests.iter().filter(is_it).count() >= count;
        // The sender is `self`, so it outlives the wait.
        let _ = self.seen.subscribe().wait_for(arrived).await;
    }

    /// Lets [`Journal::until_released`] return.
    pub(crate) fn release(&self) {
        self.seen.send_modify(|seen| seen.released = true);
    }

    /// Waits for [`Journal::release`].
    pub(crate) async fn until_released(&self) {
        let _ = self.seen.subscribe().wait_for(|seen| seen.released).await;
    }
}
