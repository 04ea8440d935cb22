//! The command `sandbox-net broker`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use sandbox_net_broker::{Broker, BrokerBuilder, RunningBroker, Token};

use crate::Failure;
use crate::ask::{ANSWER, Terminal};
use crate::input;
use crate::policy_options::{PolicyOptions, TunnelOptions};
use crate::supervise::say;

/// Where clients look for a broker.
const ADDRESS: &str = "127.0.0.1:6969";

/// The variable with a token that the operator chose.
const TOKEN: &str = "SANDBOX_NET_BROKER_TOKEN";

#[derive(Args)]
pub(crate) struct BrokerCommand {
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    tunnels: TunnelOptions,
    /// Listen on this address; calls carry the token [default: 127.0.0.1:6969, without --socket]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// Let --listen take addresses that other machines can reach. Whoever reads the network between
    /// them and the broker learns the token and every request
    #[arg(long, requires = "listen")]
    listen_anywhere: bool,
    /// Listen on a Unix socket, where only your own processes may call, without a token
    #[arg(long, value_name = "PATH")]
    socket: Vec<PathBuf>,
    /// Write the token to this file, readable only for you, in place of printing it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file in addition to the platform's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Write the certificate of this run, which clients have to trust, to this file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Set how many hours the certificate of this run is valid
    #[arg(
        long, value_name = "HOURS", default_value_t = 24,
        value_parser = clap::value_parser!(u32).range(1..=8760)
    )]
    ca_hours: u32,
    /// Read the policy file only once. The certificate of this run is then valid only for the names
    /// that the policy has
    #[arg(long)]
    no_reload: bool,
    /// Append the audit log to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Include query strings in the recorded URLs
    #[arg(long, requires = "audit")]
    audit_queries: bool,
    /// Name the broker in the audit log [default: broker-PID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl BrokerCommand {
    /// Serves clients until a signal ends the process. What is under way then has a moment to end.
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let code = runtime.block_on(self.execute());
        runtime.shutdown_background();
        code
    }

    pub(crate) async fn execute(self) -> Result<u8, Failure> {
        let mut signals = Signals::new()?;
        let chosen = chosen_token()?;
        let (token_file, ca_out) = (self.token_file.clone(), self.ca_out.clone());
        let is_shown = token_file.is_none() && chosen.is_none();
        let mut settings = self.settings()?;
        if let Some(token) = chosen {
            settings = settings.token(token);
        }
        let mut broker = settings.build()?;
        if broker.policy().asks() && !broker.policy().denies_everything() {
            broker = broker.hook(Terminal::default(), ANSWER);
        }
        if broker.policy().reports_only() {
            say("mode 'report': what the policy denies is recorded and let pass");
        }
        let policy = broker.policy();
        if policy.denies_everything() && policy.tunnel_grants().next().is_none() {
            say("the policy allows nothing: add rules with --policy or --allow");
        }
        let running = broker.start().await?;
        if let Some(path) = &ca_out {
            write(path, &running.ca_pem(), 0o644).with_context(|| shown("--ca-out", path))?;
        }
        if let Some(path) = &token_file {
            let text = format!("{}\n", running.token().as_str());
            write(path, &text, 0o600).with_context(|| shown("--token-file", path))?;
        }
        let text = usage(&running, is_shown, ca_out.as_deref());
        // Without a reader the broker is of use as well.
        let _ = io::stdout().write_all(text.as_bytes());
        let _ = io::stdout().flush();
        let code = signals.wait(&running).await;
        let shutdown = running.shutdown();
        tokio::select! {
            () = shutdown => {}
            () = signals.end() => {}
        }
        Ok(code)
    }

    fn settings(self) -> Result<BrokerBuilder, Failure> {
        let name = self.name;
        let mut broker = self
            .policy
            .apply_to_broker(Broker::builder())?
            .name(name.unwrap_or_else(|| format!("broker-{}", std::process::id())))
            .reload(!self.no_reload)
            .ca_valid(Duration::from_secs(u64::from(self.ca_hours) * 3600))
            .log(logger());
        broker = self.tunnels.apply_to_broker(broker);
        for address in &self.listen {
            broker = broker.listen(*address);
        }
        if self.listen.is_empty() && self.socket.is_empty() {
            broker = broker.listen(ADDRESS.parse()?);
        }
        if self.listen_anywhere {
            broker = broker.listen_anywhere();
        }
        for path in self.socket {
            broker = broker.socket(path);
        }
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

/// Lines that wait until somebody reads stderr. Later ones are lost.
const WAITING: usize = 64;

/// Writes the broker's log to stderr, whose reader may be slow: the clients don't wait for it.
pub(crate) fn logger() -> impl Fn(&str) + Send + Sync + 'static {
    let (lines, waiting) = std::sync::mpsc::sync_channel::<String>(WAITING);
    std::thread::spawn(move || waiting.iter().for_each(|line| say(&line)));
    move |line| {
        let _ = lines.try_send(line.to_owned());
    }
}

