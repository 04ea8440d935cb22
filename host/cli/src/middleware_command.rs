//! The command `sandbox-net middleware`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use sandbox_net_compose::{middleware, other_ways, plug};

use crate::baked_policy::{self, lines};
use crate::console::{self, Console};
use crate::output_file::OutputFile;
use crate::{Failure, input};

/// Write a component that holds a policy between a WebAssembly component and the network, on any host.
/// It exports and imports wasi:http/client@0.3.0. Nothing here uses the network.
#[derive(Args, Debug)]
pub(crate) struct Middleware {
    /// Hold this policy file; with several files, a request must pass each of them; '-' is stdin
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// Accept what cannot be enforced inside a component: it is named, and not enforced
    #[arg(long)]
    accept_unenforced: bool,
    /// Write the component to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Compose the policy with this component, as 'wac plug' does, and write both as one
    #[arg(value_name = "GUEST")]
    guest: Option<PathBuf>,
}

impl Middleware {
    pub(crate) fn execute(self) -> Result<u8, Failure> {
        console::with_process_streams(|console| self.run(console))
    }

    fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let inputs = self.policy.iter().chain(&self.guest);
        let place = OutputFile::new(&self.output, inputs.map(PathBuf::as_path))?;
        let files = baked_policy::read(&self.policy)?;
        let policy = middleware(&files.texts())?;
        let mut unenforced = files.unenforced();
        let component = match &self.guest {
            Some(guest) => {
                let (component, ways) = compose(guest, &policy)?;
                unenforced.extend(ways);
                component
            }
            None => policy,
        };
        baked_policy::accept(console, &unenforced, self.accept_unenforced)?;
        let output = input::name(&self.output);
        place.write(&component)?;
        writeln!(console.out, "{output}: {}", self.next_step(&output))?;
        Ok(0)
    }

    fn next_step(&self, output: &str) -> String {
        match self.guest {
            Some(_) => "run it with WASI 0.3 and wasi:http, such as by 'wasmtime run -S p3,http'"
                .to_owned(),
            None => {
                format!("compose it, such as by 'wac plug --plug {output} GUEST.wasm -o APP.wasm'")
            }
        }
    }
}

/// The composed component, and the ways past its policy.
fn compose(guest: &Path, policy: &[u8]) -> Result<(Vec<u8>, Vec<String>), Failure> {
    let name = || input::name(guest);
    let component = std::fs::read(guest).with_context(name)?;
    let composed = plug(policy, &component).with_context(name)?;
    let ways = other_ways(&composed).with_context(name)?.into_iter();
    let way = |import| {
        format!(
            "the import '{import}' of {}: requests by it are not decided",
            name()
        )
    };
    Ok((composed, lines(ways.map(way))))
}
