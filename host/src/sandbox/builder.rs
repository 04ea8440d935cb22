//! The settings of a sandbox.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::files::{DirAccess, Mount, Root};
use super::stdio::{Output, Stdin};
use super::{Sandbox, Settings};
use crate::egress::{EgressConfig, NameServers, Roots, TlsSettings, read_certificates};
use crate::policy::{Policy, Rule};
use crate::python::Engine;
use crate::runtime::{Amount, PackagesBuilder};
use crate::{Capability, Error, Script};

/// The default limit of a guest's memory.
const MEMORY: usize = 1 << 30;
/// The program that compiles packages, and the name of what it does for the cache.
const COMPILE: &str = include_str!("../../../shim/compile_packages.py");
const COMPILED: &str = "pyc-1";
/// Where the guest sees its packages.
pub(super) const PACKAGES: &str = "/packages";

/// Settings for [`Sandbox::builder`].
#[derive(Default)]
pub struct SandboxBuilder {
    engine: Option<Engine>,
    rules: Vec<String>,
    env: BTreeMap<String, String>,
    args: Vec<String>,
    dirs: Vec<(PathBuf, String, DirAccess)>,
    packages: Vec<String>,
    stdin: Stdin,
    stdout: Output,
    stderr: Output,
    memory: Option<usize>,
    time: Option<Duration>,
    roots: Vec<Vec<u8>>,
    dns_servers: Vec<SocketAddr>,
    request_deadline: Option<Duration>,
}

impl SandboxBuilder {
    /// The compiled interpreter; [`Engine::shared`] otherwise.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Allows what `rule` names: `HOST[:PORT]` or `SCHEME://HOST[:PORT]`. Without any rule the
    /// guest has no network at all: its component does not import `sandbox:net`.
    pub fn allow(mut self, rule: impl Into<String>) -> Self {
        self.rules.push(rule.into());
        self
    }

    /// Sets an environment variable of the guest, which sees none of the host's.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Adds one of the program's own arguments, `sys.argv[1:]`.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Shows the host's directory `host` to the guest as the absolute path `guest`.
    pub fn dir(
        mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: DirAccess,
    ) -> Self {
        self.dirs.push((host.into(), guest.into(), access));
        self
    }

    /// Adds a pure-Python package: a requirement, such as `requests` or `httpx>=0.28`, or the path
    /// of a wheel. It is fetched with the user's pip.
    pub fn with_package(mut self, requirement: impl Into<String>) -> Self {
        self.packages.push(requirement.into());
        self
    }

    /// What the guest reads as stdin; nothing otherwise.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Where the guest's stdout goes; it is captured otherwise.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = stdout;
        self
    }

    /// Where the guest's stderr goes; it is captured otherwise.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = stderr;
        self
    }

    /// The most memory that the guest may have, in bytes; 1 GiB otherwise. Beyond it Python raises
    /// `MemoryError`.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// The most wall-clock time that a run may take, waiting included; no limit otherwise.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time = Some(limit);
        self
    }

    /// Trusts the certificates in `pem` for https, beside the platform's own.
    pub fn trust_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Resolves names with these DNS servers instead of the system's resolver.
    pub fn dns_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.dns_servers.extend(servers);
        self
    }

    /// The most time from the start of a connection attempt, and of a request, to its end.
    pub fn request_deadline(mut self, deadline: Duration) -> Self {
        self.request_deadline = Some(deadline);
        self
    }

    /// Checks what can be checked without a runtime: rules, certificates, environment and
    /// directories. [`build`](Self::build) does it too; a caller who fetches a runtime first can
    /// tell a mistake before.
    ///
    /// # Errors
    ///
    /// The [`Error`] that `build` would give.
    pub fn check(&self) -> Result<(), Error> {
        self.rules()?;
        self.egress()?;
        for (name, value) in &self.env {
            super::check_env(name, value)?;
        }
        for (host, guest, _) in &self.dirs {
            directory(host, guest)?;
        }
        Ok(())
    }

    fn rules(&self) -> Result<Vec<Rule>, Error> {
        let rules = self.rules.iter().map(|rule| {
            rule.parse::<Rule>().map_err(|source| Error::Rule {
                rule: rule.clone(),
                source,
            })
        });
        rules.collect()
    }

    /// Makes the sandbox: checks the settings, and fetches what is missing.
    ///
    /// # Errors
    ///
    /// An [`Error`] for a setting that can't be enforced as it is written, or where a runtime or a
    /// package can't be had.
    pub async fn build(self) -> Result<Sandbox, Error> {
        self.check()?;
        let (rules, egress) = (self.rules()?, self.egress()?);
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::shared().await?,
        };
        let capability = match rules.is_empty() {
            true => Capability::None,
            false => Capability::Network,
        };
        let mut mounts = Vec::new();
        for (host, guest, access) in self.dirs {
            let mount = mount(&engine, &host, &guest, access)?;
            if mounts
                .iter()
                .any(|other: &Mount| other.guest == mount.guest)
            {
                return Err(Error::Directory {
                    path: mount.host,
                    why: format!("{} is taken by another directory", mount.guest),
                });
            }
            mounts.push(mount);
        }
        if !self.packages.is_empty() {
            mounts.push(packages(&engine, self.packages, capability).await?);
        }
        let mut env = self.env;
        for (name, value) in [("HOME", "/home"), ("TMPDIR", "/tmp")] {
            env.entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let settings = Settings {
            capability,
            policy: Policy::allow(rules),
            egress,
            env,
            args: self.args,
            mounts,
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
            memory: self.memory.unwrap_or(MEMORY),
            time: self.time,
        };
        let root = Root::new().map_err(Error::Files)?;
        Ok(Sandbox::new(engine, settings, root))
    }

    fn egress(&self) -> Result<EgressConfig, Error> {
        let mut authorities = Vec::new();
        for pem in &self.roots {
            authorities.extend(read_certificates(pem).map_err(Error::Certificate)?);
        }
        let tls = TlsSettings::new(Roots::Platform, authorities).map_err(Error::Certificate)?;
        let mut config = EgressConfig::new(tls);
        if !self.dns_servers.is_empty() {
            let servers = NameServers::new(self.dns_servers.iter().copied());
            config.resolver = Arc::new(servers.map_err(Error::NameServers)?);
        }
        if let Some(deadline) = self.request_deadline {
            config.request_deadline = deadline;
        }
        Ok(config)
    }
}

