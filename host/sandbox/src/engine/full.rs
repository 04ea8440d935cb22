//! Why an engine has no room for another sandbox or another run.

use crate::byte_count;

/// The engine has as much as its [builder](crate::EngineBuilder) allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFull {
    /// As many sandboxes as [`max_sandboxes`](crate::EngineBuilder::max_sandboxes).
    #[error(
        "the engine has {most} {}, as many as it may have: drop one, or raise the engine's max_sandboxes",
        sandboxes(*most)
    )]
    Sandboxes {
        /// How many it may have.
        most: u64,
    },
    /// As much memory of programs as [`total_memory`](crate::EngineBuilder::total_memory).
    #[error(
        "the engine's programs hold {} of the {} that they may have together, and another one begins with \
         {}: wait until one has ended, or raise the engine's total_memory",
        byte_count::bytes(*used),
        byte_count::bytes(*most),
        byte_count::bytes(*needed)
    )]
    Memory {
        /// The bytes that they may have together.
        most: u64,
        /// The bytes that they had.
        used: u64,
        /// The bytes that were needed.
        needed: u64,
    },
    /// As much of the host's memory as
    /// [`total_host_memory`](crate::EngineBuilder::total_host_memory).
    #[error(
        "the host holds as much memory as it may for all sandboxes of the engine together, so the streams of \
         another run have no room: wait until one has ended, or raise the engine's total_host_memory"
    )]
    HostMemory,
}

fn sandboxes(count: u64) -> &'static str {
    match count {
        1 => "sandbox",
        _ => "sandboxes",
    }
}
