//! A run from which later ones learn what each of them needs anyway.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sandbox_net_python::BuildError;
use tokio_util::sync::CancellationToken;

use crate::capture::Capture;
use crate::compile::nowhere;
use crate::disk::DiskLimits;
use crate::engine::{Engine, Interpreter};
use crate::error::Error;
use crate::guest::{Guest, MEMORY};
use crate::root::Root;
use crate::run_options::RunOptions;
use crate::sandbox::Sandbox;
use crate::stdio::{InputSource, Output, Sink, Stdin};

/// The environment that a program has if it sets none.
const ENVIRONMENT: [(&str, &str); 2] = [("HOME", "/home"), ("TMPDIR", "/tmp")];

/// How long an empty program may take, and how much it may print.
const TIME: Duration = Duration::from_secs(5);
const OUTPUT: usize = 1 << 10;

impl Sandbox {
    /// Runs an empty program, so that later ones begin faster, in all sandboxes that begin with the same memory: the
    /// engine's, or that of the same snapshot. For servers, before they listen; a [`Pool`](crate::Pool) does it
    /// itself.
    ///
    /// Each program writes to some hundred pages of memory before it does anything of its own, and gets each
    /// when it writes to it. From then on it gets those to which the empty program wrote at its beginning, all at
    /// once. Only this run counts: what programs of others do has no part in it. For memory that the cache keeps,
    /// the engine's and that of packages, this is known from its making; a snapshot of your own needs it in each
    /// process.
    ///
    /// ```no_run
    /// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// sandbox.rehearse().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the program; nothing is learned then.
    pub async fn rehearse(&self) -> Result<(), Error> {
        let options = RunOptions::new()
            .stdin(Stdin::Empty)
            .stdout(Output::Capture)
            .stderr(Output::Capture);
        let options = RunOptions {
            teaches: true,
            ..options
        };
        self.start("", options).await?.wait().await?;
        Ok(())
    }
}

impl Engine {
    /// Makes the interpreters ready, with a network and without, so that no later sandbox and no first
    /// run waits for them: compiles what is not in the cache, and maps the code. It returns when both
    /// are ready. Further calls, also at the same time, wait for the same work or find it done.
    ///
    /// It also [rehearses](Sandbox::rehearse) both: an empty program runs in each.
    ///
    /// A [`SandboxBuilder::prepare`](crate::SandboxBuilder::prepare) makes only the one interpreter ready
    /// that its sandbox needs, and its packages.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), sandbox_net::BuildError> {
    /// let engine = sandbox_net::Engine::builder().build().await?;
    /// // A service begins to listen only when the first request will not wait for a minute.
    /// engine.warm().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if one can't be made in the time of
    /// [`preparation_limit`](crate::EngineBuilder::preparation_limit), or without a tokio runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the wait, not the work: the next call finds it done or goes on waiting.
    pub async fn warm(&self) -> Result<(), BuildError> {
        self.prepare().await?;
        for allowed in [None, Some("rehearsal.invalid")] {
            // What fails here fails again where somebody is told.
            let _ = self.rehearse(allowed).await;
        }
        Ok(())
    }

    /// Rehearses the interpreter with a network if something is allowed.
    async fn rehearse(&self, allowed: Option<&str>) -> Result<(), Error> {
        let sandbox = Sandbox::builder().engine(self.clone());
        let sandbox = match allowed {
            Some(host) => sandbox.allow(host),
            None => sandbox,
        };
        let sandbox = sandbox.build().await?;
        sandbox.rehearse().await?;
        sandbox.close().await
    }
}

/// Lets an empty program run as `interpreter` where its memory is kept in the cache, and not known yet which pages
/// of it each program uses. Without that programs run as well, a little slower.
pub(crate) async fn rehearse_once(engine: &Engine, interpreter: &Interpreter) {
    if !interpreter.image().wants_rehearsal() {
        return;
    }
    if let Err(error) = run_nothing(engine, interpreter.clone().teaching()).await {
        tracing::debug!(%error, "the empty program failed, so no pages are known");
    }
}

async fn run_nothing(engine: &Engine, interpreter: Interpreter) -> Result<(), Error> {
    let root = Root::new(DiskLimits::default()).map_err(Error::Files)?;
    let gateway = nowhere()?;
    let output = || Sink::Capture(Capture::new(gateway.memory(), OUTPUT));
    let (stdout, stderr) = (output(), output());
    let variables = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let guest = Guest {
        engine: engine.clone(),
        interpreter,
        args: ["python", "-c", ""].map(str::to_owned).into(),
        env: BTreeMap::from(variables),
        stdin: InputSource::Empty,
        preopens: vec![root.files().clone(), engine.library_mount()?],
        gateway: gateway.clone(),
        memory: MEMORY,
        cpu: None,
    };
    let until = Instant::now().checked_add(TIME);
    let never = CancellationToken::new();
    guest.run((stdout, stderr), until, &never).await?;
    Ok(())
}
