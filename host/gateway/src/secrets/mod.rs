//! Secrets that the guest uses without ever seeing them.
//!
//! The guest has a placeholder. The host replaces it with the value in the requests that may carry
//! it (`insert`), and masks the value in the responses of the hosts that its rule names (`mask`).

mod command;
mod insert;
mod mask;
mod matcher;
mod output;
mod percent;
mod placeholder;
mod source;
mod value;
mod vault;

pub use command::CommandError;
pub use command::LIMIT as COMMAND_LIMIT;
pub(crate) use insert::{Places, Use, insert};
pub(crate) use mask::{MaskStream, Masker};
pub(crate) use placeholder::Placeholder;
pub use placeholder::PlaceholderError;
pub use source::SourceError;
pub(crate) use source::{Source, load};
pub(crate) use value::SecretValue;
pub use value::ValueError;
pub use vault::{Vault, VaultError};
