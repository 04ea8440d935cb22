//! A sandbox: an interpreter with files, an environment, a policy and limits of its own.

mod contents;
mod sessions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sandbox_net_egress::account::HostMemory;
use sandbox_net_gateway::Gateway;
use sandbox_net_gateway::audit::AuditPlaces;
use sandbox_net_python::{Capability, Image};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::capture::CAPTURE_LIMIT;
use crate::engine::{Engine, Interpreter, Preopen};
use crate::error::Error;
use crate::exposure::{self, Writable};
use crate::guest::{Guest, MEMORY, before};
use crate::network::Network;
use crate::root::Root;
use crate::run::{Keeps, Run, Started, Streams};
use crate::run_options::{RunOptions, UNBUFFERED};
use crate::runtime;
use crate::script::{Outcome, Script, Source};
use crate::script_file::ScriptFile;
use crate::session::ForkOptions;
use crate::stdio::{Destination, Input, InputSource, Output, Sink, is_inherited};
use crate::{checks, variables};

/// An interpreter with files, an environment, a policy and limits of its own.
///
/// Each run is a fresh interpreter; files and environment stay from run to run. What is kept on
/// disk is removed when the sandbox is dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), sandbox_net::Error> {
/// use sandbox_net::{Sandbox, Script};
///
/// let sandbox = Sandbox::builder()
///     .allow("https://api.example.com")
///     .with_package("requests")
///     .build()
///     .await?;
/// let code = "import requests; print(requests.get('https://api.example.com/').status_code)";
/// let outcome = sandbox.run(Script::code(code)).await?;
/// println!("{}", outcome.stdout_text());
/// for decision in &outcome.decisions {
///     println!("{:?} {}", decision.verdict, decision.target);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Sandbox {
    engine: Engine,
    pub(crate) settings: Settings,
    env: Mutex<BTreeMap<String, String>>,
    pub(crate) gateway: Gateway,
    pub(crate) root: Arc<Root>,
    runs: TaskTracker,
    closing: CancellationToken,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("name", &self.gateway.audit().sandbox())
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(crate) struct Settings {
    /// Whether it has a network: without a rule it has none.
    pub(crate) capability: Capability,
    pub(crate) network: Network,
    /// What programs begin as, where it is not the interpreter alone.
    pub(crate) image: Option<Arc<Image>>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) args: Vec<String>,
    /// What the guest sees besides its own files: the interpreter's library, directories of the host,
    /// packages.
    pub(crate) mounts: Vec<Preopen>,
    /// The directories of the host among them that the guest may write to.
    pub(crate) writable: Vec<Writable>,
    /// Where the audit log goes.
    pub(crate) places: AuditPlaces,
    /// Whether stdout and stderr are the process's own.
    pub(crate) has_inherited: [bool; 2],
    /// The most bytes that are captured of each output stream.
    pub(crate) captured: usize,
    pub(crate) stdin: Input,
    pub(crate) stdout: Destination,
    pub(crate) stderr: Destination,
    pub(crate) memory: usize,
    pub(crate) time: Option<Duration>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
}

