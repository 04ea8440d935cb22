//! A run from which later ones learn what each of them needs anyway.

use sandbox_net_python::BuildError;

use crate::engine::Engine;
use crate::error::Error;
use crate::run_options::RunOptions;
use crate::sandbox::Sandbox;
use crate::stdio::{Output, Stdin};

impl Sandbox {
    /// Runs an empty program, so that later ones begin faster, in all sandboxes that begin with the same memory: the
    /// engine's, or that of the same snapshot. For servers, before they listen; a [`Pool`](crate::Pool) does it
    /// itself.
    ///
    /// Each program writes to some hundred pages of memory before it does anything of its own, and gets each
    /// when it writes to it. From then on it gets those to which the empty program wrote at its beginning, all at
    /// once. Only this run counts: what programs of others do has no part in it.
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
