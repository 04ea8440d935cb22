//! Checks settings that name something of the host against the directories that a guest may write to.

mod programs;

use std::path::PathBuf;

use super::SandboxBuilder;
use crate::error::Error;
use crate::exposure::{self, Writable};
use crate::files::DirAccess;
use crate::mounts::directory;
use sandbox_net_policy::{Secret, SecretSource};
use sandbox_net_python::packages::wheel_path;
use sandbox_net_python::pip::PIP_VARIABLE;

impl SandboxBuilder {
    /// Refuses directories in which a guest could replace what the host looks up by name.
    pub(super) fn check_directories(&self, writable: &[Writable]) -> Result<(), Error> {
        if writable.is_empty() {
            return Ok(());
        }
        for (host, guest, _) in &self.dirs {
            let (_, guest) = directory(host, guest)?;
            exposure::check_mount(writable, host, &guest)?;
        }
        for (path, what) in &self.protected {
            exposure::check(writable, path, what)?;
        }
        for (path, what) in self.looked_up() {
            exposure::check(writable, &path, what)?;
        }
        match self.needs_pip() {
            true => programs::check_pip(writable),
            false => Ok(()),
        }
    }

    /// Whether pip is run or is named. A named pip that could be replaced is refused even without
    /// packages.
    fn needs_pip(&self) -> bool {
        let is_named = std::env::var_os(PIP_VARIABLE).is_some_and(|it| !it.is_empty());
        is_named || !self.packages.is_empty()
    }

    /// The directories that the guest may write to.
    pub(super) fn writable(&self) -> Result<Vec<Writable>, Error> {
        let mut writable = Vec::new();
        for (host, guest, access) in &self.dirs {
            let (path, guest) = directory(host, guest)?;
            if *access == DirAccess::ReadWrite {
                writable.push(Writable::new(host, path, &guest));
            }
        }
        Ok(writable)
    }

    /// What the host looks up by name, now or for a later sandbox like this one, and what messages call
    /// it. What secrets name is not included: the policy has it.
    fn looked_up(&self) -> Vec<(PathBuf, &'static str)> {
        let named = |paths: &[PathBuf], what| {
            let named = paths.iter().map(|path| (path.clone(), what));
            named.collect::<Vec<_>>()
        };
        let mut paths = named(&self.audit_files, "the audit log");
        paths.extend(named(self.policy_file.as_slice(), "the policy"));
        let wheels: Vec<_> = self
            .packages
            .iter()
            .filter_map(|text| wheel_path(text))
            .collect();
        paths.extend(named(&wheels, "the wheel"));
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            paths.extend(std::env::var_os(variable).map(|path| (path.into(), variable)));
        }
        // It contains the sandbox's own files.
        paths.push((std::env::temp_dir(), "the temporary directory"));
        paths
    }
}

/// Refuses files and commands of secrets where a guest could replace what they name.
pub(super) fn check_secrets(writable: &[Writable], secrets: &[Secret]) -> Result<(), Error> {
    let mut secrets = secrets.iter();
    secrets.try_for_each(|secret| check_source(writable, &secret.name, &secret.source))
}

/// Refuses such a source of the secret called `name`.
pub(crate) fn check_source(
    writable: &[Writable],
    name: &str,
    source: &SecretSource,
) -> Result<(), Error> {
    if writable.is_empty() {
        return Ok(());
    }
    match source {
        // They name nothing of the host's files.
        SecretSource::Env(_) | SecretSource::Value(_) | SecretSource::Callback(_) => Ok(()),
        SecretSource::File(path) => {
            exposure::check(writable, path, &format!("the file of the secret '{name}'"))
        }
        SecretSource::Command(words) => programs::check_command(writable, words, name),
    }
}
