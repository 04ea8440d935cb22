//! The commands `sandbox-net native install`, `verify`, `uninstall`, `restore` and `wrapper`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sandbox_net_native::patch::{Installed, Patcher, Removed, Report, State};

use crate::Failure;
use crate::console::Console;
use crate::printable::printable;

/// The item of the broker that is configured.
const BROKER: &str = "broker";
/// The exit code of `verify` where the patch does not work.
const DOES_NOT_WORK: u8 = 1;

#[derive(Subcommand, Debug)]
pub(crate) enum PatchCommand {
    /// Put the patch into a Python, so that its connections go through a broker
    Install(Target),
    /// Test whether the connections of a Python go through a broker; the exit code is 1 if not
    Verify(Verify),
    /// Remove the patch, and leave every file as it was before
    Uninstall(Target),
    /// Remove what is left of an installation that is not whole
    Restore(Target),
    /// Write an executable that runs a Python with the broker's environment
    Wrapper(Wrapper),
}

/// The Python that a command is about.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The Python interpreter: a path, or a name in PATH
    #[arg(long, value_name = "PATH")]
    python: PathBuf,
    /// Use the user's own folder of packages
    #[arg(long)]
    user: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    target: Target,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Wrapper {
    /// The Python interpreter: a path, or a name in PATH
    #[arg(long, value_name = "PATH")]
    python: PathBuf,
    /// Write the executable to this file
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl Target {
    fn patcher(&self) -> Result<Patcher, Failure> {
        Ok(Patcher::new(&self.python)?.for_user(self.user))
    }
}

impl PatchCommand {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        match self {
            Self::Install(target) => {
                let installed = target.patcher()?.install()?;
                writeln!(console.out, "{}", printable(&told_of(&installed)))?;
                Ok(0)
            }
            Self::Verify(command) => command.run(console),
            Self::Uninstall(target) => removed(console, &target.patcher()?.uninstall()?),
            Self::Restore(target) => removed(console, &target.patcher()?.restore()?),
            Self::Wrapper(command) => {
                Patcher::new(&command.python)?.write_wrapper(&command.output)?;
                let name = command.output.display().to_string();
                writeln!(
                    console.out,
                    "'{}' runs the patched Python",
                    printable(&name)
                )?;
                Ok(0)
            }
        }
    }
}

fn told_of(installed: &Installed) -> String {
    match installed {
        Installed::Now {
            folder,
            keeps_another,
            by_pth,
        } => {
            let kept = match keeps_another {
                true => "; the sitecustomize that was there is kept, and still runs",
                false => "",
            };
            let how = match by_pth {
                true => "; a .pth file turns it on, because another sitecustomize comes first",
                false => "",
            };
            format!("installed in '{}'{kept}{how}", folder.display())
        }
        Installed::Already { folder } => format!("already installed in '{}'", folder.display()),
        _ => "installed".to_owned(),
    }
}

fn removed(console: &mut Console<'_>, removed: &Removed) -> Result<u8, Failure> {
    let text = match removed {
        Removed::Now { folder, put_back } => {
            let back = match put_back {
                true => "; the sitecustomize of before is back",
                false => "",
            };
            format!("removed from '{}'{back}", folder.display())
        }
        _ => "nothing is installed".to_owned(),
    };
    writeln!(console.out, "{}", printable(&text))?;
    Ok(0)
}

impl Verify {
    fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let report = self.target.patcher()?.verify();
        if self.json {
            writeln!(console.out, "{}", as_json(&report)?)?;
        } else {
            print(console, &report)?;
        }
        Ok(if report.works() { 0 } else { DOES_NOT_WORK })
    }
}

fn as_json(report: &Report) -> Result<String, Failure> {
    let mut value = serde_json::to_value(report)?;
    value["works"] = report.works().into();
    Ok(value.to_string())
}

fn print(console: &mut Console<'_>, report: &Report) -> Result<(), Failure> {
    for item in &report.items {
        let state = match item.state {
            State::Good => "ok",
            State::Routed => "routed",
            State::Blocked => "blocked by the kernel",
            State::OnlyPatched => "only patched",
            _ => "FAILED",
        };
        writeln!(
            console.out,
            "{}: {state}: {}",
            printable(&item.name),
            printable(&item.text)
        )?;
    }
    let verdict = match report.works() {
        true => "the patch works; it is no boundary: a program can go around what is only patched",
        false if only_the_broker_fails(report) => {
            "the patch is in place, but its broker cannot be reached: start it, or say where it is"
        }
        false => "the patch does not work",
    };
    writeln!(console.out, "{verdict}")?;
    Ok(())
}

fn only_the_broker_fails(report: &Report) -> bool {
    let mut failed = report
        .items
        .iter()
        .filter(|item| item.state == State::Failed);
    failed.all(|item| item.name == BROKER)
}
