//! The command `sandbox-net repl`: a prompt at which each statement is a turn of a session.

mod history;
mod lines;
mod prompt;
mod talk;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use sandbox_net::python::progress;
use sandbox_net::{
    DirAccess, Exit, Output, Sandbox, SandboxBuilder, Session, SessionOptions, Stdin,
};
use tokio::sync::Mutex;

use self::lines::Lines;
use self::prompt::Prompt;
use self::talk::Talk;
use crate::ask::{ANSWER, Terminal};
use crate::policy_options::PolicyOptions;
use crate::run::{directory, time, variable};
use crate::supervise::say;
use crate::{Failure, printable::printable};

/// Everything of a session but its code is as for `run`.
#[derive(Args)]
pub(crate) struct Repl {
    #[command(flatten)]
    policy: PolicyOptions,
    /// Append the audit log to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Include query strings in the recorded URLs
    #[arg(long, requires = "audit")]
    audit_queries: bool,
    /// Name the sandbox in the audit log [default: repl-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add a pure-Python package: a requirement to look up in the index, or the path of a wheel
    #[arg(long = "with", value_name = "PKG")]
    packages: Vec<String>,
    /// Mount a directory of the host; read-only unless it ends in ':rw'. A writable directory must not
    /// contain anything that the host looks up by name: --policy, --audit, --ca, another --dir
    #[arg(long, value_name = "HOST::GUEST[:rw]", value_parser = directory)]
    dir: Vec<(PathBuf, String, DirAccess)>,
    /// Set an environment variable; the last value of a name wins
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Interrupt each statement after this time: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = time)]
    turn_timeout: Option<Duration>,
    /// End the session after this much processor time, which waiting does not use: 10s, 500ms
    #[arg(long, value_name = "TIME", value_parser = time)]
    cpu: Option<Duration>,
    /// Stop fetching or compiling the interpreter, or packages, after this time each
    #[arg(
        long, value_name = "TIME", value_parser = time, default_value = "30m"
    )]
    prepare_timeout: Duration,
    /// Limit the program's memory, including 41 MiB for the interpreter
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: bytesize::ByteSize,
    /// Limit what the program stores on disk, in /home, /tmp and everywhere else except mounted
    /// directories of the host
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    disk: bytesize::ByteSize,
    /// Trust the certificates in this PEM file in addition to the platform's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Keep no history of what is typed
    #[arg(long)]
    no_history: bool,
    /// Arguments of the program
    #[arg(value_name = "ARGS", last = true)]
    args: Vec<String>,
}

