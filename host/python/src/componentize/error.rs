//! Why a module cannot be made into a component.

/// Why a module could not be made into a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentizeError {
    /// The bytes are not a WebAssembly module, or use something that cannot be re-encoded.
    #[error("the distribution's module cannot be read: {0}")]
    Module(String),
    /// The module does not import a preview1 function that the adapter needs.
    #[error(
        "the distribution's module does not import wasi_snapshot_preview1.{0}; \
         only a preview1 build of CPython can be componentized"
    )]
    NotPreview1(&'static str),
    /// The module has state besides its memory, so no image of the memory is a snapshot of it.
    #[error(
        "the distribution's module cannot start from a memory image, because {0}; \
         use another build of CPython"
    )]
    State(String),
    /// `wit-component` refused the module.
    #[error("the distribution's module cannot be made into a component: {0}")]
    Encode(String),
}

pub(super) fn encode(error: impl std::fmt::Display) -> ComponentizeError {
    ComponentizeError::Encode(format!("{error:#}"))
}
