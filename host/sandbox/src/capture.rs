//! Captures what a program writes, within the sandbox's host memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::drain::LAST;
use sandbox_net_egress::account::{HostMemory, Reservation};

/// Bytes that are captured of one stream by default.
pub(crate) const CAPTURE_LIMIT: usize = 64 << 20;
/// The part of the sandbox's host memory that captures leave free: one over this number.
const LEFT: usize = 4;
/// The least that a capture grows by.
const STEP: usize = 64 * 1024;
/// Bytes that a capture has from the start, so that a program that has used up the memory can still
/// say so, but at most one over [`GUARANTEED_PART`] of the memory.
const GUARANTEED: usize = 256 * 1024;
const GUARANTEED_PART: usize = 32;
/// Bytes that the guest may write at a time.
const WRITE_SIZE: usize = 64 * 1024;

/// What was captured of one stream.
#[derive(Clone)]
pub(crate) struct Capture {
    kept: Arc<Mutex<Kept>>,
    truncated: Arc<AtomicBool>,
}

/// The bytes, and their memory.
struct Kept {
    bytes: Vec<u8>,
    /// The most bytes.
    limit: usize,
    memory: HostMemory,
    held: Option<Reservation>,
}

impl Kept {
    /// Makes room for as many of `more` bytes as the memory allows; returns how many.
    fn grow(&mut self, more: usize) -> usize {
        let wanted = (self.bytes.len() + more).min(self.limit);
        // Doubles like vectors, so that it is seldom copied, but never beyond the limit.
        let doubled = wanted.max(2 * self.held()).max(STEP).min(self.limit);
        if wanted > self.held() && !self.hold(doubled) {
            self.hold(wanted);
        }
        let room = wanted.min(self.held());
        if room > self.bytes.capacity() {
            let size = self.held().min(doubled);
            self.bytes.reserve_exact(size - self.bytes.len());
        }
        room.saturating_sub(self.bytes.len())
    }

    fn held(&self) -> usize {
        self.held.as_ref().map_or(0, Reservation::bytes)
    }

    /// Reserves memory for `size` bytes, if enough stays free.
    fn hold(&mut self, size: usize) -> bool {
        let missing = size.saturating_sub(self.held());
        if !self.memory.leaves(missing, LEFT) {
            return false;
        }
        match &mut self.held {
            Some(held) => held.grow(missing).is_ok(),
            None => {
                self.held = self.memory.reserve(missing).ok();
                self.held.is_some()
            }
        }
    }
}

impl Capture {
    /// A capture of at most `limit` bytes, which are taken from `memory`.
    pub(crate) fn new(memory: &HostMemory, limit: usize) -> Self {
        let guaranteed = GUARANTEED.min(memory.limit() / GUARANTEED_PART).min(limit);
        Self {
            kept: Arc::new(Mutex::new(Kept {
                bytes: Vec::new(),
                limit,
                memory: memory.clone(),
                // If nothing is left, other runs of the sandbox use it.
                held: memory.reserve(guaranteed).ok(),
            })),
            truncated: Arc::default(),
        }
    }

    /// Takes what was captured; it no longer counts as the sandbox's memory.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut kept = self.kept();
        kept.held = None;
        std::mem::take(&mut kept.bytes)
    }

    /// The last few bytes.
    pub(crate) fn last(&self) -> Vec<u8> {
        let kept = self.kept();
        kept.bytes[kept.bytes.len().saturating_sub(LAST)..].to_vec()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }

    pub(crate) fn extend(&self, new: &[u8]) {
        let mut kept = self.kept();
        let room = kept.grow(new.len());
        if new.len() > room {
            self.truncated.store(true, Ordering::Relaxed);
        }
        kept.bytes.extend_from_slice(&new[..new.len().min(room)]);
    }
}

#[async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.extend(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_SIZE)
    }
}
