//! Prepares packages: `sandbox-net-python` resolves and unpacks them, a separate interpreter
//! compiles them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net_gateway::{AuditLog, Gateway};
use sandbox_net_policy::Policy;
use sandbox_net_process::TimeBox;
use sandbox_net_python::packages::ResolvedWheel;
use sandbox_net_python::{Amount, COMPILE_PACKAGES, Capability, Packages, PackagesBuilder};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::capture::{CAPTURE_LIMIT, Capture};
use crate::disk::DiskLimits;
use crate::engine::{Engine, Preopen};
use crate::error::Error;
use crate::files::DirAccess;
use crate::guest::{Guest, MEMORY};
use crate::mounts::{self, PACKAGES, open};
use crate::root::Root;
use crate::runtime;
use crate::script::Exit;
use crate::stdio::{InputSource, Sink};

/// Names the way of compiling packages in the cache's keys.
const COMPILED: &str = "pyc-1";
/// How long after its limit the preparation of packages is given up.
const STUCK: Duration = Duration::from_secs(5);

/// Packages that are ready.
#[derive(Clone)]
pub(crate) struct PreparedPackages {
    pub(crate) mounted: Preopen,
    pub(crate) wheels: Vec<ResolvedWheel>,
    /// The host's directory with them.
    pub(crate) site: PathBuf,
}

impl PreparedPackages {
    fn open(packages: Packages) -> Result<Self, Error> {
        Ok(Self {
            mounted: mounts::of_cache(&packages.site_packages, PACKAGES)?,
            wheels: packages.wheels,
            site: packages.site_packages,
        })
    }
}

/// These very wheels, if the cache has them ready.
pub(crate) async fn packages_in_cache(
    engine: &Engine,
    wheels: &[ResolvedWheel],
) -> Result<Option<PreparedPackages>, Error> {
    let (engine, wheels) = (engine.clone(), wheels.to_vec());
    let found = tokio::task::spawn_blocking(move || {
        let found = Packages::in_cache(engine.cache(), &wheels, COMPILED)?;
        found.map(PreparedPackages::open).transpose()
    });
    found.await.map_err(|e| runtime::unfinished(&e))?
}

pub(crate) async fn packages(
    engine: &Engine,
    requirements: Vec<String>,
    capability: Capability,
    limit: Duration,
) -> Result<PreparedPackages, Error> {
    // The interpreter that compiles them has a limit of its own.
    engine.interpreter(capability).await?;
    let engine = engine.clone();
    let within = TimeBox::new(limit);
    // If the caller stops waiting for the packages, pip is killed.
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
    // Each step ends by itself at the limit and names itself in the error; one that is stuck in the
    // file system cannot.
    let made = tokio::time::timeout(limit.saturating_add(STUCK), made).await;
    let made =
        made.map_err(|_| sandbox_net_python::Error::too_long("preparing the packages", limit))?;
    let packages = made.map_err(|e| runtime::unfinished(&e))??;
    drop(waiting);
    PreparedPackages::open(packages)
}

/// Compiles the packages in `site`, by an interpreter without a network.
async fn compile(
    engine: &Engine,
    capability: Capability,
    site: &Path,
    within: &TimeBox,
) -> Result<(), Error> {
    let root = Root::new(DiskLimits::default()).map_err(Error::Files)?;
    let gateway = nowhere()?;
    let memory = gateway.memory();
    let output = || Sink::Capture(Capture::new(memory, CAPTURE_LIMIT));
    let stderr = output();
    let guest = Guest {
        engine: engine.clone(),
        interpreter: engine.interpreter(capability).await?.clone(),
        args: ["python", "-c", COMPILE_PACKAGES].map(str::to_owned).into(),
        env: BTreeMap::new(),
        stdin: InputSource::Empty,
        preopens: vec![
            root.files().clone(),
            engine.library_mount()?,
            open(site, PACKAGES, DirAccess::ReadWrite)?,
        ],
        gateway: gateway.clone(),
        memory: MEMORY,
        cpu: None,
    };
    let ended = guest
        .run(
            (output(), stderr.clone()),
            Instant::now().checked_add(within.left()),
            &CancellationToken::new(),
        )
        .await?;
    match ended.exit {
        Exit::Code(0) => Ok(()),
        Exit::TimeLimit => {
            let what = "compiling the packages for Python";
            Err(sandbox_net_python::Error::too_long(what, within.limit()).into())
        }
        _ => {
            let (said, _) = stderr.end(Duration::ZERO).await;
            let said = String::from_utf8_lossy(&said);
            Err(Error::Packages(said.trim().to_owned()))
        }
    }
}

/// A gateway that allows nothing.
pub(crate) fn nowhere() -> Result<Gateway, Error> {
    let tls = TlsConfig::new(Roots::Bundled, []).map_err(Error::Certificate)?;
    let config = EgressConfig::new(tls);
    Ok(Gateway::new(Policy::deny_all(), config, AuditLog::new()))
}
