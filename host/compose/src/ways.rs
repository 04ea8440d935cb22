//! Names what a component imports that may reach the network past the middleware.

use wac_graph::CompositionGraph;
use wac_graph::types::Package;

use crate::error::ComposeError;

/// The interface that the middleware decides about, without and with its version.
pub(crate) const CLIENT: &str = "wasi:http/client";
pub(crate) const CLIENT_VERSION: &str = "wasi:http/client@0.3.0";

/// The packages and interfaces without a way to the network, without their versions. `wasi:http/types`
/// makes requests, and does not send them.
const HARMLESS: [&str; 9] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:config/",
    "wasi:filesystem/",
    "wasi:http/types",
    "wasi:io/",
    "wasi:logging/",
    "wasi:random/",
    CLIENT,
];

/// Returns the imports of a component that the middleware does not decide about and that may lead
/// to a network: those that are not known to lead to none, in the component's order. An import of
/// `wasi:sockets` or of `wasi:http/outgoing-handler` is one of them.
///
/// # Errors
///
/// If the bytes are not a component.
pub fn other_ways(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut imports = imports(component)?;
    imports.retain(|import| !is_harmless(import));
    Ok(imports)
}

/// The names of all imports of a component.
pub(crate) fn imports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let package = package("component", component, &mut graph)?;
    let imports = graph.types()[package.ty()].imports.keys();
    Ok(imports.cloned().collect())
}

pub(crate) fn package(
    name: &str,
    component: &[u8],
    graph: &mut CompositionGraph,
) -> Result<Package, ComposeError> {
    let package = Package::from_bytes(name, None, component.to_vec(), graph.types_mut());
    package.map_err(|error| ComposeError::NotAComponent(format!("{error:#}")))
}

/// The name of an interface without its version.
pub(crate) fn unversioned(import: &str) -> &str {
    import.split('@').next().unwrap_or(import)
}

fn is_harmless(import: &str) -> bool {
    let name = unversioned(import);
    let is = |known: &str| match known.ends_with('/') {
        true => name.starts_with(known),
        false => name == known,
    };
    HARMLESS.into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_lead_nowhere_is_harmless() {
        for (import, harmless) in [
            ("wasi:cli/stdout@0.3.0", true),
            ("wasi:filesystem/types@0.2.12", true),
            ("wasi:http/types@0.3.0", true),
            ("wasi:http/client@0.3.0", true),
            ("wasi:http/handler@0.3.0", false),
            ("wasi:http/outgoing-handler@0.2.12", false),
            ("wasi:http/client-of-another@0.3.0", false),
            ("wasi:http/types-and-more", false),
            ("wasi:sockets/tcp@0.2.0", false),
            ("wasi:sockets/types@0.3.0", false),
            ("wasi:tls/client@0.3.0", false),
            ("wasi:keyvalue/store@0.2.0", false),
            ("sandbox:net/client@0.1.0", false),
            ("wasi:clixyz/a", false),
            ("a:wasi:cli/b", false),
            ("f", false),
        ] {
            assert_eq!(is_harmless(import), harmless, "{import}");
        }
    }

    #[test]
    fn what_is_not_a_component_is_refused() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"text"] {
            let error = other_ways(bytes).unwrap_err();
            assert!(matches!(error, ComposeError::NotAComponent(_)), "{error}");
        }
    }
}
