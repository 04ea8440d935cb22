//! The command `sandbox-net native profile`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use sandbox_net_native::seatbelt::Profile;

use crate::{Failure, console};

#[derive(Subcommand)]
pub(crate) enum ProfileCommand {
    /// Print a profile for macOS's sandbox-exec. It is not tested on macOS
    Seatbelt(Seatbelt),
}

#[derive(Args)]
pub(crate) struct Seatbelt {
    /// Let the program change what is below this directory
    #[arg(long, value_name = "DIR")]
    workspace: PathBuf,
    /// Let the program read a file, or what is below a directory
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Let the program change what is below another directory
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Let the program reach the broker on this port
    #[arg(long, value_name = "PORT", default_value_t = 6969)]
    port: u16,
    /// Let the program reach the broker's Unix socket, in place of a port
    #[arg(long, value_name = "PATH", conflicts_with = "port")]
    socket: Option<PathBuf>,
}

impl ProfileCommand {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let Self::Seatbelt(options) = self;
        let absolute =
            |path: PathBuf| std::path::absolute(&path).with_context(|| path.display().to_string());
        let mut profile = Profile::new(absolute(options.workspace)?).port(options.port);
        for path in options.read {
            profile = profile.read(absolute(path)?);
        }
        for path in options.write {
            profile = profile.write(absolute(path)?);
        }
        if let Some(path) = options.socket {
            profile = profile.socket(absolute(path)?);
        }
        console::print(profile.text()?.trim_end())?;
        Ok(0)
    }
}
