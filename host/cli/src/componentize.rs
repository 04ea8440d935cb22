//! The command `sandbox-net componentize`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use sandbox_net::python::Terminal;
use sandbox_net::{Capability, Engine, Snapshot};
use sandbox_net_compose::{Decider, ExitCode, on_wasi_http};

use crate::baked_policy::{self, Files};
use crate::output_file::OutputFile;
use crate::{Failure, console};

#[derive(Args)]
pub(crate) struct Componentize {
    /// Build from this distribution instead of the default one
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
    /// Build without the network: the component does not import sandbox:net
    #[arg(long, conflicts_with = "provider")]
    no_network: bool,
    /// Add a pure-Python package: a requirement to look up in the index, or the path of a wheel
    #[arg(long = "with", value_name = "PKG", conflicts_with_all = ["distribution", "no_network"])]
    packages: Vec<String>,
    /// Begin with these modules imported, in this order
    #[arg(long, value_name = "MODULES", value_delimiter = ',', conflicts_with_all = ["distribution", "no_network"])]
    import: Vec<String>,
    /// Begin with this snapshot, which `sandbox-net snapshot` wrote, and with its packages
    #[arg(long, value_name = "FILE", conflicts_with_all = ["distribution", "no_network", "packages", "import"])]
    snapshot: Option<PathBuf>,
    /// Have the standard library and the packages within the component: no directory has to be mounted
    #[arg(long, conflicts_with_all = ["distribution", "no_network", "snapshot"])]
    embed: bool,
    /// Put the network onto an interface that other hosts have, and export wasi:cli/run
    #[arg(long, value_name = "INTERFACE")]
    provider: Option<Provider>,
    /// Make this policy part of the component; with several files, a request must pass each of them
    #[arg(long, value_name = "FILE", requires = "provider")]
    policy: Vec<PathBuf>,
    /// Leave the policy to the host that runs the component: it has to provide sandbox:net/policy
    #[arg(long, requires = "provider", conflicts_with = "policy")]
    policy_of_host: bool,
    /// Accept what the component cannot enforce of the policy, and name it
    #[arg(long, requires = "policy")]
    accept_unenforced: bool,
    /// End a program that fails with 1, whatever its exit code: for hosts without exit-with-code
    #[arg(long, requires = "provider")]
    one_bit_exit: bool,
    /// Write the component to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// What has the shim keep the libraries in memory, in the place of a module.
const EMBEDDED: &str = "sandbox_net.embedded";
/// How long that may take, with the imports.
const EMBEDDING: Duration = Duration::from_mins(5);

/// What carries the network on other hosts.
#[derive(Clone, Copy, ValueEnum)]
enum Provider {
    /// wasi:http/outgoing-handler (version 0.2)
    WasiHttp,
}

impl Componentize {
    pub(crate) async fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        // What is wrong with the options is told before minutes of work.
        let inputs = self.policy.iter().chain(&self.snapshot);
        let output = OutputFile::new(&self.output, inputs.map(PathBuf::as_path))?;
        let policies = match self.provider {
            Some(Provider::WasiHttp) => self.policies()?,
            None => None,
        };
        let engine = crate::engine(cache_dir, self.distribution.clone(), None, Terminal).await?;
        let snapshot = self.snapshot(&engine).await?;
        let component = self.component(&engine, snapshot.as_ref()).await?;
        let component = match self.provider {
            None => component,
            Some(Provider::WasiHttp) => self.on_wasi_http(&component, policies.as_ref())?,
        };
        output.write(&component)?;
        self.tell(&engine, snapshot.as_ref())?;
        Ok(0)
    }

    /// What the interpreter begins with, if it is anything of the caller's.
    async fn snapshot(&self, engine: &Engine) -> Result<Option<Snapshot>, Failure> {
        if let Some(path) = &self.snapshot {
            return Ok(Some(Snapshot::open(engine, path).await?));
        }
        if self.packages.is_empty() && self.import.is_empty() && !self.embed {
            return Ok(None);
        }
        let packages = self.packages.iter();
        let with = packages.fold(Snapshot::builder(), |builder, it| builder.with_package(it));
        let imports = self.import.iter().map(String::as_str);
        let imports = imports.chain(self.embed.then_some(EMBEDDED));
        let with = imports.fold(with, |builder, it| builder.import(it));
        let with = match self.embed {
            true => with.time_limit(EMBEDDING),
            false => with,
        };
        Ok(Some(with.engine(engine.clone()).build().await?))
    }

    /// The component, with its network as an import.
    async fn component(
        &self,
        engine: &Engine,
        snapshot: Option<&Snapshot>,
    ) -> Result<Vec<u8>, Failure> {
        if let Some(snapshot) = snapshot {
            return Ok(snapshot.component().await?);
        }
        let capability = match self.no_network {
            true => Capability::None,
            false => Capability::Network,
        };
        let file = engine.component(capability).await?;
        std::fs::read(&file).with_context(|| file.display().to_string())
    }

    /// The policy files, which a component can enforce; none where the policy is the host's.
    fn policies(&self) -> Result<Option<Files>, Failure> {
        if self.policy_of_host {
            return Ok(None);
        }
        if self.policy.is_empty() {
            bail!(
                "without a policy the component could send nothing: name one with --policy FILE, or leave it \
                 to the host that runs the component with --policy-of-host"
            );
        }
        let files = baked_policy::read(&self.policy)?;
        console::with_process_streams(|console| {
            baked_policy::accept(console, &files.unenforced(), self.accept_unenforced)?;
            Ok(0)
        })?;
        Ok(Some(files))
    }

    fn on_wasi_http(&self, component: &[u8], policies: Option<&Files>) -> Result<Vec<u8>, Failure> {
        let texts = policies.map(Files::texts);
        let decider = texts.as_deref().map_or(Decider::Host, Decider::Policies);
        let exit_code = match self.one_bit_exit {
            true => ExitCode::OneBit,
            false => ExitCode::Kept,
        };
        Ok(on_wasi_http(component, decider, exit_code)?)
    }

    /// How the component is run.
    fn tell(&self, engine: &Engine, snapshot: Option<&Snapshot>) -> Result<(), Failure> {
        let packages = snapshot.and_then(Snapshot::packages_dir);
        let mounts = [Some(engine.library()), packages].into_iter().flatten();
        let mounts: Vec<_> = mounts.filter(|_| !self.embed).collect();
        let output = self.output.display();
        let named = mounts
            .iter()
            .map(|(host, guest)| format!("{} at {guest}", host.display()));
        let named: Vec<_> = named.collect();
        console::print(&match named.is_empty() {
            true => format!("{output}: it needs no directory"),
            false => format!(
                "{output}: run it with these directories mounted: {}",
                named.join(", ")
            ),
        })?;
        if self.provider.is_some() {
            let dirs = mounts
                .iter()
                .map(|(host, guest)| format!(" --dir {}::{guest}", host.display()));
            let dirs: String = dirs.collect();
            let exit = if self.one_bit_exit {
                ""
            } else {
                " -S cli-exit-with-code"
            };
            console::print(&match self.policy_of_host {
                true => {
                    "  the host that runs it has to provide sandbox:net/policy: see wit/policy.wit"
                        .to_owned()
                }
                false => format!(
                    "  wasmtime run -W exceptions -S http{exit}{dirs} {output} -c 'print(1)'"
                ),
            })?;
        }
        Ok(())
    }
}
