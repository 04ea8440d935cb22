//! Translates errors of the library.

use std::io;

use crate::error::{EgressError, Phase};
use crate::protocol_failure::ProtocolFault;

/// Translates an error of the library.
pub(super) fn translate(error: &h2::Error) -> EgressError {
    if let Some(io) = error.get_io() {
        return match io.kind() {
            io::ErrorKind::UnexpectedEof => EgressError::Reset,
            io::ErrorKind::QuotaExceeded => {
                EgressError::protocol(ProtocolFault::Http2(io.to_string()))
            }
            _ => EgressError::from_io(io, Phase::Head),
        };
    }
    if error.is_remote() {
        return EgressError::Reset;
    }
    EgressError::protocol(ProtocolFault::Http2(error.to_string()))
}
