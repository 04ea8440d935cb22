//! The command `sandbox-net native`.

#[cfg(target_os = "linux")]
mod demo_command;
#[cfg(target_os = "linux")]
mod environment;
mod patch_command;
mod profile_command;
#[cfg(target_os = "linux")]
mod run_command;

use std::path::PathBuf;

use clap::Subcommand;

use crate::Failure;
use crate::console;

/// Run native programs under a policy, and route native Pythons through a broker.
#[derive(Subcommand)]
pub(crate) enum NativeCommand {
    /// Run a program that the kernel confines: its only way out is a broker under the policy
    #[cfg(target_os = "linux")]
    Run(Box<run_command::RunCommand>),
    /// Run a demonstration: a native Python program against a local server
    #[cfg(target_os = "linux")]
    Demo(demo_command::DemoCommand),
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
            Self::Run(_) | Self::Demo(_) => true,
            _ => false,
        }
    }

    pub(crate) fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Run(command) => command.run(),
            #[cfg(target_os = "linux")]
            Self::Demo(command) => command.run(cache_dir),
            Self::Profile(command) => command.run(),
            Self::Patch(command) => console::with_process_streams(|console| command.run(console)),
        }
    }
}
