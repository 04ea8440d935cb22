//! The command `sandbox-net native demo`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use sandbox_net::Verdict;
use sandbox_net::python::{Cache, Terminal};
use sandbox_net_broker::Broker;
use sandbox_net_native::confine::Confinement;

use super::environment;
use super::run_command::{Afterwards, run};
use crate::server::{Forbidden, Server};
use crate::supervise::say;
use crate::{Failure, console, table};

const SCRIPT: &str = include_str!("demo.py");
/// What the script imports.
const PACKAGES: [&str; 2] = ["numpy", "requests"];

#[derive(Args)]
pub(crate) struct DemoCommand {
    /// The Python from which a virtual environment with numpy and requests is made, in the cache
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
}

impl DemoCommand {
    pub(crate) fn run(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        let python = self.environment(cache_dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(show(&python))
    }

    /// Makes the virtual environment, unless it is there; returns its Python.
    fn environment(&self, cache_dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let version = output(Command::new(&self.python).args(["-I", "-c", VERSION]))?;
        let cache = Cache::open(cache_dir)?;
        let entry = cache.entry("native-demo", version.trim())?;
        let made = entry.get_or_make(&Terminal, |directory| {
            say("making a virtual environment with numpy and requests (once)");
            let place = directory.join("venv");
            output(
                Command::new(&self.python)
                    .args(["-I", "-m", "venv"])
                    .arg(&place),
            )?;
            let mut pip = Command::new(place.join("bin/python"));
            pip.args(["-I", "-m", "pip", "install", "--quiet"]);
            pip.args(["--disable-pip-version-check", "--only-binary", ":all:"]);
            output(pip.args(PACKAGES)).map(drop)
        })?;
        Ok(made.join("venv/bin/python"))
    }
}

/// Prints what a virtual environment depends on.
const VERSION: &str = "import hashlib, sys; print('%d.%d-%s' % (*sys.version_info[:2], \
     hashlib.sha256((sys.version + sys.prefix).encode()).hexdigest()[:16]))";

/// Runs a command; returns what it printed.
fn output(command: &mut Command) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .output()
        .with_context(|| format!("{name} cannot be run: give a Python with --python"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{name} failed: {}", said.trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

async fn show(python: &Path) -> Result<u8, Failure> {
    let server = Server::start().await?;
    let forbidden = Forbidden::start().await?;
    let base = format!("https://localhost:{}", server.address.port());
    console::print(&format!(
        "A real Python program with a native extension and threads runs as a process that the kernel \
         confines.\nIt may talk to {base} only.\n"
    ))?;
    let mut prepared = Confinement::new()
        .environment(environment::base())
        .prepare()?;
    let mut broker = Broker::builder()
        .allow(&base)
        .trust_ca_pem(server.ca_pem.as_bytes())
        .name("native-demo");
    for listener in prepared.take_listeners() {
        broker = broker.isolated_listener(listener);
    }
    let running = broker.build()?.start().await?;
    let prepared = environment::with_broker(prepared, &running, Vec::new())?;
    let other = format!("https://localhost:{}", forbidden.address.port());
    let words = [python.as_os_str(), "-c".as_ref(), SCRIPT.as_ref()].map(OsString::from);
    let arguments = [base, other].map(OsString::from);
    let command = words.into_iter().chain(arguments).collect();
    let code = run(prepared, command, Afterwards::Prints).await?;
    running.audit().settle().await;
    let (decisions, exchanges) = (running.audit().decisions(), running.audit().exchanges());
    running.shutdown().await;
    console::print(&format!(
        "\nWhat the host decided:\n\n{}",
        table::decisions(&decisions, &exchanges).trim_fmt()
    ))?;
    console::print(&format!(
        "\n{} requests reached the server; {} connections reached the host that was not allowed.\n\
         {} exchanges are in the audit log.",
        server.requests(),
        forbidden.connections(),
        exchanges.len()
    ))?;
    let denied = decisions.iter().any(|it| it.verdict == Verdict::Deny);
    let complete = exchanges.len() as u64 == server.requests();
    if code != 0 || forbidden.connections() != 0 || !denied || !complete {
        bail!("the demo failed: the numbers above are not the expected ones");
    }
    Ok(0)
}
