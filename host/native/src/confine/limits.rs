//! Limits on what the program uses.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::plan::{Fault, Layer, Step};

/// The most that a program may use. `None` leaves the limit that the caller has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Memory in bytes: of the whole run with a control group, else the address space of each process.
    pub memory: Option<u64>,
    /// Processes and threads of the run.
    pub processes: Option<u64>,
    /// Open descriptors of each process.
    pub files: Option<u64>,
    /// The size of each file that the program writes, in bytes.
    pub file_size: Option<u64>,
}

/// Processes of the confinement itself, which the kernel counts with the program's.
const OWN_PROCESSES: u64 = 1;

/// Applies the limits to this process and those that it forks.
pub(super) fn apply(limits: &Limits, memory_is_grouped: bool) -> Result<(), Fault> {
    let memory = limits.memory.filter(|_| !memory_is_grouped);
    let processes = limits
        .processes
        .map(|most| most.saturating_add(OWN_PROCESSES));
    lower(Resource::As, memory, "the address space")?;
    lower(Resource::Nproc, processes, "the number of processes")?;
    lower(Resource::Nofile, limits.files, "the number of descriptors")?;
    lower(Resource::Fsize, limits.file_size, "the size of files")?;
    // A dump would be written by the kernel, with the host's view of files.
    lower(Resource::Core, Some(0), "the size of dumps")
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, most: Option<u64>, what: &str) -> Result<(), Fault> {
    let Some(most) = most else { return Ok(()) };
    let now = getrlimit(resource);
    let lower = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    let new = Rlimit {
        current: lower(now.current),
        maximum: lower(now.maximum),
    };
    setrlimit(resource, new).step(Layer::Run, format!("limit {what}"))
}
