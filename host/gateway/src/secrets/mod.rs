//! Secrets that the guest uses without ever seeing them.
//!
//! The guest has a placeholder. The host replaces it with the value in the requests that may carry
//! it (`insert`), and masks the value in the responses of the hosts that its rule names (`mask`).

mod callback;
mod command;
mod insert;
mod mask;
mod matcher;
mod output;
mod percent;
mod placeholder;
mod response_mask;
#[cfg(test)]
mod run_time_tests;
mod source;
mod value;
mod values;
mod vault;

pub use command::CommandError;
pub use command::LIMIT as COMMAND_LIMIT;
pub(crate) use insert::{Places, Use, insert};
pub(crate) use placeholder::Placeholder;
pub use placeholder::PlaceholderError;
pub(crate) use response_mask::ResponseMask;
pub use source::SourceError;
pub(crate) use value::SecretValue;
pub use value::ValueError;
pub(crate) use vault::Carried;
pub use vault::{Vault, VaultError};
