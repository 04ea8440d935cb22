//! The builder: all settings of a sandbox.

mod debug;
mod decided;
mod exposed;
mod limits;
mod network;
mod snapshots;

pub(crate) use exposed::check_source;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::capture::CAPTURE_LIMIT;
use crate::checks;
use crate::compile::PreparedPackages;
use crate::disk::DiskLimits;
use crate::engine::Engine;
use crate::error::Error;
use crate::exposure::Writable;
use crate::files::DirAccess;
use crate::guest::MEMORY;
use crate::mounts::{check_cache, mount};
use crate::root::Root;
use crate::runtime;
use crate::sandbox::{Sandbox, Settings};
use crate::snapshot::Snapshot;
use crate::stdio::{Destination, Input, Output, Stdin, is_inherited};
use crate::variables;
use sandbox_net_egress::EgressConfig;
use sandbox_net_gateway::audit::{AuditPlaces, AuditSink};
use sandbox_net_gateway::secrets::Vault;
use sandbox_net_gateway::{DecisionHook, SharedHook};
use sandbox_net_policy::{Document, Policy, Secret};
use sandbox_net_python::Capability;

/// How long a hook may take for one answer by default.
const HOOK_DEADLINE: Duration = Duration::from_secs(30);

/// Settings for [`Sandbox::builder`].
#[derive(Default)]
pub struct SandboxBuilder {
    engine: Option<Engine>,
    name: String,
    document: Document,
    policy_file: Option<PathBuf>,
    allow: Vec<String>,
    deny: Vec<String>,
    ask: Vec<String>,
    tls_grants: Vec<String>,
    field_grants: Vec<String>,
    secrets: Vec<Secret>,
    narrowing: Vec<Policy>,
    hook: Option<SharedHook>,
    hook_deadline: Option<Duration>,
    audit_files: Vec<PathBuf>,
    audit_sinks: Vec<Arc<dyn AuditSink>>,
    audit_places: AuditPlaces,
    audit_queries: bool,
    env: BTreeMap<String, String>,
    args: Vec<String>,
    dirs: Vec<(PathBuf, String, DirAccess)>,
    protected: Vec<(PathBuf, String)>,
    packages: Vec<String>,
    stdin: Stdin,
    stdout: Output,
    stderr: Output,
    memory: Option<usize>,
    host_memory: Option<u64>,
    disk: Option<u64>,
    time: Option<Duration>,
    cpu: Option<Duration>,
    captured: Option<usize>,
    deadline: Option<Instant>,
    preparation: Option<Duration>,
    /// The packages, after they were prepared.
    prepared: Option<PreparedPackages>,
    snapshot: Option<Snapshot>,
    imports_nothing: bool,
    roots: Vec<Vec<u8>>,
    dns_servers: Option<Vec<SocketAddr>>,
    request_deadline: Option<Duration>,
}

/// What a builder's settings make, once they are checked.
struct Checked {
    writable: Vec<Writable>,
    policy: Policy,
    egress: EgressConfig,
}

impl Sandbox {
    /// Starts with the default settings.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }
}

impl SandboxBuilder {
    /// Sets the compiled interpreter. Defaults to [`Engine::shared`].
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Names the sandbox in its audit log and for its hook. Without a name, or with an empty one,
    /// it gets a number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Allows what `rule` matches: `[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]`, see
    /// [`Rule`](crate::policy::Rule). If nothing is allowed the guest has no network at all: its
    /// component does not import `sandbox:net`.
    pub fn allow(mut self, rule: impl Into<String>) -> Self {
        self.allow.push(rule.into());
        self
    }

    /// Denies what `rule` matches, even if other rules allow it.
    pub fn deny(mut self, rule: impl Into<String>) -> Self {
        self.deny.push(rule.into());
        self
    }

    /// Lets the hook decide what `rule` matches, unless a narrower rule allows it. If neither of two
    /// matching rules is narrower, the hook is asked.
    pub fn ask(mut self, rule: impl Into<String>) -> Self {
        self.ask.push(rule.into());
        self
    }

