//! Selects which bytes of a malformed response the guest sees.

use bytes::Bytes;

use crate::audit::PendingRequest;
use crate::completion::Completion;
use crate::shared::Shared;
use sandbox_net_egress::{EgressError, Limit, ProtocolFailure, ProtocolFault};
use sandbox_net_policy::Origin;

/// The longest line, and the most field lines, that CPython's `http.client` reads (`_MAXLINE` and
/// `_MAXHEADERS` there).
const MAX_LINE: usize = 65536;
const MAX_FIELDS: usize = 100;

/// The failure that the guest is told. Python's own HTTP client reads the bytes of a malformed
/// response, so that it raises the same error as natively. They are recorded like any others, and
/// dropped if the client could mistake them for a valid response.
pub(super) fn for_guest(
    error: EgressError,
    origin: &Origin,
    shared: &Shared,
    (record, completion): (&PendingRequest, &Completion),
) -> EgressError {
    let EgressError::Protocol(mut failure) = error else {
        return error;
    };
    record.received(failure.received.len() as u64);
    if failure.fault == ProtocolFault::HeadTooLarge && is_cut(&failure, shared) {
        return EgressError::Limit(Limit::ResponseHeadSize);
    }
    // A part of a secret, or an encoded one, could not be masked.
    if shared.vault.is_returned_by(origin) {
        failure.received = Bytes::new();
    }
    // They are held until the guest drops the request's handle.
    match shared.egress.memory().reserve(failure.received.len()) {
        Ok(held) => completion.hold(held),
        Err(limit) => return EgressError::Limit(limit),
    }
    EgressError::Protocol(failure)
}

/// Whether the beginning of a head that is too large would pass for a complete one.
fn is_cut(failure: &ProtocolFailure, shared: &Shared) -> bool {
    let lines = || failure.received.split(|byte| *byte == b'\n');
    let is_refused = lines().any(|line| line.len() > MAX_LINE) || lines().count() > MAX_FIELDS + 2;
    let is_budgeted = shared.meter.budgets().response_head.is_some();
    is_budgeted || !is_refused
}
