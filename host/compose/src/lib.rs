//! Puts a policy between a WebAssembly component and the network of whatever host runs it.
//!
//! [`confine`] puts a policy into a component that sends requests by `wasi:http`, of WASI 0.2 or 0.3. What stands
//! between the component and the host is a [`middleware()`]: it exports and imports the interface that sends
//! requests, and passes on what its policy allows. [`plug`] composes both, as `wac plug` does. None of them uses
//! the network.
//!
//! ```
//! use sandbox_net_compose::{Wasi, middleware};
//! use sandbox_net_policy::{Document, Policy};
//!
//! let file = "version = 1\nallow = ['https://api.example.com']\n[end]";
//! let policy = Policy::from(Document::parse(file).unwrap());
//! assert!(policy.unenforced_inside().is_empty());
//! let component = middleware(Wasi::P2, &[file]).unwrap();
//! assert!(component.starts_with(b"\0asm"));
//! ```
//!
//! [`on_wasi_http`] puts a component that imports `sandbox:net/client`, such as CPython, onto hosts that
//! have `wasi:http` alone.
//!
//! A component knows less than a host: see [`Policy::unenforced_inside`], and [`other_ways`] for
//! what else a component imports.
//!
//! [`Policy::unenforced_inside`]: sandbox_net_policy::Policy::unenforced_inside

mod commands;
mod connect;
mod error;
mod graph;
mod middleware;
mod on_wasi_http;
mod plug;
mod ways;

use wit_component::ComponentEncoder;

pub use error::ComposeError;
pub use middleware::{Wasi, confine, middleware};
pub use on_wasi_http::{Decider, ExitCode, on_wasi_http};
pub use plug::plug;
pub use ways::other_ways;

/// Makes the component of a module that names its world itself.
fn component(module: &[u8]) -> Result<Vec<u8>, ComposeError> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    let component = encoder.and_then(|mut encoder| encoder.encode());
    component.map_err(|error| ComposeError::Part(format!("{error:#}")))
}
