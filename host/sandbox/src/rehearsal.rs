//! A run from which later ones learn what each of them needs anyway.

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