impl Sandbox {
    pub(crate) fn new(engine: Engine, settings: Settings, root: Root) -> Self {
        let mut env = settings.env.clone();
        for (name, placeholder) in settings.network.vault.variables() {
            env.insert(name.to_owned(), placeholder.to_owned());
        }
        Self {
            engine,
            env: Mutex::new(env),
            // Each sandbox has its own gateway: nothing is pooled across them, and each has its
            // budgets.
            gateway: settings.network.gateway(),
            settings,
            root: Arc::new(root),
            runs: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    /// Runs `script` in a fresh interpreter to its end: [`start`](Self::start) without options, and
    /// [`Run::wait`].
    ///
    /// Several runs may go on at once: see [`start`](Self::start) for what they share.
    ///
    /// Dropping the future ends the program.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start). Whatever the script itself does is an [`Outcome`].
    pub async fn run(&self, script: impl Into<Script>) -> Result<Outcome, Error> {
        let mut run = self.start(script, RunOptions::new()).await?;
        run.wait().await
    }

    /// Starts `script` in a fresh interpreter, once it is its turn
    /// ([`EngineBuilder::max_running`](crate::EngineBuilder::max_running)).
    ///
    /// Several runs may go on at once. Each has its own interpreter, memory, script, streams, limits
    /// and [`Outcome`]: exit code, captured output, decisions, exchanges and lookups. They share
    ///
    /// - the files, `/tmp` and `/home` as well as mounted directories, in which nothing keeps them from
    ///   overwriting each other's;
    /// - the environment and the arguments, as they are when a run begins, below those of its options;
    /// - the policy, and the budgets: what one run uses the others no longer have;
    /// - secrets, connections that are kept for reuse, the audit log, the hook;
    /// - stdin, stdout and stderr where those are the process's own or a writer;
    ///   [`Stdin::Bytes`](crate::Stdin::Bytes) is read from its beginning by each.
    ///
    /// For runs that share nothing, [`fork`](Self::fork) or build another sandbox.
    ///
    /// A script that is a file of the host is copied to a directory that only its own run sees,
    /// read-only, as `/run`.
    ///
    /// # Errors
    ///
    /// An [`Error`] where an option can't be enforced as it is written, the script can't be read or
    /// lies where the guest could replace it ([`Error::Exposed`]), the interpreter can't be started,
    /// there is no memory for the streams ([`Error::HostMemory`]), as many programs wait for their turn
    /// as may ([`Error::Busy`]), and where the tokio runtime lacks timers or sockets, or is shut down
    /// before the start ([`Error::Runtime`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it returns starts nothing, and removes the script's copy.
    pub async fn start(
        &self,
        script: impl Into<Script>,
        options: RunOptions,
    ) -> Result<Run, Error> {
        runtime::check_for(self.settings.capability)?;
        options.check(&self.settings.network.vault)?;
        self.check_streams(&options)?;
        runtime::alive(self.begin(script.into(), options)).await
    }

    async fn begin(&self, script: Script, options: RunOptions) -> Result<Run, Error> {
        let env = self.environment_with(&options);
        // Compiling the interpreter is preparation, which has its own limit.
        let interpreter = self.interpreter().await?;
        let interpreter = match options.teaches {
            true => interpreter.teaching(),
            false => interpreter,
        };
        // Its time begins with its turn.
        let turn = before(self.settings.deadline, self.engine.turn()).await;
        let turn = turn.transpose()?.unwrap_or_default();
        let start = Instant::now();
        let until = self.settings.until(start, options.time);
        let gateway = match options.requests {
            Some(requests) => self.gateway.next_run_within(requests),
            None => self.gateway.next_run(),
        };
        let (source, stdout, stderr, streams) = self.streams(&options, gateway.memory())?;
        let audit = gateway.audit().clone();
        let arguments = self.arguments(script, &options, &env);
        let arguments = before(until, arguments).await.transpose()?;
        let (args, script) = arguments.unzip();
        let script = script.flatten();
        let guest = args.map(|args| Guest {
            engine: self.engine.clone(),
            interpreter,
            args,
            env,
            stdin: source,
            preopens: self.preopens(script.as_ref()),
            gateway,
            memory: smaller(Some(self.settings.memory), options.memory).unwrap_or(MEMORY),
            cpu: smaller(self.settings.cpu, options.cpu),
        });
        let started = Started {
            guest,
            until,
            start,
            audit,
            stdout,
            stderr,
            keeps: Keeps {
                _turn: turn,
                _script: script,
                _root: Arc::clone(&self.root),
                _tracked: self.runs.token(),
            },
        };
        Ok(Run::start(started, streams, self.closing.child_token()))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Counts a session as one of this sandbox's, until what is returned is dropped.
    pub(crate) fn tracked(&self) -> TaskTrackerToken {
        self.runs.token()
    }

    /// Ends a session with this sandbox.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.child_token()
    }

    /// What its programs begin as: the code, and the memory of a snapshot.
    pub(crate) async fn interpreter(&self) -> Result<Interpreter, Error> {
        let capability = self.settings.capability;
        Ok(match &self.settings.image {
            Some(image) => {
                self.engine
                    .interpreter_with(capability, image.clone())
                    .await?
            }
            None => self.engine.interpreter(capability).await?.clone(),
        })
    }

    /// Refuses an inherited stream to which the audit log goes too.
    fn check_streams(&self, options: &RunOptions) -> Result<(), Error> {
        let [stdout, stderr] = self.settings.has_inherited;
        let inherits = |of: &Option<Output>, otherwise| of.as_ref().map_or(otherwise, is_inherited);
        let places = &self.settings.places;
        checks::audit(
            places,
            inherits(&options.stdout, stdout),
            inherits(&options.stderr, stderr),
        )
    }

    /// The streams of one run: the guest's ends and the embedder's.
    fn streams(
        &self,
        options: &RunOptions,
        memory: &HostMemory,
    ) -> Result<(InputSource, Sink, Sink, Streams), Error> {
        let settings = &self.settings;
        let limit = smaller(Some(settings.captured), options.captured).unwrap_or(CAPTURE_LIMIT);
        let own = options.stdin.clone().map(Input::new);
        let (source, stdin) = own.as_ref().unwrap_or(&settings.stdin).source(memory)?;
        let own = options.stdout.clone().map(Destination::stdout);
        let stdout = own.as_ref().unwrap_or(&settings.stdout);
        let (stdout, stdout_reader) = stdout.sink(memory, limit)?;
        let own = options.stderr.clone().map(Destination::stderr);
        let stderr = own.as_ref().unwrap_or(&settings.stderr);
        let (stderr, stderr_reader) = stderr.sink(memory, limit)?;
        let streams = Streams {
            stdin,
            stdout: stdout_reader,
            stderr: stderr_reader,
            limit,
            memory: memory.clone(),
        };
        Ok((source, stdout, stderr, streams))
    }

    /// Returns the name that the audit log has for it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.gateway.audit().sandbox()
    }

    /// Sets an environment variable for later runs.
    ///
    /// # Errors
    ///
    /// For a name that is empty or contains `=`, for a NUL in name or value, for a variable that would
    /// have no effect (see [`SandboxBuilder::env`](crate::SandboxBuilder::env)), and for one that a secret
    /// uses.
    pub fn set_env(&self, name: &str, value: &str) -> Result<(), Error> {
        variables::check(name, value)?;
        checks::is_no_secrets(name, &self.settings.network.vault)?;
        let mut env = self.environment();
        env.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Returns an environment variable of the guest.
    pub fn get_env(&self, name: &str) -> Option<String> {
        let env = self.environment();
        env.get(name).cloned()
    }

    /// Makes a sandbox with a copy of this one's files, environment, policy and packages. From then
    /// on the two share only the host's directories that are mounted in both.
    ///
    /// Sparse files stay sparse, and a file with several names stays one file. A run under way may
    /// change files while they are copied.
    ///
    /// # Errors
    ///
    /// If the files can't be copied, or the engine has as many sandboxes as it may ([`Error::Full`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future removes the copy when it is finished.
    pub async fn fork(&self) -> Result<Self, Error> {
        self.fork_with(ForkOptions::new()).await
    }

    /// Makes a copy as [`fork`](Self::fork) does, whose policy may be narrower. Its budgets are its own and
    /// have not been used.
    ///
    /// ```no_run
    /// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
    /// use sandbox_net::{ForkOptions, policy::Policy};
    ///
    /// let narrower = Policy::allow(["GET https://api.example.com/v1/**".parse().expect("a rule")]);
    /// let fork = sandbox.fork_with(ForkOptions::new().policy(narrower)).await?;
    /// # drop(fork);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`fork`](Self::fork).
    ///
    /// # Cancel safety
    ///
    /// As for [`fork`](Self::fork).
    pub async fn fork_with(&self, options: ForkOptions) -> Result<Self, Error> {
        runtime::check()?;
        let place = self.engine.place()?;
        let root = match self.root.copy_unmade() {
            Some(root) => root,
            None => {
                let root = self.root.clone();
                let copied = tokio::task::spawn_blocking(move || root.copy());
                copied.await.map_err(|e| runtime::unfinished(&e))?
            }
        };
        let mut settings = self.settings.clone();
        let (policy, name) = (self.gateway.policy(), self.gateway.audit().sandbox());
        let policy = match &options.policy {
            Some(narrower) => policy.intersect(narrower),
            None => policy,
        };
        settings.network = settings.network.forked(policy, name);
        let env = self.environment();
        settings.env = env.clone();
        drop(env);
        Ok(Self::new(
            self.engine.clone(),
            settings,
            root.map_err(Error::Files)?.holding(place),
        ))
    }

    /// Ends the runs that are still going on, waits for their ends, removes the sandbox's files, and
    /// reports whether that succeeded. Dropping the sandbox removes them too, once its runs have ended,
    /// in a blocking task that holds no thread of the runtime up and that the runtime waits for at its
    /// end (outside of a runtime at once), and warns (with `tracing`) on failure.
    ///
    /// # Errors
    ///
    /// If something can't be removed; the error names the directory. The next sandbox of this user
    /// tries again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the report; the files are removed all the same.
    pub async fn close(self) -> Result<(), Error> {
        runtime::check()?;
        self.closing.cancel();
        self.runs.close();
        self.runs.wait().await;
        // A cancelled call may still use the files; they are removed when it ends.
        let Some(root) = Arc::into_inner(self.root).filter(Root::is_made) else {
            return Ok(());
        };
        let removed = tokio::task::spawn_blocking(move || root.remove()).await;
        let removed = removed.map_err(|e| runtime::unfinished(&e))?;
        removed.map_err(Error::CleanUp)
    }

    /// The environment of a run with these options.
    fn environment_with(&self, options: &RunOptions) -> BTreeMap<String, String> {
        let mut env = self.environment().clone();
        let own = options.env.iter();
        env.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        env
    }

    fn environment(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.env.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directories that a run starts with.
    pub(crate) fn preopens(&self, script: Option<&ScriptFile>) -> Vec<Preopen> {
        let mut preopens = vec![self.root.files().clone()];
        preopens.extend(script.map(|script| script.preopen().clone()));
        preopens.extend(self.settings.mounts.iter().cloned());
        preopens
    }

    /// The interpreter's arguments for `script`, and its copy if it is a file of the host.
    async fn arguments(
        &self,
        script: Script,
        options: &RunOptions,
        env: &BTreeMap<String, String>,
    ) -> Result<(Vec<String>, Option<ScriptFile>), Error> {
        let mut args = vec!["python".to_owned()];
        if env.get(UNBUFFERED).is_some_and(|value| !value.is_empty()) {
            args.push("-u".to_owned());
        }
        let mut copy = None;
        match script.0 {
            Source::Code(code) => args.extend(["-c".to_owned(), code]),
            Source::Module(name) => args.extend(["-m".to_owned(), name]),
            Source::Stdin => args.push("-".to_owned()),
            Source::Path(path) => {
                let script = self.install_script(path).await?;
                args.push(script.guest().to_owned());
                copy = Some(script);
            }
            Source::Named(name, source) => {
                let root = self.root.clone();
                let write = move |name: &str| ScriptFile::write(&root, name.as_ref(), &source);
                let script = self.file(&name, write).await?;
                args.push(script.guest().to_owned());
                copy = Some(script);
            }
        }
        args.extend(self.settings.args.iter().chain(&options.args).cloned());
        checks::arguments(&args)?;
        checks::environment(env)?;
        Ok((args, copy))
    }

    /// Copies a script of the host to a place that only this run sees.
    async fn install_script(&self, path: PathBuf) -> Result<ScriptFile, Error> {
        exposure::check(&self.settings.writable, &path, "the script")?;
        let (root, host) = (self.root.clone(), path.clone());
        self.file(&path.display().to_string(), move |_| {
            ScriptFile::install(&root, &host)
        })
        .await
    }
}

impl Settings {
    /// When a run that starts now has to end, with a limit of its own.
    fn until(&self, start: Instant, own: Option<Duration>) -> Option<Instant> {
        let limit = smaller(self.time, own).and_then(|limit| start.checked_add(limit));
        smaller(limit, self.deadline)
    }
}

/// The smaller one of two limits.
fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}
