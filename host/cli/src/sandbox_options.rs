//! What `run` and `repl` say of their sandbox in the same words: what it reaches, records, has and may use.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sandbox_net::policy::Policy;
use sandbox_net::{DirAccess, SandboxBuilder};

use crate::Failure;
use crate::ask::{ANSWER, Terminal};
use crate::policy_options::PolicyOptions;
use crate::supervise::say;
use crate::values::{authorities, directory, time, variable};

/// What a sandbox reaches, records and has.
#[derive(Args)]
pub(crate) struct SandboxOptions {
    #[command(flatten)]
    pub(crate) policy: PolicyOptions,
    /// Append the audit log to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// Include query strings in the recorded URLs
    #[arg(long, requires = "audit")]
    audit_queries: bool,
    /// Name the sandbox in the audit log [default: COMMAND-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Add a pure-Python package: a requirement to look up in the index, or the path of a wheel
    #[arg(long = "with", value_name = "PKG")]
    pub(crate) packages: Vec<String>,
    /// Mount a directory of the host; read-only unless it ends in ':rw'. A writable directory must not
    /// contain anything that the host looks up by name: the script, files of other options, another --dir
    #[arg(long, value_name = "HOST::GUEST[:rw]", value_parser = directory)]
    dir: Vec<(PathBuf, String, DirAccess)>,
    /// Set an environment variable; the last value of a name wins
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Trust the certificates in this PEM file in addition to the platform's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
}

/// What a program may use, and what its preparation.
#[derive(Args)]
pub(crate) struct LimitOptions {
    /// End the program after this much processor time, which waiting does not use: 10s, 500ms
    #[arg(long, value_name = "TIME", value_parser = time)]
    cpu: Option<Duration>,
    /// Stop fetching or compiling the interpreter, or packages, after this time each
    #[arg(
        long, value_name = "TIME", value_parser = time, default_value = "30m"
    )]
    pub(crate) prepare_timeout: Duration,
    /// Limit the program's memory, including 42 MiB for the interpreter
    #[arg(long, value_name = "SIZE", value_parser = crate::values::size, default_value = "1GiB")]
    memory: bytesize::ByteSize,
    /// Limit what the program stores on disk, in /home, /tmp and everywhere else except mounted
    /// directories of the host
    #[arg(long, value_name = "SIZE", value_parser = crate::values::size, default_value = "1GiB")]
    disk: bytesize::ByteSize,
}

impl SandboxOptions {
    /// Mounts the directories, and protects the files that the program must not be able to replace, by the
    /// names of their options: those here, and `more`.
    pub(crate) fn mount<'a>(
        &'a self,
        sandbox: SandboxBuilder,
        more: impl IntoIterator<Item = (&'a [PathBuf], &'static str)>,
    ) -> SandboxBuilder {
        let mounted = self.dir.iter();
        let sandbox = mounted.fold(sandbox, |sandbox, (host, guest, access)| {
            sandbox.dir(host, guest, *access)
        });
        let named = [
            (self.policy.policy.as_slice(), "--policy"),
            (self.audit.as_slice(), "--audit"),
            (self.ca.as_slice(), "--ca"),
        ];
        let named = named.into_iter().chain(more);
        let named = named.flat_map(|(paths, option)| paths.iter().map(move |path| (path, option)));
        let named = named.filter(|(path, _)| path.as_os_str() != "-");
        named.fold(sandbox, |sandbox, (path, option)| {
            sandbox.protect(path.clone(), option)
        })
    }

    /// Applies all but the directories. `command` is the sandbox's name, with the process's number, unless the
    /// user says another.
    pub(crate) fn apply(
        self,
        mut sandbox: SandboxBuilder,
        command: &str,
    ) -> Result<SandboxBuilder, Failure> {
        sandbox = self.policy.apply(sandbox)?;
        if let Some(path) = self.audit {
            sandbox = sandbox.audit_file(path);
        }
        if self.audit_queries {
            sandbox = sandbox.audit_queries();
        }
        let own = || format!("{command}-{}", std::process::id());
        sandbox = sandbox.name(self.name.unwrap_or_else(own));
        for path in &self.ca {
            sandbox = sandbox.trust_ca_pem(authorities(path)?);
        }
        for package in self.packages {
            sandbox = sandbox.with_package(package);
        }
        for (name, value) in self.env {
            sandbox = sandbox.env(name, value);
        }
        Ok(sandbox)
    }
}

impl LimitOptions {
    pub(crate) fn apply(&self, sandbox: SandboxBuilder) -> Result<SandboxBuilder, Failure> {
        let sandbox = sandbox
            .memory_limit(usize::try_from(self.memory.as_u64())?)
            .disk_limit(self.disk.as_u64())
            .preparation_limit(self.prepare_timeout);
        Ok(match self.cpu {
            Some(limit) => sandbox.cpu_limit(limit),
            None => sandbox,
        })
    }
}

/// Has a person at the terminal decide where the policy asks, and says where nothing is denied.
pub(crate) fn attend(sandbox: SandboxBuilder, policy: &Policy) -> SandboxBuilder {
    if policy.reports_only() {
        say("mode 'report': what the policy denies is recorded and let pass");
    }
    match policy.asks() && !policy.denies_everything() {
        true => sandbox.hook(Terminal::default()).hook_deadline(ANSWER),
        false => sandbox,
    }
}
