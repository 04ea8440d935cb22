//! The command `sandbox-net middleware`.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use sandbox_net::policy::{Document, Policy};
use sandbox_net_compose::{middleware, other_ways, plug};

use crate::console::{self, Console};
use crate::printable::printable;
use crate::{Failure, input, policy_options};

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

/// The policy files as they are written into the component, and what they say together.
struct Files {
    texts: Vec<String>,
    policy: Policy,
}

impl Middleware {
    pub(crate) fn execute(self) -> Result<u8, Failure> {
        console::with_process_streams(|console| self.run(console))
    }

    fn run(self, console: &mut Console<'_>) -> Result<u8, Failure> {
        let files = read(&self.policy)?;
        let texts: Vec<&str> = files.texts.iter().map(String::as_str).collect();
        let policy = middleware(&texts)?;
        let mut unenforced = lines(files.policy.unenforced_inside());
        let component = match &self.guest {
            Some(guest) => {
                let (component, ways) = compose(guest, &policy)?;
                unenforced.extend(ways);
                component
            }
            None => policy,
        };
        self.accept(console, &unenforced)?;
        let output = input::name(&self.output);
        std::fs::write(&self.output, component).context(output.clone())?;
        writeln!(console.out, "{output}: {}", self.next_step(&output))?;
        Ok(0)
    }

    /// Refuses what is not enforced, or warns about it.
    fn accept(&self, console: &mut Console<'_>, unenforced: &[String]) -> Result<(), Failure> {
        if !unenforced.is_empty() && !self.accept_unenforced {
            bail!(
                "not enforced inside a component:\n  {}\nchange the policy, or accept that with \
                 --accept-unenforced",
                unenforced.join("\n  ")
            );
        }
        for line in unenforced {
            writeln!(console.err, "warning: not enforced: {line}")?;
        }
        Ok(())
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

fn read(paths: &[PathBuf]) -> Result<Files, Failure> {
    let mut texts = Vec::new();
    let mut whole: Option<Policy> = None;
    for path in paths {
        let name = || format!("--policy {}", input::name(path));
        let text = policy_options::text(path).with_context(name)?;
        let policy = Policy::from(Document::parse(&text).with_context(name)?);
        whole = Some(match whole {
            Some(whole) => whole.intersect(&policy),
            None => policy,
        });
        texts.push(text);
    }
    let policy = whole.ok_or_else(|| anyhow!("--policy FILE is missing"))?;
    Ok(Files { texts, policy })
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

fn lines(items: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    let items = items.into_iter();
    items.map(|item| printable(&item.to_string())).collect()
}
