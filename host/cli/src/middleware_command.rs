//! The command `sandbox-net middleware`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use sandbox_net_compose::{Wasi, confine, middleware, other_ways};

use crate::baked_policy::{self, lines};
use crate::console::{self, Console};
use crate::output_file::OutputFile;
use crate::{Failure, input};

/// Write a component that holds a policy between a WebAssembly component and the network, on any host.
/// It exports and imports what sends requests: wasi:http/outgoing-handler of WASI 0.2, or wasi:http/client of 0.3.
/// Nothing here uses the network.
#[derive(Args, Debug)]
pub(crate) struct Middleware {
    /// Hold this policy file; with several files, a request must pass each of them; '-' is stdin
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// Accept what cannot be enforced inside a component: it is named, and not enforced
    #[arg(long)]
    accept_unenforced: bool,
    /// Decide about requests of this version of WASI [default: 0.3]; of GUEST, those that it sends are decided about
    #[arg(long, value_name = "VERSION", value_enum, conflicts_with = "guest")]
    wasi: Option<Version>,
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
        let mut unenforced = files.unenforced();
        let wasi = self.wasi.unwrap_or(Version::P3).wasi();
        let (component, wasi) = match &self.guest {
            Some(guest) => {
                let composed = compose(guest, &files.texts())?;
                unenforced.extend(composed.ways);
                (composed.component, composed.wasi)
            }
            None => (middleware(wasi, &files.texts())?, wasi),
        };
        baked_policy::accept(console, &unenforced, self.accept_unenforced)?;
        let output = input::name(&self.output);
        place.write(&component)?;
        writeln!(console.out, "{output}: {}", self.next_step(wasi, &output))?;
        Ok(0)
    }

    fn next_step(&self, wasi: Wasi, output: &str) -> String {
        match (&self.guest, wasi) {
            (Some(_), Wasi::P2) => {
                "run it with WASI 0.2 and wasi:http, such as by 'wasmtime run -S http'".to_owned()
            }
            (Some(_), Wasi::P3) => {
                "run it with WASI 0.3 and wasi:http, such as by 'wasmtime run -S p3,http'"
                    .to_owned()
            }
            (None, _) => {
                format!("compose it, such as by 'wac plug --plug {output} GUEST.wasm -o APP.wasm'")
            }
        }
    }
}

struct Composed {
    component: Vec<u8>,
    /// The newest version of WASI by which the guest sends requests.
    wasi: Wasi,
    /// The ways past the policy.
    ways: Vec<String>,
}

fn compose(guest: &Path, files: &[&str]) -> Result<Composed, Failure> {
    let name = || input::name(guest);
    let component = std::fs::read(guest).with_context(name)?;
    let composed = confine(files, &component).with_context(name)?;
    let ways = other_ways(&component).with_context(name)?.into_iter();
    let way = |import| {
        format!(
            "the import '{import}' of {}: requests by it are not decided",
            name()
        )
    };
    Ok(Composed {
        component: composed,
        wasi: Wasi::all_of(&component)
            .with_context(name)?
            .pop()
            .unwrap_or(Wasi::P3),
        ways: lines(ways.map(way)),
    })
}

/// A version of WASI, as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    /// wasi:http/outgoing-handler
    #[value(name = "0.2")]
    P2,
    /// wasi:http/client
    #[value(name = "0.3")]
    P3,
}

impl Version {
    fn wasi(self) -> Wasi {
        match self {
            Self::P2 => Wasi::P2,
            Self::P3 => Wasi::P3,
        }
    }
}
