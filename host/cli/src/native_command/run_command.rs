//! The command `sandbox-net native run`.

mod signals;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use sandbox_net_broker::{Broker, BrokerBuilder, RunningBroker};
use sandbox_net_native::confine::{
    Confinement, Exit, Limits, Prepared, SpawnError, landlock_version,
};

use super::environment;
use crate::broker_command::logger;
use crate::policy_options::{PolicyOptions, TunnelOptions};
use crate::printable::printable;
use crate::supervise::say;
use crate::{Failure, TOOL_FAILED};

/// The exit codes of shells for a command that is not there, or cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

#[derive(Args)]
#[command(override_usage = "sandbox-net native run [OPTIONS] [--] COMMAND [ARGS]...")]
pub(crate) struct RunCommand {
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    tunnels: TunnelOptions,
    /// Let the program read and execute a file, or what is below a directory
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// Let the program change a file, or what is below a directory
    #[arg(long, value_name = "PATH")]
    write: Vec<PathBuf>,
    /// Set an environment variable; the last value of a name wins
    #[arg(long, value_name = "K=V", value_parser = crate::values::variable)]
    env: Vec<(String, String)>,
    /// Append the audit log to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Include query strings in the recorded URLs
    #[arg(long, requires = "audit")]
    audit_queries: bool,
    /// Name the run in the audit log [default: native-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Trust the certificates in this PEM file in addition to the platform's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Stop the program after this time: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = crate::values::time)]
    timeout: Option<Duration>,
    /// Limit the memory: of the whole run where control groups can be made, else of each process
    #[arg(long, value_name = "SIZE", value_parser = crate::values::size)]
    memory: Option<bytesize::ByteSize>,
    /// Limit the number of processes and threads
    #[arg(long, value_name = "COUNT")]
    processes: Option<u64>,
    /// Limit the open files of each process
    #[arg(long, value_name = "COUNT")]
    files: Option<u64>,
    /// Limit what the program stores in its private home and temporary directories
    #[arg(long, value_name = "SIZE", value_parser = crate::values::size, default_value = "1GiB")]
    disk: bytesize::ByteSize,
    /// Refuse to run if the kernel cannot give the whole confinement; with 'false', run with the layers
    /// that there are, after saying which are missing
    #[arg(
        long, value_name = "BOOL", default_value_t = true, default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    require_confinement: bool,
    /// The program and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

impl RunCommand {
    /// Runs the program to its end. Returns its exit code.
    pub(crate) fn run(self) -> Result<u8, Failure> {
        match self.confined() {
            Err(error) => match error.downcast_ref::<SpawnError>() {
                Some(SpawnError::NotFound(_)) => failed(&error, NOT_FOUND),
                Some(SpawnError::NotExecutable { .. }) => failed(&error, NOT_EXECUTABLE),
                Some(SpawnError::Unconfined { .. }) => {
                    say(&format!("{error:#}; {WEAKER}"));
                    Ok(TOOL_FAILED)
                }
                _ => Err(error),
            },
            code => code,
        }
    }

    /// Refuses to let the program change what the host reads by name, or writes.
    fn check_files(&self) -> Result<(), Failure> {
        let audit = self.audit.iter().map(|path| ("--audit", path));
        let policies = self.policy.policy.iter().map(|path| ("--policy", path));
        let authorities = self.ca.iter().map(|path| ("--ca", path));
        for (option, path) in audit.chain(policies).chain(authorities) {
            for write in &self.write {
                if is_within(path, write) {
                    bail!(
                        "{option} {} is below --write {}, where the program could change it: put it \
                         elsewhere",
                        printable(&path.to_string_lossy()),
                        printable(&write.to_string_lossy())
                    );
                }
            }
        }
        Ok(())
    }

