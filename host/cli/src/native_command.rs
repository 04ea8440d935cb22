//! The command `sandbox-net native`.

mod patch_command;
mod profile_command;
#[cfg(target_os = "linux")]
mod run_command;

use clap::Subcommand;

use crate::Failure;
use crate::console;

/// Run native programs under a policy, and route native Pythons through a broker.
#[derive(Subcommand)]
pub(crate) enum NativeCommand {
    /// Run a program that the kernel confines: its only way out is a broker under the policy
    #[cfg(target_os = "linux")]
    Run(Box<run_command::RunCommand>),
    /// Print a profile for another system's sandbox
    #[command(subcommand)]
    Profile(profile_command::ProfileCommand),
    #[command(flatten)]
    Patch(patch_command::PatchCommand),
}

impl NativeCommand {
    /// Whether it follows signals by itself, to pass them on to its program.
    pub(crate) fn follows_signals(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Run(_) => true,
            _ => false,
        }
    }

    pub(crate) fn execute(self) -> Result<u8, Failure> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Run(command) => command.run(),
            Self::Profile(command) => command.run(),
            Self::Patch(command) => console::with_process_streams(|console| command.run(console)),
        }
    }
}
