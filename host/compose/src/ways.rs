//! Names what a component imports that may reach the network past the middleware.

use crate::error::ComposeError;
use crate::graph::{imports, unversioned};
use crate::middleware::Wasi;

/// The packages and interfaces without a way to the network, without their versions. `wasi:http/types`
/// makes requests, and does not send them.
const HARMLESS: [&str; 8] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:config/",
    "wasi:filesystem/",
    "wasi:http/types",
    "wasi:io/",
    "wasi:logging/",
    "wasi:random/",
];

/// Returns the imports of a component that no [`middleware`](crate::middleware()) decides about and that may lead
/// to a network: those that are not known to lead to none, in the component's order. An import of
/// `wasi:sockets` is one of them. Those that a middleware decides about are left out, because
/// [`plug`](crate::plug) leaves none of them undecided.
///
/// # Errors
///
/// If the bytes are not a component.
pub fn other_ways(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut imports = imports(component)?;
    imports.retain(|import| !is_harmless(import) && Wasi::of(import).is_none());
    Ok(imports)
}

/// What the provider gives a program of the names `imports`, and what leads nowhere, is left out: the
/// rest may lead to a network past the provider.
pub(crate) fn past_provider<'a>(imports: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let is_given = |import: &str| match unversioned(import) {
        "sandbox:net/client" | "sandbox:net/types" => true,
        _ => is_harmless(import),
    };
    let imports = imports.into_iter().filter(|import| !is_given(import));
    imports.map(str::to_owned).collect()
}

fn is_harmless(import: &str) -> bool {
    let name = unversioned(import);
    let is = |known: &&str| match known.ends_with('/') {
        true => name.starts_with(*known),
        false => name == *known,
    };
    HARMLESS.iter().any(is)
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
            ("wasi:http/client@0.3.0", false),
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
    fn past_the_provider_leads_what_it_does_not_give_and_what_is_not_harmless() {
        let imports = [
            "sandbox:net/client@0.1.0",
            "sandbox:net/types@0.1.0",
            "wasi:cli/stdout@0.2.12",
            "wasi:http/types@0.2.12",
            "wasi:http/client@0.3.0",
            "wasi:http/outgoing-handler@0.2.12",
            "wasi:sockets/tcp@0.2.0",
            "sandbox:net/policy@0.1.0",
        ];
        assert_eq!(past_provider(imports), imports[4..]);
    }

    #[test]
    fn what_is_not_a_component_is_refused() {
        for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"text"] {
            let error = other_ways(bytes).unwrap_err();
            assert!(matches!(error, ComposeError::NotAComponent(_)), "{error}");
        }
    }
}
