//! A confinement between its namespaces and its program.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::confined::Confined;
use super::confinement::Confinement;
use super::groups::Groups;
use super::helper_process::Helper;
use super::plan::Beginning;
use super::spawn_error::SpawnError;
use super::standard::check_stream;

impl Confinement {
    /// Starts a command: its name or path, and its arguments.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]. Nothing of the program has run then.
    pub fn spawn<A: Into<OsString>>(
        self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Confined, SpawnError> {
        self.prepare()?.spawn(command)
    }

    /// Makes the namespaces and the listeners in them, so that a broker can be started before the program. In the
    /// weaker confinement, the calling process leaves no dumps from here on, so that the program cannot look into it.
    ///
    /// # Errors
    ///
    /// The kernel refuses namespaces, or the helper cannot be started.
    pub fn prepare(self) -> Result<Prepared, SpawnError> {
        if self.weaker.is_some() {
            // Nothing but this keeps the program from the memory of the process that decides.
            set_dumpable_behavior(DumpableBehavior::NotDumpable)
                .map_err(|error| SpawnError::Helper(error.into()))?;
        }
        let groups = Groups::make(&self.limits);
        let beginning = Beginning {
            port: self.weaker.is_none().then_some(self.port),
            groups: groups.paths(),
        };
        let (helper, listeners) = Helper::start(self.helper.as_deref(), groups, &beginning)?;
        Ok(Prepared {
            confinement: self,
            helper,
            listeners,
        })
    }
}

/// A confinement whose namespaces are there, before its program is.
#[derive(Debug)]
pub struct Prepared {
    pub(super) confinement: Confinement,
    pub(super) helper: Helper,
    pub(super) listeners: Vec<TcpListener>,
}

impl Prepared {
    /// The listeners in the program's network namespace, which only it can reach: on `127.0.0.1` and, if the
    /// kernel has IPv6, on `::1`. They are given once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Whether this is the weaker confinement, without namespaces and listeners.
    #[must_use]
    pub fn is_weaker(&self) -> bool {
        self.confinement.weaker.is_some()
    }

    /// Changes what the program may have, except its port, its limits and the helper.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Confinement) -> Confinement) -> Self {
        self.confinement = change(self.confinement);
        self
    }

    /// Changes what the program may have, as [`with`](Self::with), by a change that can fail.
    ///
    /// # Errors
    ///
    /// That of the change.
    pub fn try_with<E>(
        mut self,
        change: impl FnOnce(Confinement) -> Result<Confinement, E>,
    ) -> Result<Self, E> {
        self.confinement = change(self.confinement)?;
        Ok(self)
    }

    /// Starts a command, as [`Confinement::spawn`] does.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]. Nothing of the program has run then.
    pub fn spawn<A: Into<OsString>>(
        self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Confined, SpawnError> {
        let Self {
            mut confinement,
            helper,
            listeners,
        } = self;
        let deadline = confinement.timeout.map(|time| Instant::now() + time);
        let [input, output, error] = std::mem::take(&mut confinement.standard);
        let own = SpawnError::Helper;
        let standard = [
            input.open(io::stdin().as_fd()).map_err(own)?,
            output.open(io::stdout().as_fd()).map_err(own)?,
            error.open(io::stderr().as_fd()).map_err(own)?,
        ];
        for (stream, name) in standard.iter().zip(["stdin", "stdout", "stderr"]) {
            check_stream(stream, name)?;
        }
        let mut command = command.into_iter().map(Into::into);
        let name = command.next().unwrap_or_default();
        let has_terminal = rustix::termios::isatty(&standard[0]);
        let grouped = helper.limits_memory();
        let plan = confinement.plan(&name, command.collect(), has_terminal, grouped)?;
        helper.run(&plan, &standard, &name)?;
        let shares = !plan.program.new_session;
        let confined = Confined::new(helper, listeners, deadline, confinement.weaker);
        Ok(confined.sharing_terminal(shares))
    }
}
