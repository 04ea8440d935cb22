//! The command line `sandbox-net`: runs untrusted Python with a checked network.

mod ask;
mod audit_command;
mod baked_policy;
mod bench_command;
mod broker_command;
mod componentize;
mod console;
mod demo;
mod distribution;
mod hint;
mod input;
mod json;
mod left_behind;
mod middleware_command;
mod missing_module;
mod native_command;
mod no_network;
mod output_file;
mod policy_command;
mod policy_options;
mod printable;
mod repl;
mod run;
mod sandbox_options;
mod script_wishes;
mod serve_command;
mod server;
#[cfg(unix)]
mod signals;
mod snapshot_command;
mod supervise;
mod table;
#[cfg(test)]
mod testing;
mod url;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use sandbox_net::Engine;
use sandbox_net::python::Terminal;
use sandbox_net::python::progress::Progress;

use crate::supervise::Deadline;

/// The exit code when nobody reads the output any more, as shells report SIGPIPE.
const NOBODY_READS: u8 = 141;

/// The exit code when the tool itself fails, as for `timeout` and `docker run`.
const TOOL_FAILED: u8 = 125;

/// Run untrusted Python in a WebAssembly sandbox that reaches only the network that you allow.
#[derive(Parser)]
#[command(name = "sandbox-net", version, about)]
struct Cli {
    /// Keep distributions, packages and compiled code in this directory [env: SANDBOX_NET_CACHE]
    #[arg(long, global = true, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a Python program
    Run(Box<run::Run>),
    /// Run Python statement by statement in one session
    Repl(Box<repl::Repl>),
    /// Import packages once, into a file that programs begin with
    Snapshot(snapshot_command::SnapshotCommand),
    /// Run a demonstration against a local server
    Demo,
    /// Measure what sandboxes cost on this machine, beside native Python
    Bench(bench_command::Bench),
    /// Write the Python component to a file, for other WebAssembly hosts
    Componentize(componentize::Componentize),
    /// Write a component that holds a policy between a WebAssembly component and the network, on any host
    Middleware(middleware_command::Middleware),
    /// Check and explain policy files
    #[command(subcommand)]
    Policy(policy_command::PolicyCommand),
    /// Read an audit log
    Audit(audit_command::AuditCommand),
    /// Run native programs under a policy, and route native Pythons through a broker
    #[command(subcommand)]
    Native(native_command::NativeCommand),
    /// Serve native programs: an HTTP proxy and an API under the policy
    Broker(Box<broker_command::BrokerCommand>),
    /// Serve programs and sessions of many tenants over HTTP
    Serve(serve_command::ServeCommand),
    /// Manage the Python distributions on this machine
    Distribution(distribution::Distribution),
}

/// Why a command did not do its work, with the file or the option that it is about as context.
type Failure = anyhow::Error;

impl Cli {
    async fn execute(self, start: Instant, deadline: Deadline) -> Result<u8, Failure> {
        match self.command {
            Command::Run(run) => run.execute(self.cache_dir, start, deadline).await,
            Command::Repl(repl) => repl.execute(self.cache_dir).await,
            Command::Snapshot(command) => command.execute(self.cache_dir).await,
            Command::Demo => {
                demo::execute(engine(self.cache_dir, None, None, Terminal).await?).await
            }
            Command::Bench(command) => command.execute(self.cache_dir).await,
            Command::Componentize(command) => command.execute(self.cache_dir).await,
            Command::Middleware(command) => command.execute(),
            Command::Policy(command) => command.execute(),
            Command::Audit(command) => command.execute(),
            Command::Native(command) => command.execute(self.cache_dir),
            Command::Broker(command) => command.execute().await,
            Command::Serve(command) => command.run(self.cache_dir),
            Command::Distribution(command) => command.execute(self.cache_dir),
        }
    }
}

/// Builds the engine. `progress` shows the long steps.
async fn engine(
    cache_dir: Option<PathBuf>,
    distribution: Option<String>,
    preparation: Option<Duration>,
    progress: impl Progress + 'static,
) -> Result<Engine, Failure> {
    let mut builder = Engine::builder().progress(progress);
    if let Some(directory) = cache_dir {
        builder = builder.cache_dir(directory);
    }
    if let Some(name) = distribution {
        builder = builder.distribution(name);
    }
    if let Some(limit) = preparation {
        builder = builder.preparation_limit(limit);
    }
    Ok(builder.build().await?)
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    sandbox_net_native::confine::helper::run_if_asked();
    let start = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { TOOL_FAILED } else { 0 };
            // If stderr is closed, nothing can be done.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    if !matches!(cli.command, Command::Serve(_)) {
        left_behind::report();
    }
    let done = match cli.command {
        // It ends by itself at a signal, after its clients.
        Command::Broker(command) => command.run(),
        Command::Serve(command) => command.run(cli.cache_dir),
        // It passes signals on to its program.
        Command::Native(command) if command.follows_signals() => command.execute(cli.cache_dir),
        // Ctrl-C is for the statement that runs.
        Command::Repl(repl) => supervise::run_with(false, |_| repl.execute(cli.cache_dir)),
        _ => supervise::run(|deadline| cli.execute(start, deadline)),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is::<console::NobodyReads>() => ExitCode::from(NOBODY_READS),
        Err(error) => {
            supervise::say_failure(&*error);
            ExitCode::from(TOOL_FAILED)
        }
    }
}

/// The error and those of its causes that add something, safe for a terminal: parts of it come from a
/// package index or a file.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let lines: Vec<_> = text.lines().map(printable::printable).collect();
    lines.join("\n")
}
