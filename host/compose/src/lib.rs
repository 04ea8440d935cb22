//! Puts a policy between a WebAssembly component and the network of whatever host runs it.
//!
//! [`middleware`] returns a component that exports and imports `wasi:http/client`, and passes on
//! what its policy allows. [`plug`] composes it with a component that imports `wasi:http/client`,
//! as `wac plug` does. Neither uses the network.
//!
//! ```
//! use sandbox_net_compose::middleware;
//! use sandbox_net_policy::{Document, Policy};
//!
//! let file = "version = 1\nallow = ['https://api.example.com']\n[end]";
//! let policy = Policy::from(Document::parse(file).unwrap());
//! assert!(policy.unenforced_inside().is_empty());
//! let component = middleware(&[file]).unwrap();
//! assert!(component.starts_with(b"\0asm"));
//! ```
//!
//! A component knows less than a host: see [`Policy::unenforced_inside`], and [`other_ways`] for
//! what else a component imports.
//!
//! [`Policy::unenforced_inside`]: sandbox_net_policy::Policy::unenforced_inside

mod error;
mod middleware;
mod plug;
mod ways;

pub use error::ComposeError;
pub use middleware::middleware;
pub use plug::plug;
pub use ways::other_ways;
