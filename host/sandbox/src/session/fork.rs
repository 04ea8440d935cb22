//! Forks of a session: copies that go their own ways.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_net_gateway::Gateway;
use sandbox_net_policy::Policy;

use super::copies::Copies;
use super::live::{Frozen, Keeps, Live};
use super::loan::Loan;
use super::wire::Operation;
use super::{Begin, Session, TurnEnd, why};
use crate::error::Error;
use crate::guest::Guest;
use crate::runtime;
use crate::sandbox::{self, Sandbox};
use crate::stdio::InputSource;

/// What a fork has that its session, or its sandbox, does not.
///
/// ```
/// use sandbox_net::{ForkOptions, policy::Policy};
///
/// // It has no network any more.
/// let options = ForkOptions::new().policy(Policy::deny_all());
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "give it to Session::fork_with or Sandbox::fork_with"]
pub struct ForkOptions {
    pub(crate) policy: Option<Policy>,
}

impl ForkOptions {
    /// Starts with what the session, or the sandbox, has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows only what this policy allows, of what the original's own allows: the stricter answer counts
    /// for each request, and the smaller one of each budget. Its secrets do not count.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }
}

/// What forks are made of, besides the interpreter and the files.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Those of its sandbox.
    pub(crate) settings: sandbox::Settings,
    /// The sandbox's, which knows the policy that it has now.
    pub(crate) gateway: Gateway,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) args: Vec<String>,
    pub(crate) memory: usize,
    pub(crate) cpu: Option<Duration>,
    pub(crate) is_unbuffered: bool,
}

impl Session {
    /// Makes a session that has all variables, modules and files of this one, and goes its own way:
    /// [`fork_with`](Self::fork_with) without options.
    ///
    /// # Errors
    ///
    /// As for that function.
    pub async fn fork(&mut self) -> Result<Session, Error> {
        self.fork_with(ForkOptions::new()).await
    }

    /// Makes a session that has all variables, modules and files of this one, and goes its own way. Memory
    /// is shared until one of them writes to it.
    ///
    /// The fork has a sandbox of its own, as [`Sandbox::fork`] makes one: see [`sandbox`](Self::sandbox). Its
    /// policy is the one of now, and may be narrower; its budgets and limits are its own and have not been
    /// used, and its memory counts. What the session has open does not cross: files are closed,
    /// connections are as if the server had ended them, and the errors say so. Its stdin is empty.
    /// Random numbers are fresh; its monotonic clock goes on. Threads and tasks stand still between turns,
    /// and go on in both. The fork closes what is not its own, and makes its random numbers fresh, with the first
    /// operation that asks something of it, before any of the program runs. If it can't, that operation fails with
    /// [`Error::Start`], and the fork has ended.
    ///
    /// ```no_run
    /// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// let mut session = sandbox.session().await?;
    /// session.exec("import pandas; x = 1").await?;
    /// let mut fork = session.fork().await?;
    /// fork.exec("x = 2").await?;
    /// assert_eq!(session.exec("x").await?.value.expect("a value").text, "1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::SessionBusy`] while a turn goes on whose future was dropped, [`Error::SessionEnded`],
    /// [`Error::Full`] if the engine has as much as it may, [`Error::Files`] if the files can't be copied, and
    /// [`Error::Start`] if there is no memory for the copy.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future makes no fork. The session goes on.
    pub async fn fork_with(&mut self, options: ForkOptions) -> Result<Session, Error> {
        let mut forks = self.forks(1, options).await?;
        forks
            .pop()
            .ok_or_else(|| Error::Internal("there is no fork".to_owned()))
    }

    /// Makes several forks of the same moment, as many at once as there are processors: see
    /// [`fork_with`](Self::fork_with).
    ///
    /// # Errors
    ///
    /// As for that function. There are all of them or none.
    ///
    /// # Cancel safety
    ///
    /// As for that function.
    pub async fn fork_many(
        &mut self,
        count: usize,
        options: ForkOptions,
    ) -> Result<Vec<Session>, Error> {
        self.forks(count, options).await
    }

