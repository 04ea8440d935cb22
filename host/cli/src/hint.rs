//! Says what the program's own exception does not: which package or option it lacks.

use sandbox_net::{Exit, Outcome};

use crate::{missing_module, no_network};

/// What to do about the exception that ended a program, if that is known.
pub(crate) fn hint(outcome: &Outcome, had_no_network: bool) -> Option<String> {
    let Exit::Code(1) = outcome.exit else {
        return None;
    };
    missing_module::hint(&outcome.stderr_end).or_else(|| {
        let is_missed = had_no_network && no_network::is_missed(&outcome.stderr_end);
        is_missed.then(|| no_network::HINT.to_owned())
    })
}