/// The token that the operator chose in the environment.
fn chosen_token() -> Result<Option<Token>, Failure> {
    match std::env::var(TOKEN) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(Token::new(text).context(TOKEN)?)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => bail!("{TOKEN}: {error}"),
    }
}

fn shown(option: &str, path: &Path) -> String {
    format!("{option} {}", input::name(path))
}

/// Writes a file that only these permissions open. What was there before is replaced as a whole, so
/// that nobody who has it open reads the new content.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // It may not exist at all.
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// The variables by which programs find the certificates that they trust.
const TRUST: [&str; 8] = [
    "SANDBOX_NET_CA",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
];

/// The absolute path as a word of a shell.
fn quoted(path: &Path) -> String {
    let whole = std::path::absolute(path);
    let whole = whole.as_deref().unwrap_or(path).to_string_lossy();
    format!("'{}'", whole.replace('\'', "'\\''"))
}

/// Where the broker listens, and how programs use it: a text that a shell can read.
fn usage(broker: &RunningBroker, shows_token: bool, ca: Option<&Path>) -> String {
    let mut text = String::new();
    let token = match shows_token {
        true => broker.token().as_str(),
        false => "$SANDBOX_NET_BROKER_TOKEN",
    };
    for path in broker.sockets() {
        let _ = writeln!(
            text,
            "# The broker listens on the socket {}",
            input::name(path)
        );
        let _ = writeln!(text, "export SANDBOX_NET_BROKER_SOCKET={}", quoted(path));
    }
    for address in broker.addresses() {
        let _ = writeln!(text, "# The broker listens on {address}");
    }
    if let Some(address) = broker.addresses().first() {
        if shows_token {
            let _ = writeln!(text, "export SANDBOX_NET_BROKER_TOKEN={token}");
        }
        let (host, port) = (address.ip(), address.port());
        let _ = writeln!(text, "export SANDBOX_NET_BROKER_HOST={host}");
        let _ = writeln!(text, "export SANDBOX_NET_BROKER_PORT={port}");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            let _ = writeln!(
                text,
                "export {name}=\"http://sandbox-net:{token}@{address}\""
            );
        }
    }
    match ca {
        Some(path) => {
            let _ = writeln!(text, "# Clients trust the certificate of this run:");
            for name in TRUST {
                let _ = writeln!(text, "export {name}={}", quoted(path));
            }
        }
        None => {
            let text = &mut text;
            let _ = writeln!(
                text,
                "# For HTTPS, have the certificate of this run written: --ca-out FILE"
            );
        }
    }
    for (variable, placeholder) in broker.placeholders() {
        let _ = writeln!(text, "export {variable}={placeholder}");
    }
    text
}

/// The signals that the broker follows.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the signal that ends the broker, or for its own end; returns the exit code. At a
    /// SIGHUP the policy file is read again.
    async fn wait(&mut self, broker: &RunningBroker) -> u8 {
        loop {
            tokio::select! {
                () = broker.ended() => return 1,
                _ = self.interrupt.recv() => return 0,
                _ = self.terminate.recv() => return 0,
                _ = self.hangup.recv() => broker.reload(),
            }
        }
    }

    /// Waits for another signal that ends the broker.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&mut self, broker: &RunningBroker) -> u8 {
        tokio::select! {
            () = broker.ended() => 1,
            _ = tokio::signal::ctrl_c() => 0,
        }
    }

    async fn end(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