    fn confined(mut self) -> Result<u8, Failure> {
        // Clap takes it for the command.
        if let Some(option) = self.command[0].to_str().filter(|it| it.starts_with('-')) {
            bail!("{option} is no option of 'native run': see 'sandbox-net native run --help'");
        }
        self.check_files()?;
        if let Some(memory) = self.memory.filter(|memory| *memory < LEAST_MEMORY) {
            bail!(
                "--memory {memory} is less than a program starts with: give {LEAST_MEMORY} or more"
            );
        }
        let command = std::mem::take(&mut self.command);
        let base = environment::base();
        let confinement = self.confinement(base);
        for hint in hints(&confinement, &command) {
            say(&hint);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let variables = std::mem::take(&mut self.env);
        let required = self.require_confinement;
        // Reading the policy and the platform's authorities takes as long as making namespaces.
        let checking = std::thread::spawn(move || Ok(self.settings()?.build()?));
        let prepared = prepare(confinement, required);
        let checked: Result<Broker, Failure> = match checking.join() {
            Ok(checked) => checked,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let (broker, (prepared, missing)) = (checked?, prepared?);
        if let Some(missing) = missing {
            say(&missing);
        }
        let code = runtime.block_on(async {
            let (running, prepared) = start(broker, prepared).await?;
            let prepared = environment::with_broker(prepared, &running, variables)?;
            let code = run(prepared, command, Afterwards::PrintsNothing).await;
            running.shutdown().await;
            code
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
        code
    }

    fn confinement(&self, base: Vec<(OsString, OsString)>) -> Confinement {
        let mut limits = Limits::default();
        limits.memory = self.memory.map(|size| size.as_u64());
        limits.processes = self.processes;
        limits.files = self.files;
        let mut confinement = Confinement::new()
            .environment(base)
            .limits(limits)
            .temporary_size(self.disk.as_u64());
        for path in &self.read {
            confinement = confinement.read(path);
        }
        for path in &self.write {
            confinement = confinement.write(path);
        }
        if let Some(time) = self.timeout {
            confinement = confinement.timeout(time);
        }
        confinement
    }

    fn settings(self) -> Result<BrokerBuilder, Failure> {
        let name = self
            .name
            .unwrap_or_else(|| format!("native-{}", std::process::id()));
        let mut broker = self
            .policy
            .apply_to_broker(Broker::builder())?
            .name(name)
            // A program that may change the file must not change its own policy.
            .reload(false)
            .log(logger());
        broker = self.tunnels.apply_to_broker(broker);
        for path in &self.ca {
            broker = broker.trust_ca_pem(crate::values::authorities(path)?);
        }
        if let Some(path) = self.audit {
            broker = broker.audit_file(path);
        }
        if self.audit_queries {
            broker = broker.audit_queries();
        }
        Ok(broker)
    }
}

/// Starts the broker on the listeners that only the program can reach.
async fn start(
    mut broker: Broker,
    mut prepared: Prepared,
) -> Result<(RunningBroker, Prepared), Failure> {
    let listeners = prepared.take_listeners();
    if listeners.is_empty() {
        broker = broker.listen(([127, 0, 0, 1], 0).into());
    }
    for listener in listeners {
        broker = broker.isolated_listener(listener);
    }
    if broker.policy().reports_only() {
        say("mode 'report': what the policy denies is recorded and let pass");
    }
    Ok((broker.start().await?, prepared))
}

/// Whether a file, or the link by which it is named, is below a directory. It need not be there yet.
fn is_within(file: &Path, directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else {
        return false;
    };
    let parent = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let named = parent.canonicalize().map(|parent| {
        let name = file.file_name().unwrap_or_default();
        parent.join(name)
    });
    let places = [named, file.canonicalize()];
    places
        .into_iter()
        .flatten()
        .any(|place| place.starts_with(&directory))
}

/// Below this the helper itself cannot go on.
const LEAST_MEMORY: bytesize::ByteSize = bytesize::ByteSize::mib(16);
/// Directories that the program has of its own, so that no grant is proposed for them.
const OWN: [&str; 2] = ["/dev", "/proc"];

/// What a person can do where the kernel refuses a layer.
const WEAKER: &str = "run it where the kernel allows this, or with --require-confinement=false and the layers \
     that there are";

/// Makes the confinement, or a weaker one if that is accepted; then with what is missing, for a person.
fn prepare(
    mut confinement: Confinement,
    is_required: bool,
) -> Result<(Prepared, Option<String>), Failure> {
    if is_required {
        return Ok((confinement.prepare()?, None));
    }
    let mut missing = Vec::new();
    if landlock_version() == 0 {
        confinement = confinement.landlock(false);
        missing.push("no Landlock".to_owned());
    }
    let prepared = match confinement.clone().prepare() {
        Err(SpawnError::Unconfined { step, reason }) => {
            missing.push(format!("no namespaces (cannot {step}: {reason})"));
            confinement.weaker()?.prepare()?
        }
        other => other?,
    };
    let is_open = missing.len() > 1;
    let text = format!(
        "weaker confinement: this kernel gives {}{}",
        missing.join(" and "),
        if is_open {
            ": the program reads and changes every file that you can"
        } else {
            ""
        }
    );
    Ok((prepared, (!missing.is_empty()).then_some(text)))
}

/// What this command prints to stdout when the program has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    Prints,
    PrintsNothing,
}

/// Starts the program, and waits for its end.
pub(super) async fn run(
    prepared: Prepared,
    command: Vec<OsString>,
    after: Afterwards,
) -> Result<u8, Failure> {
    let mut signals = signals::Signals::new()?;
    let mut program = prepared.spawn(command)?;
    signals.program_has_terminal(program.shares_terminal());
    let signaller = program.signaller()?;
    if after == Afterwards::PrintsNothing {
        // Whoever reads the program's output waits for its end, not for this process's.
        let nothing = std::fs::File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(nothing)?;
    }
    let waiting = tokio::task::spawn_blocking(move || program.wait());
    tokio::pin!(waiting);
    let exit = loop {
        tokio::select! {
            exit = &mut waiting => break exit??,
            number = signals.next() => {
                // A program that has just ended needs no signal.
                let _ = signaller.signal(number);
            }
        }
    };
    match exit {
        Exit::TimeLimit => say("the time limit ended the program"),
        Exit::MemoryLimit => {
            say("the memory limit ended the program: raise it with --memory, if it needs more");
        }
        Exit::Lost => {
            say("the program's confinement was ended from outside, and the program with it")
        }
        _ => {}
    }
    // Exit codes have eight bits.
    Ok(exit.code().to_le_bytes()[0])
}

/// What the program will miss, as far as its arguments say so.
fn hints(confinement: &Confinement, command: &[OsString]) -> Vec<String> {
    let hint = |argument: &OsString| {
        let path = Path::new(argument);
        let real = path.canonicalize().ok()?;
        let here = std::env::current_dir().ok();
        let directory = match here.filter(|here| path.is_relative() && real.starts_with(here)) {
            // The program has to start here to find it.
            Some(here) => here,
            None if real.is_dir() => real.clone(),
            None => real.parent()?.to_owned(),
        };
        let is_own = OWN.iter().any(|own| real.starts_with(own));
        (!is_own && !confinement.shows(&real)).then(|| {
            format!(
                "the program may not read {}: add --read {}",
                printable(&argument.to_string_lossy()),
                printable(&directory.to_string_lossy())
            )
        })
    };
    command.iter().skip(1).filter_map(hint).collect()
}

fn failed(error: &Failure, code: u8) -> Result<u8, Failure> {
    if code == TOOL_FAILED {
        bail!("{error:#}");
    }
    say(&printable(&format!("{error:#}")));
    Ok(code)
}
