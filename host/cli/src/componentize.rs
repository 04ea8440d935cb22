//! The command `sandbox-net componentize`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sandbox_net::Capability;
use sandbox_net::python::Terminal;

use crate::{Failure, console};

#[derive(Args)]
pub(crate) struct Componentize {
    /// Build from this distribution instead of the default one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Build without the network: the component does not import sandbox:net
    #[arg(long)]
    no_network: bool,
    /// Write the component to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Componentize {
    pub(crate) async fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        let engine = crate::engine(cache_dir, self.distribution, None, Terminal).await?;
        let capability = match self.no_network {
            true => Capability::None,
            false => Capability::Network,
        };
        let component = engine.component(capability).await?;
        std::fs::copy(&component, &self.output)
            .with_context(|| self.output.display().to_string())?;
        let (library, guest) = engine.library();
        console::print(&format!(
            "{}: run it with the directory {} mounted at {guest}",
            self.output.display(),
            library.display()
        ))?;
        Ok(0)
    }
}