    /// The sandbox of a fork, or of a session that was [loaded](Self::load): its files, policy and limits.
    /// It ends with the session. `None` for a session that a sandbox of yours has started.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.own.as_deref()
    }

    async fn forks(&mut self, count: usize, options: ForkOptions) -> Result<Vec<Session>, Error> {
        runtime::check()?;
        let engine = self.shared.engine.clone();
        let places = (0..count)
            .map(|_| engine.place())
            .collect::<Result<Vec<_>, _>>()?;
        let (frozen, loan) = self.frozen().await?;
        let copies = Copies {
            origin: self.origin.clone(),
            engine,
            policy: options.policy,
            settings: self.shared.settings.clone(),
            frozen,
            places: Mutex::new(places),
            loan: Mutex::new(loan),
        };
        copies.make().await
    }

    /// The session as it is now. It stays so as long as there is the loan.
    pub(super) async fn frozen(&self) -> Result<(Frozen, Loan), Error> {
        let mut loan = self.loan().await?;
        let has_open = loan.live().has_open_files();
        if has_open {
            drop(loan);
            let looked = self.ask(Operation::Look, "", 0).await?;
            if looked.outcome.end != TurnEnd::Done {
                return Err(Error::Start(why(&looked.outcome)));
            }
            loan = self.loan().await?;
        }
        let frozen = loan.live_mut().freeze().await;
        let mut frozen = frozen.map_err(|error| Error::Start(format!("{error:#}")))?;
        frozen.has_open |= has_open;
        Ok((frozen, loan))
    }

    /// Takes the interpreter out of its place, unless a turn has it. Another fork, whose future was dropped,
    /// is waited for.
    async fn loan(&self) -> Result<Loan, Error> {
        let slot = &self.shared.slot;
        let taken = match slot.try_take() {
            Some(taken) => taken,
            None if self.shared.interrupts.has_turn() => return Err(Error::SessionBusy),
            None => slot.take().await,
        };
        let live = taken.map_err(|exit| Error::SessionEnded { exit })?;
        Ok(Loan::new(Arc::clone(slot), live))
    }
}

impl Origin {
    /// The settings of a fork's sandbox, which has a name, a vault and budgets of its own.
    pub(super) fn forked(&self, narrower: Option<&Policy>) -> sandbox::Settings {
        let mut settings = self.settings.clone();
        let (policy, name) = (self.gateway.policy(), self.gateway.audit().sandbox());
        let policy = match narrower {
            Some(narrower) => policy.intersect(narrower),
            None => policy,
        };
        settings.network = settings.network.forked(policy, name);
        settings.env.clone_from(&self.env);
        settings
    }

    /// Begins a session in `sandbox` as the frozen one was; `goes_on` says how.
    pub(super) async fn begin(
        &self,
        sandbox: Sandbox,
        frozen: &Frozen,
        settings: &super::Settings,
        goes_on: fn(&mut Live, &Frozen),
    ) -> Result<Session, Error> {
        let begin = Begin {
            guest: Guest {
                engine: sandbox.engine().clone(),
                interpreter: frozen.interpreter.clone(),
                args: self.args.clone(),
                env: self.env.clone(),
                stdin: InputSource::Empty,
                preopens: sandbox.preopens(None),
                gateway: sandbox.gateway.next_run(),
                memory: self.memory,
                cpu: self.cpu,
            },
            keeps: Keeps {
                root: Arc::clone(&sandbox.root),
                _tracked: sandbox.tracked(),
            },
            settings: settings.clone(),
            origin: Self {
                settings: sandbox.settings.clone(),
                gateway: sandbox.gateway.clone(),
                ..self.clone()
            },
            stdin: None,
            closing: sandbox.closing(),
        };
        let mut session = Session::of(begin, |live: &mut Live| goes_on(live, frozen)).await?;
        session.own = Some(Box::new(sandbox));
        Ok(session)
    }
}
