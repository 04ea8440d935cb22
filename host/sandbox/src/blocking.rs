//! The same without `async`: each call blocks its thread until it is done.
//!
//! The work is done on a runtime of this module, which all of its sandboxes share. Calls may come from
//! any thread, also from one of a tokio runtime, which they then hold. Only a call from this module's
//! own runtime, such as from a hook of one of its sandboxes, is an error ([`Error::WithinBlocking`]): it
//! would wait for itself. A hook that blocks its thread holds up the other sandboxes of this module.
//!
//! ```no_run
//! use sandbox_net::{Sandbox, blocking};
//!
//! # fn main() -> Result<(), sandbox_net::Error> {
//! let sandbox = blocking::Sandbox::build(Sandbox::builder().allow("https://api.example.com"))?;
//! let outcome = sandbox.run("print('hello')")?;
//! assert_eq!(outcome.stdout_text(), "hello\n");
//! # Ok(())
//! # }
//! ```

mod session;
mod streams;
mod threads;

use std::sync::Arc;

use sandbox_net_gateway::audit::{AuditLine, AuditLog, Follow};
use sandbox_net_policy::SecretSource;

pub use self::session::{Session, Turn};
pub use self::streams::{Reader, Writer};

use self::threads::{here, wait};
use crate::builder::SandboxBuilder;
use crate::engine::{Engine, EngineBuilder};
use crate::error::Error;
use crate::pool::PoolBuilder;
use crate::run::KillHandle;
use crate::run_options::RunOptions;
use crate::script::{Outcome, Script};
use crate::session::SessionOptions;

/// Makes an engine and compiles its interpreters: see [`EngineBuilder::build`] and [`Engine::warm`].
///
/// # Errors
///
/// As for those functions.
pub fn engine(builder: EngineBuilder) -> Result<Engine, Error> {
    wait(async move {
        let engine = builder.build().await?;
        engine.warm().await?;
        Ok(engine)
    })?
}

/// A [`Sandbox`](crate::Sandbox) whose calls block.
#[derive(Debug)]
pub struct Sandbox(Arc<crate::sandbox::Sandbox>);

impl Sandbox {
    /// Makes the sandbox of a builder: see [`SandboxBuilder::build`].
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn build(builder: SandboxBuilder) -> Result<Self, Error> {
        wait(builder.build())?.map(|sandbox| Self(Arc::new(sandbox)))
    }

    /// Runs `script` to its end: see [`Sandbox::run`](crate::Sandbox::run).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn run(&self, script: impl Into<Script>) -> Result<Outcome, Error> {
        self.start(script, RunOptions::new())?.wait()
    }

    /// Starts `script`: see [`Sandbox::start`](crate::Sandbox::start).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn start(&self, script: impl Into<Script>, options: RunOptions) -> Result<Run, Error> {
        let (sandbox, script) = (Arc::clone(&self.0), script.into());
        let run = wait(async move { sandbox.start(script, options).await })?;
        run.map(Run::new)
    }

    /// Starts a session: see [`Sandbox::session`](crate::Sandbox::session).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn session(&self) -> Result<Session, Error> {
        self.session_with(SessionOptions::new())
    }

    /// Starts a session: see [`Sandbox::session_with`](crate::Sandbox::session_with).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn session_with(&self, options: SessionOptions) -> Result<Session, Error> {
        here(self.0.session_with(options))?.map(Session)
    }

    /// Reads a file of the guest, of at most `most` bytes: see
    /// [`Sandbox::read_file_up_to`](crate::Sandbox::read_file_up_to).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn read_file(&self, path: &str, most: u64) -> Result<Vec<u8>, Error> {
        let (sandbox, path) = (Arc::clone(&self.0), path.to_owned());
        wait(async move { sandbox.read_file_up_to(&path, most).await })?
    }

    /// Writes a file of the guest: see [`Sandbox::write_file`](crate::Sandbox::write_file).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn write_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let (sandbox, path, bytes) = (Arc::clone(&self.0), path.to_owned(), bytes.into());
        wait(async move { sandbox.write_file(&path, bytes).await })?
    }

    /// Makes a copy that goes its own way: see [`Sandbox::fork`](crate::Sandbox::fork).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn fork(&self) -> Result<Self, Error> {
        let sandbox = Arc::clone(&self.0);
        wait(async move { sandbox.fork().await })?.map(|fork| Self(Arc::new(fork)))
    }

    /// Gives a secret another source: see [`Sandbox::replace_secret`](crate::Sandbox::replace_secret).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn replace_secret(&self, name: &str, source: SecretSource) -> Result<(), Error> {
        let (sandbox, name) = (Arc::clone(&self.0), name.to_owned());
        wait(async move { sandbox.replace_secret(&name, source).await })?
    }

    /// The sandbox itself, for the calls that do not wait: its policy, environment and usage.
    pub fn get_ref(&self) -> &crate::sandbox::Sandbox {
        &self.0
    }

    /// Ends its runs, removes its files, and reports whether that succeeded: see
    /// [`Sandbox::close`](crate::Sandbox::close).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn close(self) -> Result<(), Error> {
        match Arc::into_inner(self.0) {
            Some(sandbox) => wait(sandbox.close())?,
            None => Ok(()),
        }
    }
}

