//! The command `sandbox-net audit`.

mod lines;
mod merged;
mod proposals;
mod replay;
mod rows;
mod show;
mod subject;
#[cfg(test)]
mod testing;
mod totals;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::Failure;
use crate::console::{self, Console};

/// Show an audit log, or replay it.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AuditCommand {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    show: Option<show::Show>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Apply another policy to the decisions in a log and show what changes
    Replay(replay::Replay),
}

impl AuditCommand {
    pub(crate) fn execute(self) -> Result<u8, Failure> {
        console::with_process_streams(|console| self.run(console))
    }

    fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        match (self.action, self.show) {
            (Some(Action::Replay(command)), _) => command.run(console),
            (None, Some(command)) => command.run(console),
            // Clap refuses this already.
            (None, None) => Err(anyhow!("no audit log is named")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        audit: AuditCommand,
    }

    #[test]
    fn a_log_is_shown_or_replayed() {
        let parse = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.audit);
        for line in ["audit log", "audit - --last 5", "audit --last 0 log"] {
            let audit = parse(line).unwrap();
            assert!(audit.action.is_none() && audit.show.is_some(), "{line}");
        }
        let audit = parse("audit replay log --policy new --deny *.com").unwrap();
        assert!(matches!(audit.action, Some(Action::Replay(_))));
        for line in [
            "audit",
            "audit --last 5",
            "audit log more",
            "audit log replay x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
