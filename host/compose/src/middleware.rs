//! Makes the middleware with a policy.

use sandbox_net_policy::baked;

use crate::component;
use crate::error::ComposeError;

/// The middleware as a core module. `guest/build.sh` makes it.
const MODULE: &[u8] = include_bytes!("../sandbox_net_middleware.wasm");

/// Returns a component that exports `wasi:http/client@0.3.0`, imports the same of its host, and
/// passes on what the policy allows. `files` are policy files; if there are several, each of them
/// has to let a request pass.
///
/// What of the policy the component cannot enforce is not checked here: see
/// [`Policy::unenforced_inside`](sandbox_net_policy::Policy::unenforced_inside).
///
/// # Errors
///
/// If a file is not a policy or there is none, and if they are longer together than
/// [`baked::CAPACITY`].
pub fn middleware(files: &[&str]) -> Result<Vec<u8>, ComposeError> {
    let mut module = MODULE.to_vec();
    baked::bake(&mut module, files)?;
    component(&module)
}
