//! Directories of the host, and packages, as the guest sees them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Handle;

use super::builder::MEMORY;
use super::exposure::{self, Writable};
use super::files::DirAccess;
use super::network::Network;
use super::root::Root;
use super::script_file::SCRIPTS;
use super::stdio::{Destination, Stdin};
use super::{Exit, Sandbox, SandboxBuilder, Settings};
use crate::disk::DiskLimits;
use crate::engine::{Engine, Preopen};
use crate::error::Error;
use crate::sandbox::Script;
use sandbox_net_process::TimeBox;
use sandbox_net_python::{Amount, COMPILE_PACKAGES, Capability, PackagesBuilder};

/// The name of what compiling packages does, for the cache.
const COMPILED: &str = "pyc-1";
/// Where the guest sees its packages.
const PACKAGES: &str = "/packages";
/// How much longer than its limit the preparation of packages is waited for.
const STUCK: Duration = Duration::from_secs(5);

/// The host's directory without links, and the guest's path for it without a final slash.
pub(super) fn directory(host: &Path, guest: &str) -> Result<(PathBuf, String), Error> {
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
    let is_printable = !guest.contains(char::is_control);
    if !guest.starts_with('/') || !plain || trimmed.is_empty() || !is_printable {
        let why = "the guest's path for it must be absolute, without `..` and control characters, \
                   and not `/`";
        return Err(fault(why));
    }
    for (reserved, holds) in [(PACKAGES, "packages"), (SCRIPTS, "script")] {
        if overlaps(trimmed, reserved) {
            return Err(fault(&format!(
                "the guest has its {holds} at {reserved}: choose another path for it, such as /data"
            )));
        }
    }
    Ok((found, trimmed.to_owned()))
}

/// Whether one of two paths of the guest lies in the other.
fn overlaps(one: &str, other: &str) -> bool {
    let (one, other) = (Path::new(one), Path::new(other));
    one.starts_with(other) || other.starts_with(one)
}

/// Refuses a cache that a guest may write to: it would choose the native code that the host runs next.
pub(super) fn check_cache(writable: &[Writable], engine: &Engine) -> Result<(), Error> {
    exposure::check(
        writable,
        engine.cache().root(),
        "the cache of compiled code",
    )
}

pub(super) fn mount(
    engine: &Engine,
    host: &Path,
    guest: &str,
    access: DirAccess,
) -> Result<Preopen, Error> {
    let (found, guest) = directory(host, guest)?;
    let fault = |why: &str| Error::Directory {
        path: host.to_path_buf(),
        why: why.to_owned(),
    };
    if overlaps(&guest, engine.library().1) {
        return Err(fault("the guest's path for it is the interpreter's own"));
    }
    let cache = engine.cache().root();
    let cache = cache.canonicalize().unwrap_or_else(|_| cache.to_path_buf());
    if access == DirAccess::ReadWrite && found.starts_with(&cache) {
        let why = "a directory within the cache of compiled code can't be writable: mount a copy";
        return Err(fault(why));
    }
    open(&found, guest, access)
}

/// The interpreter's own library.
pub(super) fn library(engine: &Engine) -> Result<Preopen, Error> {
    let (host, guest) = engine.library();
    open(host, guest, DirAccess::ReadOnly)
}

/// Opens a directory once, for every run of the sandbox and of its forks.
fn open(host: &Path, guest: impl Into<String>, access: DirAccess) -> Result<Preopen, Error> {
    Preopen::open(host, guest, access.perms()).map_err(|error| Error::Directory {
        path: host.to_path_buf(),
        why: error.to_string(),
    })
}

pub(super) async fn packages(
    engine: &Engine,
    requirements: Vec<String>,
    capability: Capability,
    limit: Duration,
) -> Result<Preopen, Error> {
    // The interpreter that compiles them has a limit of its own.
    engine.interpreter(capability).await?;
    let engine = engine.clone();
    let within = TimeBox::new(limit);
    // Where nobody waits for the packages any more, pip is killed.
    let waiting = within.waiting();
    let made = tokio::task::spawn_blocking(move || {
        let progress = engine.progress();
        let compiled = |site: &Path| {
            let step = progress.start("compiling the packages", Amount::Unknown);
            let done = Handle::current().block_on(compile(&engine, capability, site, &within));
            drop(step);
            done.map_err(Into::into)
        };
        let builder = PackagesBuilder::new(engine.manifest(), engine.cache())
            .progress(&*progress)
            .within(&within)
            .prepare(COMPILED, compiled);
        let builder = requirements
            .into_iter()
            .fold(builder, PackagesBuilder::with);
        builder.build()
    });
    // Each step ends itself and says which it was; one that is stuck in the file system cannot.
    let made = tokio::time::timeout(limit.saturating_add(STUCK), made).await;
    let made =
        made.map_err(|_| sandbox_net_python::Error::too_long("preparing the packages", limit))?;
    let packages = made.map_err(|e| Error::Internal(e.to_string()))??;
    drop(waiting);
    open(&packages.site_packages, PACKAGES, DirAccess::ReadOnly)
}

/// Compiles the packages in `site`, in a sandbox without a network.
async fn compile(
    engine: &Engine,
    capability: Capability,
    site: &Path,
    within: &TimeBox,
) -> Result<(), Error> {
    let settings = Settings {
        capability,
        network: Network::none(SandboxBuilder::default().egress()?),
        env: BTreeMap::new(),
        args: Vec::new(),
        mounts: vec![
            library(engine)?,
            open(site, PACKAGES, DirAccess::ReadWrite)?,
        ],
        // It runs nothing but what is ours.
        writable: Vec::new(),
        stdin: Stdin::Empty,
        stdout: Destination::Capture,
        stderr: Destination::Capture,
        memory: MEMORY,
        time: Some(within.left()),
        deadline: None,
    };
    let root = Root::new(DiskLimits::default()).map_err(Error::Files)?;
    let sandbox = Sandbox::new(engine.clone(), settings, root);
    let outcome = sandbox.run(Script::code(COMPILE_PACKAGES)).await?;
    match outcome.exit {
        Exit::Code(0) => Ok(()),
        Exit::TimeLimit => {
            let what = "compiling the packages for Python";
            Err(sandbox_net_python::Error::too_long(what, within.limit()).into())
        }
        _ => Err(Error::Packages(outcome.stderr_text().trim().to_owned())),
    }
}
