//! Makes the middleware with a policy.

use sandbox_net_policy::baked;

use crate::component;
use crate::error::ComposeError;
use crate::graph::{imports, unversioned};
use crate::plug::plug;

/// The middlewares as core modules. `guest/build.sh` makes them.
const P2: &[u8] = include_bytes!("../sandbox_net_middleware_p2.wasm");
const P3: &[u8] = include_bytes!("../sandbox_net_middleware.wasm");

/// The version of WASI by which a component sends its requests.
///
/// ```
/// use sandbox_net_compose::Wasi;
/// assert_eq!(Wasi::of("wasi:http/outgoing-handler@0.2.3"), Some(Wasi::P2));
/// assert_eq!(Wasi::of("wasi:http/types@0.2.3"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wasi {
    /// WASI 0.2, with `wasi:http/outgoing-handler`.
    P2,
    /// WASI 0.3, with `wasi:http/client`.
    P3,
}

impl Wasi {
    /// All versions.
    pub const ALL: [Self; 2] = [Self::P2, Self::P3];

    /// The interface that sends requests, as the middleware imports and exports it.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::P2 => "wasi:http/outgoing-handler@0.2.12",
            Self::P3 => "wasi:http/client@0.3.0",
        }
    }

    /// The version whose requests an import sends, if it is one that sends requests.
    #[must_use]
    pub fn of(import: &str) -> Option<Self> {
        let is_of = |wasi: &Self| {
            let track = wasi.interface().rsplit_once('.').map(|(track, _)| track);
            unversioned(import) == unversioned(wasi.interface())
                && track.is_some_and(|track| import.starts_with(&format!("{track}.")))
        };
        Self::ALL.into_iter().find(is_of)
    }

    /// The versions by which a component sends requests, in order.
    ///
    /// # Errors
    ///
    /// If the bytes are not a component.
    pub fn all_of(component: &[u8]) -> Result<Vec<Self>, ComposeError> {
        let imports = imports(component)?;
        let sends = |wasi: &Self| imports.iter().any(|import| Self::of(import) == Some(*wasi));
        Ok(Self::ALL.into_iter().filter(sends).collect())
    }
}

/// Returns a component that exports the [interface](Wasi::interface) that sends requests, imports the same of its
/// host, and passes on what the policy allows. `files` are policy files; if there are several, each of them
/// has to let a request pass.
///
/// What of the policy the component cannot enforce is not checked here: see
/// [`Policy::unenforced_inside`](sandbox_net_policy::Policy::unenforced_inside).
///
/// # Errors
///
/// If a file is not a policy or there is none, and if they are longer together than
/// [`baked::CAPACITY`].
pub fn middleware(wasi: Wasi, files: &[&str]) -> Result<Vec<u8>, ComposeError> {
    let mut module = match wasi {
        Wasi::P2 => P2.to_vec(),
        Wasi::P3 => P3.to_vec(),
    };
    baked::bake(&mut module, files)?;
    component(&module)
}

/// Returns `guest` with the policy of `files` between it and the host: the [`middleware`] of each version of WASI by
/// which it sends requests, [plugged](plug) into it.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guest = std::fs::read("guest.wasm")?;
/// let policy = std::fs::read_to_string("policy.toml")?;
/// assert!(sandbox_net_compose::other_ways(&guest)?.is_empty());
/// std::fs::write("app.wasm", sandbox_net_compose::confine(&[&policy], &guest)?)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`middleware`] and [`plug`].
pub fn confine(files: &[&str], guest: &[u8]) -> Result<Vec<u8>, ComposeError> {
    let middlewares = Wasi::all_of(guest)?.into_iter();
    let middlewares: Result<Vec<_>, _> = middlewares.map(|wasi| middleware(wasi, files)).collect();
    let middlewares = middlewares?;
    let middlewares: Vec<&[u8]> = middlewares.iter().map(Vec::as_slice).collect();
    plug(&middlewares, guest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_sends_requests_in_the_versions_that_a_middleware_has() {
        for (import, wasi) in [
            ("wasi:http/outgoing-handler@0.2.0", Some(Wasi::P2)),
            ("wasi:http/outgoing-handler@0.2.12", Some(Wasi::P2)),
            ("wasi:http/outgoing-handler@0.20.1", None),
            ("wasi:http/outgoing-handler@0.3.0", None),
            ("wasi:http/outgoing-handler", None),
            ("wasi:http/client@0.3.0", Some(Wasi::P3)),
            ("wasi:http/client@0.2.0", None),
            ("wasi:http/client-of-another@0.3.0", None),
            ("wasi:http/types@0.3.0", None),
        ] {
            assert_eq!(Wasi::of(import), wasi, "{import}");
        }
        for wasi in Wasi::ALL {
            assert_eq!(Wasi::of(wasi.interface()), Some(wasi));
        }
    }
}
