//! The command `sandbox-net repl`: a prompt at which each statement is a turn of a session.

mod history;
mod lines;
mod prompt;
mod talk;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sandbox_net::python::progress;
use sandbox_net::{Exit, Output, Sandbox, SandboxBuilder, Session, SessionOptions, Stdin};
use tokio::sync::Mutex;

use self::lines::Lines;
use self::prompt::Prompt;
use self::talk::Talk;
use crate::sandbox_options::{LimitOptions, SandboxOptions, attend};
use crate::supervise::say;
use crate::values::time;
use crate::{Failure, printable::printable};

/// Everything of a session but its code is as for `run`.
#[derive(Args)]
pub(crate) struct Repl {
    #[command(flatten)]
    sandbox: SandboxOptions,
    /// Interrupt each statement after this time: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = time)]
    turn_timeout: Option<Duration>,
    #[command(flatten)]
    limits: LimitOptions,
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
        let limit = Some(self.limits.prepare_timeout);
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
        let mut sandbox = self.sandbox.mount(Sandbox::builder(), []);
        // Check first: nothing must be read from where an earlier run could have written.
        sandbox.check()?;
        sandbox = self.sandbox.apply(sandbox, "repl")?;
        sandbox = self.limits.apply(sandbox)?;
        sandbox = sandbox.stdout(Output::Inherit).stderr(Output::Inherit);
        // What comes from elsewhere is source text, all of it.
        if is_terminal {
            sandbox = sandbox.stdin(Stdin::Inherit);
        }
        if let Some(limit) = self.turn_timeout {
            sandbox = sandbox.time_limit(limit);
        }
        let policy = sandbox.effective_policy()?;
        Ok(attend(sandbox, &policy))
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
