//! Why components are not composed.

use sandbox_net_policy::baked::BakeError;

/// Why components are not composed. It displays as one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A policy file is invalid, or too long.
    #[error(transparent)]
    Bake(#[from] BakeError),
    /// The middleware does not become a component; its module is damaged.
    #[error("the middleware does not become a component: {0}")]
    Middleware(String),
    /// The bytes are not a component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// The component does not import `wasi:http/client` in a version that the middleware exports.
    #[error(
        "the component does not import '{wanted}', so the policy has nothing to decide about{}",
        http_imports(.found)
    )]
    NoClient {
        /// The interface that it would have to import.
        wanted: &'static str,
        /// What it imports of `wasi:http`.
        found: Vec<String>,
    },
    /// The component imports `wasi:http/client` in more than one version, and only one could be
    /// decided about.
    #[error("the component imports '{0}' and '{1}': only one of them could be decided about")]
    TwoClients(String, String),
    /// The components do not fit together.
    #[error("the components do not fit together: {0}")]
    Graph(String),
}

fn http_imports(found: &[String]) -> String {
    match found {
        [] => String::new(),
        found => format!("; it imports {}", found.join(", ")),
    }
}