/// A [`Pool`](crate::Pool) whose calls block. Cloning is cheap, and clones are the same pool.
///
/// ```no_run
/// use sandbox_net::{Pool, Sandbox, blocking};
///
/// # fn main() -> Result<(), sandbox_net::Error> {
/// let template = Sandbox::builder().with_package("requests");
/// let pool = blocking::Pool::build(template, |template| Pool::builder(template).max_in_use(16))?;
/// let outcome = pool.get()?.run("import requests")?;
/// assert_eq!(outcome.exit_code(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool(crate::pool::Pool);

impl Pool {
    /// Makes the template, and the pool of what `settings` makes of it: see
    /// [`PoolBuilder::build`](crate::PoolBuilder::build). It makes sandboxes on the runtime of this module.
    ///
    /// # Errors
    ///
    /// As for that function and [`SandboxBuilder::build`].
    pub fn build(
        template: SandboxBuilder,
        settings: impl FnOnce(crate::sandbox::Sandbox) -> PoolBuilder + Send + 'static,
    ) -> Result<Self, Error> {
        let building = async move { settings(template.build().await?).build().await };
        wait(building)?.map(Self)
    }

    /// Gives a sandbox: see [`Pool::get`](crate::Pool::get).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn get(&self) -> Result<Sandbox, Error> {
        let pool = self.0.clone();
        let sandbox = wait(async move { pool.get().await })?;
        sandbox.map(|sandbox| Sandbox(Arc::new(sandbox)))
    }

    /// The pool itself, for the calls that do not wait.
    pub fn get_ref(&self) -> &crate::pool::Pool {
        &self.0
    }

    /// Closes the pool: see [`Pool::close`](crate::Pool::close).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn close(&self) -> Result<(), Error> {
        let pool = self.0.clone();
        wait(async move { pool.close().await })?
    }
}

/// A [`Run`](crate::Run) whose calls block. Dropping it ends the program.
#[derive(Debug)]
#[must_use = "dropping a run ends its program"]
pub struct Run {
    run: Option<crate::run::Run>,
    audit: AuditLog,
    kill: KillHandle,
}

impl Run {
    fn new(run: crate::run::Run) -> Self {
        Self {
            audit: run.audit().clone(),
            kill: run.kill_handle(),
            run: Some(run),
        }
    }

    /// Takes the program's stdin: see [`Run::stdin`](crate::Run::stdin).
    pub fn stdin(&mut self) -> Option<Writer> {
        let stdin = self.run.as_mut()?.stdin();
        stdin.map(|stdin| Writer(Some(stdin)))
    }

    /// Takes the program's stdout: see [`Run::stdout`](crate::Run::stdout).
    pub fn stdout(&mut self) -> Option<Reader> {
        let stdout = self.run.as_mut()?.stdout();
        stdout.map(Reader::new)
    }

    /// Takes the program's stderr: see [`Run::stderr`](crate::Run::stderr).
    pub fn stderr(&mut self) -> Option<Reader> {
        let stderr = self.run.as_mut()?.stderr();
        stderr.map(Reader::new)
    }

    /// Follows the program's decisions, requests and lookups as they are made: see
    /// [`Run::records`](crate::Run::records).
    pub fn records(&self) -> Records {
        Records(Some(self.audit.follow()))
    }

    /// Ends the program: see [`Run::kill`](crate::Run::kill).
    pub fn kill(&self) {
        self.kill.kill();
    }

    /// A handle that ends the program from another thread.
    pub fn kill_handle(&self) -> KillHandle {
        self.kill.clone()
    }

    /// Waits for the program's end: see [`Run::wait`](crate::Run::wait).
    ///
    /// # Errors
    ///
    /// As for that function.
    pub fn wait(&mut self) -> Result<Outcome, Error> {
        let mut run = self.run.take().ok_or(Error::AlreadyWaited)?;
        wait(async move { run.wait().await })?
    }
}

/// The records of a run, as they are made.
#[derive(Debug)]
pub struct Records(Option<Follow>);

impl Iterator for Records {
    type Item = AuditLine;

    fn next(&mut self) -> Option<AuditLine> {
        let mut follow = self.0.take()?;
        let (line, follow) = wait(async move { (follow.next().await, follow) }).ok()?;
        self.0 = line.is_some().then_some(follow);
        line
    }
}