/// The host's directory without links, and the guest's path for it without a final slash.
fn directory(host: &Path, guest: &str) -> Result<(PathBuf, String), Error> {
    let fault = |why: &str| Error::Directory {
        path: host.to_path_buf(),
        why: why.to_owned(),
    };
    let found = host
        .canonicalize()
        .map_err(|error| fault(&error.to_string()))?;
    if !found.is_dir() {
        return Err(fault("it is not a directory"));
    }
    let plain = !guest.split('/').any(|part| part == ".." || part == ".");
    let trimmed = guest.trim_end_matches('/');
    if !guest.starts_with('/') || !plain || trimmed.is_empty() {
        let why = "the guest's path for it must be absolute, without `..`, and not `/`";
        return Err(fault(why));
    }
    Ok((found, trimmed.to_owned()))
}

fn mount(engine: &Engine, host: &Path, guest: &str, access: DirAccess) -> Result<Mount, Error> {
    let (found, guest) = directory(host, guest)?;
    let fault = |why: &str| Error::Directory {
        path: host.to_path_buf(),
        why: why.to_owned(),
    };
    for reserved in [engine.library().1, PACKAGES] {
        let (guest, reserved) = (Path::new(&guest), Path::new(reserved));
        if guest.starts_with(reserved) || reserved.starts_with(guest) {
            return Err(fault("the guest's path for it is the interpreter's own"));
        }
    }
    // A guest that could write there would choose the native code that the host runs next.
    let cache = engine.cache().root();
    let cache = cache.canonicalize().unwrap_or_else(|_| cache.to_path_buf());
    let reaches = cache.starts_with(&found) || found.starts_with(&cache);
    if access == DirAccess::ReadWrite && reaches {
        let why = "a directory with the cache of compiled code can't be writable";
        return Err(fault(why));
    }
    Ok(Mount {
        host: found,
        guest,
        access,
    })
}

async fn packages(
    engine: &Engine,
    requirements: Vec<String>,
    capability: Capability,
) -> Result<Mount, Error> {
    let engine = engine.clone();
    let made = tokio::task::spawn_blocking(move || {
        let progress = engine.progress();
        let compiled = |site: &Path| {
            let step = progress.start("compiling the packages", Amount::Unknown);
            let done = Handle::current().block_on(compile(&engine, capability, site));
            drop(step);
            done.map_err(Into::into)
        };
        let builder = PackagesBuilder::new(engine.manifest(), engine.cache())
            .progress(&*progress)
            .prepare(COMPILED, compiled);
        let builder = requirements
            .into_iter()
            .fold(builder, PackagesBuilder::with);
        builder.build()
    });
    let packages = made.await.map_err(|e| Error::Internal(e.to_string()))??;
    Ok(Mount {
        host: packages.site_packages,
        guest: PACKAGES.to_owned(),
        access: DirAccess::ReadOnly,
    })
}

/// Compiles the packages in `site`, in a sandbox without a network.
async fn compile(engine: &Engine, capability: Capability, site: &Path) -> Result<(), Error> {
    let settings = Settings {
        capability,
        policy: Policy::deny_all(),
        egress: SandboxBuilder::default().egress()?,
        env: BTreeMap::new(),
        args: Vec::new(),
        mounts: vec![Mount {
            host: site.to_path_buf(),
            guest: PACKAGES.to_owned(),
            access: DirAccess::ReadWrite,
        }],
        stdin: Stdin::Empty,
        stdout: Output::Capture,
        stderr: Output::Capture,
        memory: MEMORY,
        time: None,
    };
    let sandbox = Sandbox::new(engine.clone(), settings, Root::new().map_err(Error::Files)?);
    let outcome = sandbox.run(Script::code(COMPILE)).await?;
    match outcome.exit_code() {
        0 => Ok(()),
        _ => Err(Error::Packages(outcome.stderr_text().trim().to_owned())),
    }
}
