//! A patch for native Pythons: their connections go through a broker.
//!
//! The patch is compatibility, not security. It makes libraries reach the broker without a change, and
//! gives them its errors as the exceptions of the component. What stops a program that goes around it is
//! the kernel (`sandbox-net native run`).
//!
//! [`Patcher`] puts it in place and takes it away:
//!
//! - The patch is one `sitecustomize.py` and one package, [`PACKAGE`], in the interpreter's folder of
//!   packages. Python imports `sitecustomize` at each start, also with `-I` and `-E`.
//! - A `sitecustomize.py` that is there keeps its bytes and its times under another name, and is run by
//!   ours. One later on `sys.path` is run, too.
//! - Where another `sitecustomize` comes first on the interpreter's own path (Debian has one beside the
//!   standard library), a `.pth` file imports the package: `site` runs each one, and nothing shadows it. It
//!   is not used elsewhere, because a `sitecustomize` is what other tools look for.
//! - A manifest has the SHA-256 of each file, and of what was there before.

mod broker_health;
mod environment;
mod error;
mod files;
mod install;
mod interpreter;
mod manifest;
mod patcher;
mod remove;
mod report;
mod test_broker;
mod verify;
mod wrapper;

pub use error::PatchError;
pub use files::PACKAGE;
pub use install::Installed;
pub use patcher::Patcher;
pub use remove::Removed;
pub use report::{Item, Report, State};
