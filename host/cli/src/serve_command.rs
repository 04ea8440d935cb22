//! The command `sandbox-net serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sandbox_net::Engine;
use sandbox_net::python::Terminal;
use sandbox_net_serve::{Config, Server, Telemetry};

use crate::Failure;
use crate::printable::{bytes, count};
use crate::supervise::say;

/// How long the removal of the programs' files may hold up the end of the process.
const LAST_FILES: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct ServeCommand {
    /// Read listeners, limits, policies and tenants from this file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Listen on this address, not on that of the file
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Only check the file, with the policies and tokens that it names
    #[arg(long)]
    check: bool,
}

impl ServeCommand {
    /// Serves until a signal ends it. Programs that run then have the grace period; a second signal ends
    /// them at once.
    pub(crate) fn run(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        sandbox_net::set_up_allocator();
        let mut config = Config::read(&self.config)?;
        if let Some(address) = self.listen {
            config = config.listening_on(address);
        }
        if self.check {
            say(&format!(
                "{}: ok: {}; programs, bodies and answers take up to {} of memory, files up to {}",
                self.config.display(),
                count(config.tenants().count(), "tenant"),
                bytes(config.most_memory()),
                bytes(config.most_disk()),
            ));
            return Ok(0);
        }
        raise_descriptors();
        let telemetry = Telemetry::start(config.traces())?;
        let runtime = tokio::runtime::Runtime::new()?;
        let served = runtime.block_on(serve(config, cache_dir));
        // The directories of tenants are removed by then; a later start removes what is left.
        runtime.shutdown_timeout(LAST_FILES);
        // The programs' results do not depend on the collector.
        if let Err(error) = telemetry.end() {
            say(&error.to_string());
        }
        served.map(|()| 0)
    }
}

async fn serve(config: Config, cache_dir: Option<PathBuf>) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let mut engine = config.bound(Engine::builder()).progress(Terminal);
    if let Some(directory) = cache_dir {
        engine = engine.cache_dir(directory);
    }
    let starting = async {
        Server::start(config, engine.build().await?)
            .await
            .map_err(Failure::from)
    };
    let server = tokio::select! {
        server = starting => server?,
        () = signals.next() => return Ok(()),
    };
    say(&format!(
        "instance '{}' listens on http://{}",
        server.instance(),
        server.address()
    ));
    if let Some(address) = server.admin_address() {
        say(&format!("probes and metrics are on http://{address}"));
    }
    signals.next().await;
    say("ending: what runs has its grace period, and a second signal ends it at once");
    tokio::select! {
        () = server.drain() => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// Connections, programs and files have a descriptor each, and the usual soft limit is for programs that use
/// `select`.
#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // The soft limit stays what it was if the system refuses.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
fn raise_descriptors() {}

/// The signals that end the server.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
