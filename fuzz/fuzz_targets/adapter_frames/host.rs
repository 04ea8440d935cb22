//! A host whose answers the input decides, and which panics where the real one would trap.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use crate::allocator;
use crate::types::*;

/// What the host received, and what it returned that is in the reply byte by byte.
#[derive(Debug, PartialEq)]
pub(crate) enum Call {
    /// The payload of the frame that carries this.
    Told(Vec<u8>),
    /// Bytes of a body that were accepted.
    Took(Vec<u8>),
    /// The payload of the reply that carries this.
    Gave(Vec<u8>),
    /// Trailers, as the reply that tells them carries them.
    Trailers(Vec<u8>),
    Failed(ErrorCode),
    /// Anything else.
    Asked,
}

impl Call {
    /// The bytes that were given.
    pub(crate) fn given(&self) -> &[u8] {
        match self {
            Self::Gave(bytes) => bytes,
            _ => &[],
        }
    }
}

thread_local! {
    static SCRIPT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// Begins with nothing open. After the end of the script every call succeeds.
pub(crate) fn begin(script: &[u8]) {
    SCRIPT.with_borrow_mut(|all| *all = script.iter().rev().copied().collect());
    CALLS.take();
    assert_eq!(LIVE.get(), 0, "something was not given back");
}

/// The calls since the last time.
pub(crate) fn calls() -> Vec<Call> {
    CALLS.take()
}

/// How many resources there are.
pub(crate) fn live() -> usize {
    LIVE.get()
}

pub(crate) fn next() -> u8 {
    SCRIPT.with_borrow_mut(Vec::pop).unwrap_or(0)
}

pub(crate) fn record(call: Call) {
    CALLS.with_borrow_mut(|calls| calls.push(call));
}

/// Bytes that the host returns; it writes them to the guest's memory first.
pub(crate) fn give(size: usize) -> Vec<u8> {
    let bytes = vec![next(); size];
    // SAFETY: there is no old block.
    let place = unsafe { allocator::realloc(ptr::null_mut(), 0, 1, size) };
    assert!(place.is_some(), "the real host would trap");
    bytes
}

pub(crate) fn text() -> String {
    let size = usize::from(next() & 63);
    give(size);
    "é".repeat(size / 2)
}

pub(crate) fn fail() -> ErrorCode {
    let error = match next() % 12 {
        0 => ErrorCode::Closed,
        1 => ErrorCode::Denied(Denial {
            reason: next(),
            rule: text(),
            message: text(),
        }),
        2 => ErrorCode::Dns(next()),
        3 => ErrorCode::Refused,
        4 => ErrorCode::Unreachable,
        5 => ErrorCode::Reset,
        6 => ErrorCode::Timeout(next()),
        7 => ErrorCode::Tls(TlsFailure::Certificate((next(), text()))),
        8 => ErrorCode::Tls(TlsFailure::Other(text())),
        9 => ErrorCode::Protocol(ProtocolFailure {
            message: text(),
            received: give(usize::from(next()) * 16),
        }),
        10 => ErrorCode::Limit(LimitFailure {
            limit: next(),
            value: (next() & 1 == 1).then(|| (u64::from(next()) << 56) | u64::from(next())),
            can_be_raised: next() & 1 == 1,
        }),
        _ => ErrorCode::Invalid(text()),
    };
    record(Call::Failed(error.clone()));
    error
}

/// One call in eight fails.
pub(crate) fn outcome() -> Result<(), ErrorCode> {
    if next() & 7 == 7 { Err(fail()) } else { Ok(()) }
}

/// A handle. The real host traps if a parent is dropped before its children.
pub(crate) struct Resource {
    children: Rc<Cell<usize>>,
    parent: Option<Rc<Cell<usize>>>,
}

impl Resource {
    pub(crate) fn new(parent: Option<&Resource>) -> Resource {
        LIVE.set(LIVE.get() + 1);
        let parent = parent.map(|parent| parent.children.clone());
        if let Some(siblings) = &parent {
            siblings.set(siblings.get() + 1);
        }
        Resource {
            children: Rc::default(),
            parent,
        }
    }

    /// Whether it has no children.
    pub(crate) fn is_alone(&self) -> bool {
        self.children.get() == 0
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        assert_eq!(self.children.get(), 0, "a parent went before its children");
        LIVE.set(LIVE.get() - 1);
        if let Some(siblings) = &self.parent {
            siblings.set(siblings.get() - 1);
        }
    }
}
