//! Asks the policy.

use crate::bindings::policy::{self, Question};
use crate::bindings::sandbox::net::types as imported;
use crate::bindings::types::{Denial, DenyReason, ErrorCode};

/// Has the policy decide.
///
/// # Errors
///
/// `denied`; `invalid` where the policy cannot read the question.
pub(crate) fn decide(question: &Question) -> Result<(), ErrorCode> {
    policy::decide(question).map_err(|denial| match denial.reason {
        imported::DenyReason::Malformed => ErrorCode::Invalid(denial.message),
        reason => ErrorCode::Denied(Denial {
            reason: same(reason),
            rule: denial.rule,
            message: denial.message,
        }),
    })
}

/// A refusal of this component's own.
pub(crate) fn refused(reason: DenyReason, message: &str) -> ErrorCode {
    ErrorCode::Denied(Denial {
        reason,
        rule: "wasi:http".to_owned(),
        message: message.to_owned(),
    })
}

/// The reason as the guest sees it: what is imported and what is exported are two types of one kind.
fn same(reason: imported::DenyReason) -> DenyReason {
    use imported::DenyReason as From;
    match reason {
        From::NoRule => DenyReason::NoRule,
        From::Address => DenyReason::Address,
        From::HostMismatch => DenyReason::HostMismatch,
        From::TlsOptions => DenyReason::TlsOptions,
        From::Method => DenyReason::Method,
        From::Field => DenyReason::Field,
        From::DenyRule => DenyReason::DenyRule,
        From::Hook => DenyReason::Hook,
        From::Secret => DenyReason::Secret,
        From::Audit => DenyReason::Audit,
        From::Malformed => DenyReason::Malformed,
    }
}
