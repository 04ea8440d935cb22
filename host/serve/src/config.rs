//! The configuration file: where the server listens, what programs may use, and who may ask for them.

mod check;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox_net::policy::{Budgets, Policy};
use sandbox_net::{EngineBounds, EngineBuilder};
use serde::Deserialize;
use tokio::sync::Semaphore;

pub(crate) use check::name_fault;
pub(crate) use values::{Size, Time};

/// What an operator writes: one TOML file, of which every key is enforced.
///
/// Keys that are unknown are errors. Without a tenant there is no service.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) file: File,
    /// The server's own policy.
    pub(crate) policy: Policy,
    /// In the order of the file.
    pub(crate) tenants: Vec<TenantConfig>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct ConfigError {
    pub(crate) place: String,
    pub(crate) why: String,
}

/// A tenant whose policy and tokens have been read.
#[derive(Clone, Debug)]
pub(crate) struct TenantConfig {
    pub(crate) file: Tenant,
    pub(crate) document: sandbox_net::policy::Document,
    pub(crate) digests: Vec<crate::token::Digest>,
}

/// The file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(rename = "version")]
    _version: Version,
    #[serde(default)]
    pub(crate) server: Listening,
    #[serde(default)]
    pub(crate) programs: Programs,
    #[serde(default)]
    pub(crate) sessions: Sessions,
    #[serde(default)]
    pub(crate) audit: Audit,
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
    #[serde(default)]
    pub(crate) tenant: Vec<Tenant>,
}

/// The only version of the format.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1 => Ok(Self),
            _ => Err(format!("version {number} is unknown: write version = 1")),
        }
    }
}

/// Where the server listens, and how long and how large a client may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listening {
    pub(crate) listen: SocketAddr,
    /// Where probes and metrics are, if not beside the calls.
    pub(crate) admin: Option<SocketAddr>,
    /// The name of this instance in the ids of its sessions.
    pub(crate) instance: Option<String>,
    pub(crate) connections: usize,
    pub(crate) head_timeout: Time,
    pub(crate) body_timeout: Time,
    pub(crate) write_timeout: Time,
    /// The largest body of a request.
    pub(crate) body: Size,
    /// All bodies together.
    pub(crate) bodies: Size,
    /// How long the server goes on after its readiness has failed.
    pub(crate) notice: Time,
    /// How long programs have after that.
    pub(crate) grace: Time,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin: None,
            instance: None,
            connections: 1024,
            head_timeout: Time::seconds(30),
            body_timeout: Time::seconds(30),
            write_timeout: Time::seconds(30),
            body: Size::mebibytes(4),
            bodies: Size::mebibytes(256),
            notice: Time::seconds(5),
            grace: Time::seconds(20),
        }
    }
}

/// What every program has, and the most that any may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Programs {
    pub(crate) policy: Option<PathBuf>,
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
    pub(crate) ca: Vec<PathBuf>,
    pub(crate) packages: Vec<String>,
    pub(crate) snapshot: Option<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) time: Time,
    pub(crate) cpu: Option<Time>,
    pub(crate) memory: Size,
    pub(crate) disk: Size,
    pub(crate) output: Size,
    /// Sandboxes that are kept ready for each tenant.
    pub(crate) ready: usize,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) total_memory: Size,
    pub(crate) total_host_memory: Size,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            policy: None,
            allow: Vec::new(),
            deny: Vec::new(),
            ca: Vec::new(),
            packages: Vec::new(),
            snapshot: None,
            environment: BTreeMap::new(),
            time: Time::seconds(60),
            cpu: None,
            memory: Size::mebibytes(256),
            disk: Size::mebibytes(64),
            output: Size::mebibytes(16),
            ready: 2,
            running: 32,
            waiting: 256,
            total_memory: Size::mebibytes(4096),
            total_host_memory: Size::mebibytes(1024),
        }
    }
}

/// How many sessions there may be, and how long.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sessions {
    pub(crate) most: usize,
    pub(crate) idle: Time,
    pub(crate) lifetime: Time,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            most: 64,
            idle: Time::seconds(600),
            lifetime: Time::seconds(3600),
        }
    }
}

/// Where the audit log goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) file: Option<PathBuf>,
    pub(crate) stdout: bool,
    /// The address of a collector.
    pub(crate) logs: Option<String>,
    pub(crate) queries: bool,
}

/// Where spans go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub(crate) traces: Option<String>,
}

/// Who may ask for programs, and what these may.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) policy: Option<PathBuf>,
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    pub(crate) time: Option<Time>,
    pub(crate) cpu: Option<Time>,
    pub(crate) memory: Option<Size>,
    pub(crate) disk: Option<Size>,
    pub(crate) output: Option<Size>,
    pub(crate) requests: Option<u64>,
    pub(crate) bytes_up: Option<u64>,
    pub(crate) bytes_down: Option<u64>,
    pub(crate) running: Option<usize>,
    pub(crate) waiting: Option<usize>,
    pub(crate) runs_per_minute: Option<usize>,
    pub(crate) sessions: Option<usize>,
    /// The memory of its programs and sessions together.
    pub(crate) total_memory: Option<Size>,
    /// What the host holds for them together.
    pub(crate) total_host_memory: Option<Size>,
}

/// Where the digest of a token comes from. The token itself is never in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Token {
    Known(TokenSource),
    /// Something else, perhaps the token itself, which no message may show.
    Unknown(serde::de::IgnoredAny),
}

