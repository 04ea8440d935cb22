//! Why components cannot be put together.

use sandbox_net_policy::baked::BakeError;

/// Why components could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The bytes are no component.
    #[error("this is no WebAssembly component: {0}")]
    NoComponent(String),
    /// The component does not import what a provider gives, or exports no program.
    #[error(
        "the component does not {does} {what}; {instead}compose a component that \
         `sandbox-net componentize` of this version wrote"
    )]
    Lacks {
        /// `import` or `export`.
        does: &'static str,
        /// The name in the component model.
        what: &'static str,
        /// What it has in its place, such as another version; empty if nothing.
        instead: String,
    },
    /// Two components mean different things by one name.
    #[error(
        "the component does not fit this version of sandbox-net: {0}; write it again with \
         `sandbox-net componentize`"
    )]
    Mismatch(String),
    /// A policy does not go into the component.
    #[error(transparent)]
    Policy(#[from] BakeError),
    /// The result could not be encoded.
    #[error("the composed component cannot be encoded: {0}")]
    Encode(String),
}
