//! Why components are not composed.

use sandbox_net_policy::baked::BakeError;

use crate::middleware::Wasi;

/// Why components are not composed. It displays as one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// A policy file is invalid, or too long.
    #[error(transparent)]
    Bake(#[from] BakeError),
    /// A component of this crate is damaged.
    #[error("a part of the composition does not become a component: {0}")]
    Part(String),
    /// The bytes are not a component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// The component does not import what sends requests in a version that a middleware exports.
    #[error(
        "the component imports neither '{}' nor '{}', so the policy has nothing to decide about{}",
        Wasi::P2.interface(), Wasi::P3.interface(), http_imports(.found)
    )]
    NoClient {
        /// What it imports of `wasi:http`.
        found: Vec<String>,
    },
    /// The component also sends requests by an interface that none of the middlewares exports.
    #[error(
        "the component also imports '{0}', and none of the middlewares decides about it: plug the one for it, too"
    )]
    Undecided(String),
    /// The component imports what sends requests in two versions that one middleware fits, and only one could be
    /// decided about.
    #[error("the component imports '{0}' and '{1}': only one of them could be decided about")]
    TwoClients(String, String),
    /// The component does not import what a provider gives, or is no program.
    #[error(
        "the component does not {does} '{what}'{}: compose one that `sandbox-net componentize` of \
         this version writes",
        instead(.found)
    )]
    Lacks {
        /// `import` or `export`.
        does: &'static str,
        /// The name in the component model.
        what: &'static str,
        /// What it has of that name in another version.
        found: Option<String>,
    },
    /// The program imports what may lead to a network that nobody decides about.
    #[error(
        "the component also imports {}, which may lead to a network without the policy: build it without",
        .0.join(", ")
    )]
    OtherWays(Vec<String>),
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

fn instead(found: &Option<String>) -> String {
    match found {
        None => String::new(),
        Some(found) => format!(" (it has '{found}')"),
    }
}