impl Repl {
    pub(crate) async fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        let is_terminal = io::stdin().is_terminal();
        let limit = Some(self.prepare_timeout);
        let (no_history, args) = (self.no_history, self.args.clone());
        let sandbox = self.sandbox(is_terminal)?;
        // Report mistakes in the arguments before fetching a distribution.
        sandbox.check()?;
        let policy = sandbox.effective_policy()?;
        let denies_everything = policy.denies_everything();
        let engine = crate::engine(cache_dir, None, limit, progress::Terminal).await?;
        let sandbox = sandbox.engine(engine).prepare().await?.build().await?;
        let options = args
            .into_iter()
            .fold(SessionOptions::new(), SessionOptions::arg);
        let session = sandbox.session_with(options).await?;
        let code = match is_terminal {
            true => at_a_prompt(session, denies_everything, no_history).await,
            false => from_a_stream(session, denies_everything).await,
        };
        let closed = sandbox.close().await;
        if let Err(error) = closed {
            say(&error.to_string());
        }
        code
    }

    fn sandbox(self, is_terminal: bool) -> Result<SandboxBuilder, Failure> {
        let mut sandbox = self.directories(Sandbox::builder());
        // Check first: nothing must be read from where an earlier run could have written.
        sandbox.check()?;
        sandbox = self.policy.apply(sandbox)?;
        sandbox = sandbox
            .memory_limit(usize::try_from(self.memory.as_u64())?)
            .disk_limit(self.disk.as_u64())
            .stdout(Output::Inherit)
            .stderr(Output::Inherit)
            .preparation_limit(self.prepare_timeout);
        // What comes from elsewhere is source text, all of it.
        if is_terminal {
            sandbox = sandbox.stdin(Stdin::Inherit);
        }
        if let Some(path) = self.audit {
            sandbox = sandbox.audit_file(path);
        }
        if self.audit_queries {
            sandbox = sandbox.audit_queries();
        }
        let name = self.name;
        sandbox = sandbox.name(name.unwrap_or_else(|| format!("repl-{}", std::process::id())));
        for path in &self.ca {
            let pem = std::fs::read(path).with_context(|| format!("--ca {}", path.display()))?;
            sandbox = sandbox.trust_ca_pem(pem);
        }
        for package in self.packages {
            sandbox = sandbox.with_package(package);
        }
        for (name, value) in self.env {
            sandbox = sandbox.env(name, value);
        }
        if let Some(limit) = self.turn_timeout {
            sandbox = sandbox.time_limit(limit);
        }
        if let Some(limit) = self.cpu {
            sandbox = sandbox.cpu_limit(limit);
        }
        let policy = sandbox.effective_policy()?;
        if policy.asks() && !policy.denies_everything() {
            sandbox = sandbox.hook(Terminal::default()).hook_deadline(ANSWER);
        }
        if policy.reports_only() {
            say("mode 'report': what the policy denies is recorded and let pass");
        }
        Ok(sandbox)
    }

    /// Mounts the directories, and protects the files that the program must not be able to replace, by
    /// the names of their options.
    fn directories(&self, sandbox: SandboxBuilder) -> SandboxBuilder {
        let mounted = self.dir.iter();
        let sandbox = mounted.fold(sandbox, |sandbox, (host, guest, access)| {
            sandbox.dir(host, guest, *access)
        });
        let named = [
            (self.policy.policy.as_slice(), "--policy"),
            (self.audit.as_slice(), "--audit"),
            (self.ca.as_slice(), "--ca"),
        ];
        let named = named.into_iter();
        let named = named.flat_map(|(paths, option)| paths.iter().map(move |path| (path, option)));
        let named = named.filter(|(path, _)| path.as_os_str() != "-");
        named.fold(sandbox, |sandbox, (path, option)| {
            sandbox.protect(path.clone(), option)
        })
    }
}

/// A person types, and sees what comes of it.
async fn at_a_prompt(
    session: Session,
    denies_everything: bool,
    no_history: bool,
) -> Result<u8, Failure> {
    let reaches = match denies_everything {
        true => "it reaches no network; --allow grants rules",
        false => "it reaches what the policy allows",
    };
    let version = env!("CARGO_PKG_VERSION");
    eprintln!(
        "Python in sandbox-net {version}: {reaches}. Tab completes, Ctrl-C interrupts, Ctrl-D ends."
    );
    let interrupts = session.interrupt_handle();
    let session = Arc::new(Mutex::new(session));
    let mut prompt = Prompt::new(
        Arc::clone(&session),
        (!no_history).then(history::file).flatten(),
    )?;
    let mut talk = Talk::new(denies_everything);
    loop {
        let (read, back) = prompt.read().await?;
        prompt = back;
        let Some(code) = read else {
            break;
        };
        let mut session = session.lock().await;
        if let Some(exit) = talk.turn(&mut session, &interrupts, code).await? {
            return Ok(exit);
        }
    }
    // Its helper has the session too.
    drop(prompt);
    match Arc::into_inner(session) {
        Some(session) => ended(session.into_inner()).await,
        None => Ok(0),
    }
}

/// Statements come from elsewhere, such as a pipe: no prompt, and a code that tells how it went.
async fn from_a_stream(mut session: Session, denies_everything: bool) -> Result<u8, Failure> {
    let interrupts = session.interrupt_handle();
    let mut lines = Lines::of_stdin();
    let mut talk = Talk::new(denies_everything);
    while let Some(code) = lines.statement(&mut session).await? {
        if let Some(exit) = talk.turn(&mut session, &interrupts, code).await? {
            return Ok(exit);
        }
    }
    let code = ended(session).await?;
    Ok(match code {
        0 => u8::from(talk.has_failed()),
        code => code,
    })
}

/// Ends the program as the end of the input does.
async fn ended(session: Session) -> Result<u8, Failure> {
    let outcome = session.close().await?;
    if let Exit::Trap(why) = &outcome.exit {
        say(&format!(
            "the interpreter could not go on: {}",
            printable(why)
        ));
    }
    Ok(outcome.exit_code().to_le_bytes()[0])
}
