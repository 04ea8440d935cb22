//! A confinement between its namespaces and its program.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::confined::Confined;
use super::confinement::Confinement;
use super::helper_process::Helper;
use super::spawn_error::SpawnError;

/// Where one of a program's standard streams goes.
#[derive(Debug, Clone, Default)]
pub enum Standard {
    /// Where the caller's goes.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// To this descriptor.
    Descriptor(Arc<OwnedFd>),
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
        let mut command = command.into_iter().map(Into::into);
        let name = command.next().unwrap_or_default();
        let has_terminal = rustix::termios::isatty(&standard[0]);
        let grouped = helper.limits_memory();
        let plan = confinement.plan(&name, command.collect(), has_terminal, grouped)?;
        helper.run(&plan, &standard, &name)?;
        Ok(Confined::new(helper, listeners, deadline))
    }
}

impl Standard {
    fn open(self, inherited: impl AsFd) -> io::Result<OwnedFd> {
        match self {
            Self::Inherit => Ok(rustix::io::fcntl_dupfd_cloexec(inherited, 3)?),
            Self::Null => {
                let nothing = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?;
                Ok(nothing.into())
            }
            Self::Descriptor(descriptor) => Ok(rustix::io::fcntl_dupfd_cloexec(&*descriptor, 3)?),
        }
    }
}
