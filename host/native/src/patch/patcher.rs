//! The patcher of one interpreter.

use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::PatchError;
use super::files::PACKAGE;
use super::install::{self, Installed};
use super::interpreter::Interpreter;
use super::remove::{self, Removed};
use super::report::Report;
use super::{verify, wrapper};

/// Installs the patch for one interpreter, tests it, and takes it away.
///
/// ```
/// use std::process::Command;
///
/// use sandbox_net_native::patch::{Patcher, State};
///
/// let folder = tempfile::tempdir()?;
/// let mut venv = Command::new("python3");
/// let made = venv.args(["-m", "venv", "--without-pip"]).arg(folder.path()).status();
/// if !made.is_ok_and(|made| made.success()) {
///     return Ok(()); // This machine has no Python.
/// }
///
/// let patcher = Patcher::new(folder.path().join("bin/python"))?;
/// patcher.install()?;
/// // The routing works; whether a broker is there is an item of its own.
/// let report = patcher.verify();
/// assert_eq!(report.item("asyncio").unwrap().state, State::Routed);
/// patcher.uninstall()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Patcher {
    python: PathBuf,
    interpreter: Interpreter,
    for_user: bool,
    environment: Environment,
}

impl Patcher {
    /// Runs `python`, a path or a name in `PATH`, to learn where its packages are.
    ///
    /// # Errors
    ///
    /// It cannot be run, or it is no Python from 3.6 on.
    pub fn new(python: impl AsRef<Path>) -> Result<Patcher, PatchError> {
        let python = python.as_ref().to_path_buf();
        let interpreter = Interpreter::ask(&python)?;
        Ok(Patcher {
            python,
            interpreter,
            for_user: false,
            environment: Environment::default(),
        })
    }

    /// Installs in the user's own folder of packages, for interpreters that others own.
    pub fn for_user(mut self, for_user: bool) -> Patcher {
        self.for_user = for_user;
        self
    }

    /// Sets a variable for [`Patcher::verify`] and [`Patcher::write_wrapper`], which otherwise see those of
    /// this process. An empty value unsets it for them.
    pub fn variable(mut self, name: &str, value: &str) -> Patcher {
        self.environment.set(name, value);
        self
    }

    /// Puts the patch in place. Where this very patch is, nothing is changed; another version is replaced.
    ///
    /// # Errors
    ///
    /// The folder cannot be written, files were changed since an earlier installation, or the interpreter
    /// does not run the patch. Nothing is changed then.
    pub fn install(&self) -> Result<Installed, PatchError> {
        install::install(&self.interpreter, &self.folder()?)
    }

    /// Tests what the interpreter routes, in the environment of the caller.
    ///
    /// It never fails as a whole: what does not work is an item of the report.
    pub fn verify(&self) -> Report {
        verify::verify(
            &self.python,
            &self.interpreter,
            &self.installed_in(),
            &self.environment,
        )
    }

    /// Takes a whole installation away, and leaves every file as it was before.
    ///
    /// # Errors
    ///
    /// Files were changed since, or some are missing. Nothing is changed then.
    pub fn uninstall(&self) -> Result<Removed, PatchError> {
        remove::remove(&self.installed_in(), true)
    }

    /// As [`Patcher::uninstall`], also of an installation that is not whole.
    ///
    /// # Errors
    ///
    /// Files were changed since. Nothing is changed then.
    pub fn restore(&self) -> Result<Removed, PatchError> {
        remove::remove(&self.installed_in(), false)
    }

    /// Writes an executable that runs the interpreter with the broker's environment of the caller. It is for
    /// its owner alone, because it holds the broker's token if `SANDBOX_NET_BROKER_TOKEN` is set.
    ///
    /// # Errors
    ///
    /// `out` is another file than such a wrapper, or cannot be written.
    pub fn write_wrapper(&self, out: &Path) -> Result<(), PatchError> {
        wrapper::write(&self.interpreter.executable, out, &self.environment)
    }

    fn folder(&self) -> Result<PathBuf, PatchError> {
        if !self.for_user {
            return Ok(self.interpreter.site_packages.clone());
        }
        let enabled = self
            .interpreter
            .user_site
            .clone()
            .filter(|_| self.interpreter.user_site_enabled);
        enabled.ok_or_else(|| PatchError::NoUserSite {
            python: self.python.clone(),
        })
    }

    /// The folder that has the patch: the user's own where only that one has it.
    fn installed_in(&self) -> PathBuf {
        let general = &self.interpreter.site_packages;
        let own = self
            .interpreter
            .user_site
            .as_ref()
            .filter(|own| own.join(PACKAGE).exists());
        match own {
            Some(own) if self.for_user || !general.join(PACKAGE).exists() => own.clone(),
            _ => general.clone(),
        }
    }
}
