//! The command `sandbox-net native`.

mod patch_command;

use clap::Subcommand;

use crate::Failure;
use crate::console;

/// Run native programs under a policy, and route native Pythons through a broker.
#[derive(Subcommand, Debug)]
pub(crate) enum NativeCommand {
    #[command(flatten)]
    Patch(patch_command::PatchCommand),
}

impl NativeCommand {
    pub(crate) fn execute(self) -> Result<u8, Failure> {
        match self {
            Self::Patch(command) => console::with_process_streams(|console| command.run(console)),
        }
    }
}
