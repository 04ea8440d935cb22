//! Writes a guest's output in a thread of its own, so that a writer that blocks blocks no run.

use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes of one run that may wait for the writer. Guests with our adapter wait for each write.
const QUEUE: usize = 64 * 1024;

/// Bytes at the end of an output that are remembered.
pub(crate) const LAST: usize = 4096;

/// A writer and the thread that writes to it. The thread starts with the first write and ends with
/// the last clone. Each write of each run is done whole, in the order of arrival.
///
/// If a write never returns, this one thread stays behind, and later writes wait for it.
#[derive(Clone)]
pub(crate) struct Drain {
    writer: Arc<Mutex<dyn Write + Send>>,
    jobs: Arc<Mutex<Option<Sender<Job>>>>,
}

struct Job {
    stream: Arc<Stream>,
    work: Work,
}

enum Work {
    Write(Bytes),
    Flush,
}

/// The output of one run.
#[derive(Default)]
struct Stream {
    progress: Mutex<Progress>,
    changed: Notify,
}

#[derive(Default)]
struct Progress {
    /// Bytes that are not written yet.
    queued: usize,
    /// Flushes that are not done yet.
    flushes: usize,
    /// The last bytes that the guest wrote.
    last: Vec<u8>,
    /// The error of the first write that failed since the guest was last told of one.
    error: Option<io::Error>,
    /// The run has ended: what is not written yet is dropped.
    is_closed: bool,
}

impl Drain {
    pub(crate) fn new(writer: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self {
            writer,
            jobs: Arc::default(),
        }
    }

    /// Starts the output of a run.
    pub(crate) fn stream(&self) -> DrainStream {
        DrainStream {
            drain: self.clone(),
            stream: Arc::default(),
        }
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*jobs {
            Some(sender) => sender,
            None => {
                let (sender, received) = mpsc::channel();
                let writer = self.writer.clone();
                thread::Builder::new()
                    .name("sandbox-net output".to_owned())
                    .spawn(move || work(&received, &writer))?;
                jobs.insert(sender)
            }
        };
        // The thread outlives the sender.
        sender
            .send(job)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn work(jobs: &Receiver<Job>, writer: &Mutex<dyn Write + Send>) {
    for Job { stream, work } in jobs {
        let mut done = Ok(());
        if !stream.progress().is_closed {
            let writing = AssertUnwindSafe(|| {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                match &work {
                    Work::Write(bytes) => writer.write_all(bytes),
                    Work::Flush => writer.flush(),
                }
            });
            let panicked = |_| Err(io::Error::other("the writer panicked"));
            done = std::panic::catch_unwind(writing).unwrap_or_else(panicked);
        }
        let mut progress = stream.progress();
        match work {
            Work::Write(bytes) => progress.queued -= bytes.len(),
            Work::Flush => progress.flushes -= 1,
        }
        if let Err(error) = done {
            progress.error.get_or_insert(error);
        }
        drop(progress);
        stream.changed.notify_waiters();
    }
}

impl Stream {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_so` holds.
    async fn until(&self, is_so: impl Fn(&Progress) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.progress()) {
                return;
            }
            changed.await;
        }
    }
}

impl Progress {
    fn is_idle(&self) -> bool {
        self.queued == 0 && self.flushes == 0
    }

    fn room(&self) -> usize {
        match self.flushes {
            0 => QUEUE.saturating_sub(self.queued),
            _ => 0,
        }
    }

    fn failure(&mut self) -> StreamResult<()> {
        match self.error.take() {
            Some(error) => Err(StreamError::LastOperationFailed(error.into())),
            None => Ok(()),
        }
    }
}

/// Keeps the last [`LAST`] bytes of what came before and `bytes`.
pub(crate) fn keep_last(last: &mut Vec<u8>, bytes: &[u8]) {
    let new = &bytes[bytes.len().saturating_sub(LAST)..];
    let old = last.len().min(LAST - new.len());
    last.drain(..last.len() - old);
    last.extend_from_slice(new);
}

/// The guest's end of a [`Drain`].
#[derive(Clone)]
pub(crate) struct DrainStream {
    drain: Drain,
    stream: Arc<Stream>,
}

impl DrainStream {
    /// Waits until all that the guest wrote has been written.
    pub(crate) async fn written(&self) {
        self.stream.until(Progress::is_idle).await;
    }

    /// The last bytes that the guest wrote, [`LAST`] at most.
    pub(crate) fn last(&self) -> Vec<u8> {
        self.stream.progress().last.clone()
    }

    /// Waits up to `grace` for what is not written yet, then drops it; returns whether anything was
    /// dropped.
    pub(crate) async fn close(&self, grace: Duration) -> bool {
        let _ = tokio::time::timeout(grace, self.written()).await;
        let mut progress = self.stream.progress();
        progress.is_closed = true;
        !progress.is_idle()
    }

    fn send(&self, work: Work) -> StreamResult<()> {
        let mut progress = self.stream.progress();
        progress.failure()?;
        if let Work::Write(bytes) = &work {
            if bytes.len() > progress.room() {
                return Err(StreamError::trap("a write beyond what check-write permits"));
            }
            progress.queued += bytes.len();
            keep_last(&mut progress.last, bytes);
        } else if progress.flushes > 0 {
            // Nothing was written since the flush that waits: one flush is enough.
            return Ok(());
        } else {
            progress.flushes += 1;
        }
        drop(progress);
        let (size, flushes) = match &work {
            Work::Write(bytes) => (bytes.len(), 0),
            Work::Flush => (0, 1),
        };
        let stream = self.stream.clone();
        self.drain.send(Job { stream, work }).map_err(|error| {
            let mut progress = self.stream.progress();
            progress.queued -= size;
            progress.flushes -= flushes;
            StreamError::LastOperationFailed(error.into())
        })
    }
}

#[async_trait]
impl Pollable for DrainStream {
    async fn ready(&mut self) {
        self.stream.until(|progress| progress.room() > 0).await;
    }
}

#[async_trait]
impl OutputStream for DrainStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match bytes.is_empty() {
            true => Ok(()),
            false => self.send(Work::Write(bytes)),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.send(Work::Flush)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let mut progress = self.stream.progress();
        progress.failure()?;
        Ok(progress.room())
    }
}

#[cfg(test)]
mod tests;