/// The sources of tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenSource {
    /// The SHA-256 of the token, in hex.
    Sha256(String),
    /// A variable that holds the token.
    Env(String),
    /// A file that holds the token.
    File(PathBuf),
}

impl Config {
    /// Reads a configuration, with the policies and tokens that it names. Relative paths in it start from
    /// its own directory.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a key is unknown or has a value that cannot be enforced, there is no
    /// tenant, or a tenant's policy allows what the server's does not. The text names file and key.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let text = check::read_text(path).map_err(|why| ConfigError {
            place: place.clone(),
            why,
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::of(&text, directory, &place)
    }

    /// Reads a configuration from a text. Relative paths in it start from `directory`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn parse(text: &str, directory: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::of(text, directory.as_ref(), "the configuration")
    }

    fn of(text: &str, directory: &Path, place: &str) -> Result<Self, ConfigError> {
        check::config(text, directory).map_err(|why| ConfigError {
            place: place.to_owned(),
            why,
        })
    }

    /// Gives an engine the bounds that hold for all programs together.
    #[must_use]
    pub fn bound(&self, engine: EngineBuilder) -> EngineBuilder {
        let programs = &self.file.programs;
        engine
            .total_memory(programs.total_memory.bytes())
            .total_host_memory(programs.total_host_memory.bytes())
    }

    /// Listens on another address, such as one of an option.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.file.server.listen = address;
        self
    }

    /// Where spans go: the address of an OTLP collector; `None` if nowhere.
    #[must_use]
    pub fn traces(&self) -> Option<&str> {
        self.file.telemetry.traces.as_deref()
    }

    /// Whether the audit log goes to stdout, so that nothing else may.
    #[must_use]
    pub fn audits_to_stdout(&self) -> bool {
        self.file.audit.stdout
    }

    /// The most memory, in bytes, that programs, bodies, and answers that clients have not taken hold together. The
    /// interpreter's code and the server itself take half a gibibyte beside it.
    #[must_use]
    pub fn most_memory(&self) -> u64 {
        let (server, programs) = (&self.file.server, &self.file.programs);
        let all = [
            programs.total_memory,
            programs.total_host_memory,
            server.bodies,
            // Answers have as much as bodies, and those that wait for that as much again.
            server.bodies,
            server.bodies,
        ];
        all.iter()
            .fold(0, |sum: u64, size| sum.saturating_add(size.bytes()))
    }

    /// The most bytes of files that programs and sessions have together. Small files take more of a disk than
    /// their bytes: add two fifths.
    #[must_use]
    pub fn most_disk(&self) -> u64 {
        let (programs, sessions) = (&self.file.programs, &self.file.sessions);
        let of = |tenant: &TenantConfig| {
            let tenant = &tenant.file;
            let count = tenant
                .running(programs)
                .saturating_add(tenant.sessions(sessions));
            let count = count.saturating_add(programs.ready) as u64;
            count.saturating_mul(tenant.disk(programs))
        };
        self.tenants.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The names of the tenants.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.iter().map(|tenant| tenant.file.name.as_str())
    }
}

impl Tenant {
    /// The time limit of a program of this tenant.
    pub(crate) fn time(&self, programs: &Programs) -> Duration {
        let most = programs.time.duration();
        self.time.map_or(most, |own| own.duration().min(most))
    }

    pub(crate) fn cpu(&self, programs: &Programs) -> Option<Duration> {
        let both = [self.cpu, programs.cpu];
        both.into_iter().flatten().map(|time| time.duration()).min()
    }

    pub(crate) fn memory(&self, programs: &Programs) -> u64 {
        smaller(self.memory, programs.memory)
    }

    pub(crate) fn disk(&self, programs: &Programs) -> u64 {
        smaller(self.disk, programs.disk)
    }

    pub(crate) fn output(&self, programs: &Programs) -> u64 {
        smaller(self.output, programs.output)
    }

    pub(crate) fn running(&self, programs: &Programs) -> usize {
        let most = programs.running;
        self.running.map_or(most, |own| own.min(most))
    }

    pub(crate) fn waiting(&self, programs: &Programs) -> usize {
        let most = programs.waiting;
        self.waiting.map_or(most, |own| own.min(most))
    }

    pub(crate) fn sessions(&self, sessions: &Sessions) -> usize {
        let most = sessions.most.min(Semaphore::MAX_PERMITS);
        self.sessions.map_or(most, |own| own.min(most))
    }

    /// What its programs and sessions have together, so that they leave the others what these need: what is
    /// said for it, or an equal share, in which one program fits.
    pub(crate) fn part(&self, programs: &Programs, tenants: usize) -> EngineBounds {
        let tenants = u64::try_from(tenants).unwrap_or(u64::MAX).max(1);
        let own = |own: Option<Size>, all: Size, least: u64| match own {
            Some(own) => own.bytes().min(all.bytes()),
            None => (all.bytes() / tenants).max(least).min(all.bytes()),
        };
        let memory = own(
            self.total_memory,
            programs.total_memory,
            self.memory(programs),
        );
        let host = own(
            self.total_host_memory,
            programs.total_host_memory,
            Budgets::HOST_MEMORY,
        );
        EngineBounds::new()
            .total_memory(memory)
            .total_host_memory(host)
    }
}

fn smaller(own: Option<Size>, most: Size) -> u64 {
    own.map_or(most.bytes(), |own| own.bytes().min(most.bytes()))
}