    /// Lets the program choose TLS settings itself: `SETTING[,SETTING…] RULE`, such as
    /// `own_roots https://*.internal.example:8443`, see [`TlsGrants`](sandbox_net_policy::TlsGrants).
    /// A grant allows no connection.
    pub fn tls_grant(mut self, grant: impl Into<String>) -> Self {
        self.tls_grants.push(grant.into());
        self
    }

    /// Lets the program send fields that override method, path or host: `NAME[,NAME…] RULE`, such as
    /// `x-http-method-override https://api.example.com`, see
    /// [`FieldGrants`](sandbox_net_policy::FieldGrants). Without a grant they are refused if a rule for
    /// the host names a method or a path. A grant allows no request.
    pub fn field_grant(mut self, grant: impl Into<String>) -> Self {
        self.field_grants.push(grant.into());
        self
    }

    /// Sets the policy. [`allow`](Self::allow), [`deny`](Self::deny), [`ask`](Self::ask),
    /// [`tls_grant`](Self::tls_grant), [`field_grant`](Self::field_grant) and [`secret`](Self::secret)
    /// add to it. It replaces an earlier one.
    pub fn policy(mut self, document: Document) -> Self {
        self.document = document;
        self.policy_file = None;
        self
    }

    /// Reads the policy from this file; otherwise like [`policy`](Self::policy).
    pub fn policy_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.policy_file = Some(path.into());
        self
    }

    /// Allows only what `policy` allows too, such as the policy of a customer or an organisation.
    pub fn intersect(mut self, policy: Policy) -> Self {
        self.narrowing.push(policy);
        self
    }

    /// Asks `hook` about every request that the policy does not deny. It replaces an earlier one.
    /// With a policy that allows nothing and asks about nothing it is an error, because the hook
    /// would never be asked.
    pub fn hook(mut self, hook: impl DecisionHook + 'static) -> Self {
        self.hook = Some(SharedHook::new(hook));
        self
    }

    /// Limits the time of the hook for one answer; without an answer in time the request is denied.
    /// Defaults to 30 seconds. Zero is an error, and so is a deadline without a hook.
    pub fn hook_deadline(mut self, deadline: Duration) -> Self {
        self.hook_deadline = Some(deadline);
        self
    }

    /// Appends the audit log to this file, as JSON lines.
    pub fn audit_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit_files.push(path.into());
        self
    }

    /// Gives the lines of the audit log to `sink`. If the guest's output goes to the same place, as with
    /// [`AuditStderr`](sandbox_net_gateway::AuditStderr) and an inherited stderr, [`build`](Self::build)
    /// fails: the guest could forge lines. It cannot tell where an [`Output::Writer`](crate::Output::Writer)
    /// or a sink of another type writes to.
    pub fn audit_sink(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit_places.add(&sink);
        self.audit_sinks.push(Arc::new(sink));
        self
    }

    /// Records URLs with their queries, in the audit log and in the [`Outcome`](crate::Outcome).
    /// Queries may contain credentials.
    pub fn audit_queries(mut self) -> Self {
        self.audit_queries = true;
        self
    }

    /// Sets an environment variable of the guest, which sees no variable of the host. If a name is
    /// set again, the last value counts.
    ///
    /// The interpreter was started long before a run and no longer reads variables of its own. Those
    /// that would change what a program does, such as `PYTHONHASHSEED` and `PYTHONPATH`, are errors.
    /// `PYTHONUNBUFFERED` works as natively. `PYTHONDONTWRITEBYTECODE` and the like have no effect.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Adds an argument of the program, `sys.argv[1:]`.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Mounts the host's directory `host` at the absolute path `guest` of the guest.
    ///
    /// The directory is opened once, when the sandbox is built. Every run, [`Sandbox::read_file`],
    /// [`Sandbox::write_file`] and every fork uses that same directory, even if another one has its name
    /// by then.
    ///
    /// A guest decides where the names in a directory that it may write to lead. So
    /// [`check`](Self::check) and [`build`](Self::build) refuse, with [`Error::Exposed`], a writable
    /// directory that contains anything the host looks up by name: another mounted directory, whatever
    /// [`protect`](Self::protect) names, the files of the policy and the audit log, files of secrets,
    /// their commands (the program, wherever in `PATH` it is searched for, the files that the arguments
    /// name, the working directory), wheels, the pip that fetches packages, the platform's certificates
    /// if `SSL_CERT_FILE` or `SSL_CERT_DIR` names them, the temporary directory, and the cache.
    /// [`Sandbox::run`] refuses a script in such a directory.
    ///
    /// Not detected: other hard links to such files in the directory, and a directory that another
    /// sandbox's guest may write to. Until this sandbox is built, that guest decides what the names
    /// mean.
    pub fn dir(
        mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: DirAccess,
    ) -> Self {
        self.dirs.push((host.into(), guest.into(), access));
        self
    }

    /// Refuses a writable directory that contains `path`, or through which it is reached: the guest could
    /// replace the file or redirect the path. Use it for files that are read or written on behalf of this
    /// sandbox, now or before a later run, and that the builder doesn't know. Messages call the path
    /// `what`, such as `--ca`.
    pub fn protect(mut self, path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        self.protected.push((path.into(), what.into()));
        self
    }

    /// Adds a pure-Python package: a requirement, such as `requests` or `httpx>=0.28`, or the path
    /// of a wheel. The user's pip fetches it.
    pub fn with_package(mut self, requirement: impl Into<String>) -> Self {
        self.packages.push(requirement.into());
        self.prepared = None;
        self
    }

    /// Sets the guest's stdin. Defaults to nothing.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets where the guest's stdout goes. Defaults to capturing it.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = stdout;
        self
    }

    /// Sets where the guest's stderr goes. Defaults to capturing it.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = stderr;
        self
    }

    /// Trusts the certificates in `pem` for https, in addition to the platform's own.
    pub fn trust_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Resolves names with these DNS servers, in this order, instead of the system's resolver.
    pub fn dns_servers(mut self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.dns_servers.get_or_insert_default().extend(servers);
        self
    }

    /// Checks what can be checked without a distribution: rules, certificates, environment, and mounted
    /// directories with what they contain. [`build`](Self::build) does it too; a caller who fetches a
    /// distribution first can report a mistake earlier.
    ///
    /// # Errors
    ///
    /// The [`Error`] that `build` would return.
    pub fn check(&self) -> Result<(), Error> {
        self.checked().map(drop)
    }

    /// Checks the settings; returns what was computed for that.
    fn checked(&self) -> Result<Checked, Error> {
        // Before anything else: a file that a guest could have replaced isn't even read.
        let writable = self.writable()?;
        self.check_directories(&writable)?;
        let policy = self.effective_policy()?;
        checks::hook(self.hook.is_some(), self.hook_deadline, &policy)?;
        checks::name(&self.name)?;
        checks::memory(self.memory)?;
        checks::time("time limit", self.time, "omit it for no limit")?;
        checks::time(
            "CPU limit",
            self.cpu,
            "no program computes in no time; leave it out for no limit",
        )?;
        checks::time(
            "request deadline",
            self.request_deadline,
            "omit it for the default",
        )?;
        checks::time(
            "preparation limit",
            self.preparation,
            "omit it for 30 minutes",
        )?;
        checks::host_memory(self.host_memory)?;
        checks::name_servers(self.dns_servers.as_deref())?;
        checks::arguments(&self.args)?;
        checks::environment(&self.env)?;
        self.check_audit(&self.audit_places)?;
        exposed::check_secrets(&writable, policy.secrets())?;
        Vault::check(policy.secrets())?;
        let egress = self.egress()?;
        let secrets = policy.secrets().iter();
        let placeholders = secrets.map(|secret| (secret.env.as_str(), "a placeholder"));
        let own = self.env.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.chain(placeholders) {
            variables::check(name, value)?;
        }
        Ok(Checked {
            writable,
            policy,
            egress,
        })
    }

    /// Refuses an audit log that the guest itself would write to.
    fn check_audit(&self, places: &AuditPlaces) -> Result<(), Error> {
        checks::audit(
            places,
            is_inherited(&self.stdout),
            is_inherited(&self.stderr),
        )
    }

    /// Fetches and compiles what is missing: the interpreter, and the packages that were added.
    /// This is the slow part; without this call, [`build`](Self::build) and the first run do it.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends pip; compiling goes on, and the next call finds it done.
    pub async fn prepare(mut self) -> Result<Self, Error> {
        let Checked {
            writable, policy, ..
        } = self.checked()?;
        runtime::check()?;
        let engine = self.chosen_engine().await?;
        // Check before any code from the cache is loaded.
        check_cache(&writable, &engine)?;
        let capability = capability(&policy);
        engine.interpreter(capability).await?;
        self.prepared = self.prepare_packages(&engine, capability).await?;
        // It is in the cache afterwards.
        self.image(&engine, self.prepared.as_ref(), capability)
            .await?;
        self.engine = Some(engine);
        Ok(self)
    }

    /// Makes the sandbox: checks the settings, and fetches what is missing.
    ///
    /// # Errors
    ///
    /// An [`Error`] if a setting can't be enforced as it is written, or a distribution or a package
    /// can't be fetched; [`Error::Runtime`] without a tokio runtime that has timers and sockets.
    ///
    /// Cancel safe as [`prepare`](Self::prepare): commands of secrets end too, and nothing is left.
    pub async fn build(self) -> Result<Sandbox, Error> {
        let Checked {
            writable,
            policy,
            egress,
        } = self.checked()?;
        runtime::check()?;
        let (mut network, places) = self.network(policy, egress).await?;
        let engine = self.chosen_engine().await?;
        check_cache(&writable, &engine)?;
        let place = engine.place()?;
        network.egress.total_host_memory = Some(engine.host_memory().clone());
        let capability = capability(&network.policy);
        runtime::check_for(capability)?;
        let prepared = self.prepare_packages(&engine, capability).await?;
        let image = self.image(&engine, prepared.as_ref(), capability).await?;
        let packages = match &self.snapshot {
            Some(snapshot) => snapshot.packages().cloned(),
            None => prepared.map(|prepared| prepared.mounted),
        };
        let mut mounts = vec![engine.library_mount()?];
        for (host, guest, access) in self.dirs {
            let mount = mount(&engine, &host, &guest, access)?;
            if mounts.iter().any(|other| other.guest() == mount.guest()) {
                return Err(Error::Directory {
                    path: host,
                    why: format!("{} is taken by another directory", mount.guest()),
                });
            }
            mounts.push(mount);
        }
        mounts.extend(packages);
        let mut env = self.env;
        for (name, value) in [("HOME", "/home"), ("TMPDIR", "/tmp")] {
            env.entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let settings = Settings {
            capability,
            network,
            image,
            env,
            args: self.args,
            mounts,
            writable,
            has_inherited: [&self.stdout, &self.stderr].map(is_inherited),
            places,
            stdin: Input::new(self.stdin),
            stdout: Destination::stdout(self.stdout),
            stderr: Destination::stderr(self.stderr),
            captured: self.captured.unwrap_or(CAPTURE_LIMIT),
            memory: self.memory.unwrap_or(MEMORY),
            time: self.time,
            cpu: self.cpu,
            deadline: self.deadline,
        };
        let limits = self
            .disk
            .map_or_else(DiskLimits::default, DiskLimits::of_bytes);
        let root = Root::new(limits).map_err(Error::Files)?;
        Ok(Sandbox::new(engine, settings, root.holding(place)))
    }
}

/// Without a rule the guest gets no network.
fn capability(policy: &Policy) -> Capability {
    match policy.denies_everything() {
        true => Capability::None,
        false => Capability::Network,
    }
}
