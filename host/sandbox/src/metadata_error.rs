//! The error for a script's metadata.

/// What is wrong in a script's comment, or in a file of requirements.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptMetadataError {
    /// The line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}
