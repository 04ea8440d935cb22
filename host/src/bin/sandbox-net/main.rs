//! `sandbox-net`: untrusted Python with a checked network, from the shell.

mod ask;
mod audit_command;
mod componentize;
mod console;
mod demo;
mod input;
mod json;
mod policy_command;
mod policy_options;
mod printable;
mod run;
mod runtime;
mod server;
mod table;
#[cfg(test)]
mod testing;
mod url;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sandbox_net::Engine;
use sandbox_net::runtime::Terminal;

/// The exit code for a failure of the tool itself, as `timeout` and `docker run` have it.
const TOOL_FAILED: u8 = 125;

/// Runs untrusted Python in a WebAssembly sandbox, with the network that you allow and no other.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    /// Where runtimes, packages and compiled code are kept [env: SANDBOX_NET_CACHE]
    #[arg(long, global = true, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a Python program
    Run(run::Run),
    /// Show it at work against a server of its own on this machine
    Demo,
    /// Write the Python component, for other hosts
    Componentize(componentize::Componentize),
    /// Check and explain policy files
    #[command(subcommand)]
    Policy(policy_command::PolicyCommand),
    /// Read an audit log
    Audit(audit_command::AuditCommand),
    /// Manage the Python runtimes on this machine
    Runtime(runtime::Runtime),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    async fn execute(self) -> Result<u8, Failure> {
        match self.command {
            Command::Run(run) => run.execute(self.cache_dir).await,
            Command::Demo => demo::execute(engine(self.cache_dir, None).await?).await,
            Command::Componentize(command) => command.execute(self.cache_dir).await,
            Command::Policy(command) => command.execute(),
            Command::Audit(command) => command.execute(),
            Command::Runtime(command) => command.execute(self.cache_dir),
        }
    }
}

/// The engine, with progress on the terminal.
async fn engine(cache_dir: Option<PathBuf>, runtime: Option<String>) -> Result<Engine, Failure> {
    let mut builder = Engine::builder().progress(Terminal);
    if let Some(directory) = cache_dir {
        builder = builder.cache_dir(directory);
    }
    if let Some(name) = runtime {
        builder = builder.runtime(name);
    }
    Ok(builder.build().await?)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { TOOL_FAILED } else { 0 };
            // Nothing is left to do where stderr is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let code = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let code = runtime.block_on(until_interrupted(cli.execute()));
            // A read of stdin may still be waiting in a thread.
            runtime.shutdown_background();
            code
        }
        Err(error) => Err(error.into()),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sandbox-net: {}", one_line(&*error));
            ExitCode::from(TOOL_FAILED)
        }
    }
}

/// Ctrl-C ends the run, and the sandbox's files go with it.
async fn until_interrupted(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    tokio::select! {
        done = work => done,
        Ok(()) = tokio::signal::ctrl_c() => Ok(130),
    }
}

/// The error and its causes, where those say more.
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
    text
}
