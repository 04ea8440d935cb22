//! The command `sandbox-net policy`.

mod check;
mod explain;
mod warnings;

use clap::Subcommand;
use sandbox_net::policy::schema_text;

use crate::Failure;
use crate::console::{self, Console};

/// Check and explain policy files. None of these commands uses the network.
#[derive(Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Validate policy files and warn about likely mistakes
    Check(check::Check),
    /// Show how a policy decides about a URL, and why
    Explain(Box<explain::Explain>),
    /// Print the JSON Schema of policy files
    Schema,
}

impl PolicyCommand {
    pub(crate) fn execute(self) -> Result<u8, Failure> {
        console::with_process_streams(|console| self.run(console))
    }

    fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        match self {
            Self::Check(command) => command.run(console),
            Self::Explain(command) => command.run(console),
            Self::Schema => {
                write!(console.out, "{}", schema_text())?;
                Ok(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_json() {
        let printed = console::captured(|console| PolicyCommand::Schema.run(console));
        let schema: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
        assert_eq!(schema["title"], "sandbox-net policy");
        assert_eq!(printed.code, Ok(0));
    }
}
