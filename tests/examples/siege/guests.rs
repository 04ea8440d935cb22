//! The hostile guests: for each a program, and a sandbox with what the attack needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use sandbox_net::policy::Document;
use sandbox_net::{
    DecisionHook, DirAccess, HookAnswer, HookError, HookRequest, Output, Sandbox, SandboxBuilder,
    Script,
};

/// How long one attack lasts.
const ATTACK: Duration = Duration::from_secs(2);

/// The addresses of the servers.
#[derive(Clone, Copy)]
pub(crate) struct Targets {
    pub(crate) http: SocketAddr,
    pub(crate) raw: SocketAddr,
    pub(crate) dns: SocketAddr,
}

/// What a kind of guest needs besides its policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    /// A directory of the host that it may write to.
    Mount,
    /// A hook that never answers.
    DecisionHook,
    /// A slow reader of its output.
    SlowReader,
    /// Four concurrent runs of it in one sandbox.
    AtOnce,
}

/// A hostile guest.
pub(crate) struct Besieger {
    program: &'static str,
    policy: Document,
    arguments: Vec<String>,
    extra: Extra,
    dns: SocketAddr,
}

/// One of every kind.
pub(crate) fn all(targets: Targets) -> anyhow::Result<Vec<Besieger>> {
    let Targets { http, raw, dns } = targets;
    let ports = [http.port(), raw.port()].map(|port| port.to_string());
    let patterns: Vec<String> = (0..100)
        .map(|number| format!("'http://{http}/v1/**/x{number}'"))
        .collect();
    let secret = format!(
        "allow = ['http://{http}']\n[[secret]]\nname = 'api'\nenv = 'API_KEY'\n\
         rule = 'http://{http}/elsewhere'\nplain_http = true\n\
         source = {{ command = ['echo', 'sk-siege-secret'] }}\n"
    );
    let nothing = "allow = ['http://127.0.0.1:9']\n";
    let rows = [
        ("mounts", nothing.to_owned(), Extra::Mount),
        ("memory", format!("allow = ['http://{raw}']\n"), Extra::None),
        (
            "paths",
            format!("allow = [{}]\n", patterns.join(", ")),
            Extra::None,
        ),
        ("spin", nothing.to_owned(), Extra::None),
        ("trees", nothing.to_owned(), Extra::None),
        ("records", nothing.to_owned(), Extra::None),
        (
            "wire",
            format!(
                "allow = ['http://{http}', 'http://{raw}']\n[budgets]\nbytes_down = 10_000_000\n"
            ),
            Extra::None,
        ),
        (
            "names",
            "allow = ['*.flood.test']\n".to_owned(),
            Extra::None,
        ),
        ("secrets", secret, Extra::None),
        (
            "asking",
            format!("ask = ['http://{http}']\n"),
            Extra::DecisionHook,
        ),
        ("output", nothing.to_owned(), Extra::SlowReader),
        ("script", nothing.to_owned(), Extra::AtOnce),
    ];
    let besieger = |(program, policy, extra): (&'static str, String, Extra)| {
        let text = format!("version = 1\n{policy}[end]\n");
        let arguments = match program {
            "memory" => vec![ports[1].clone()],
            _ => ports.to_vec(),
        };
        Ok(Besieger {
            program,
            policy: Document::parse(&text)?,
            arguments,
            extra,
            dns,
        })
    };
    rows.into_iter().map(besieger).collect()
}

impl Besieger {
    /// The name of its kind.
    pub(crate) fn name(&self) -> &'static str {
        self.program
    }

    /// Attacks once, in its own sandbox, which is dropped afterwards.
    pub(crate) async fn attack(&self) -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let mut builder = Sandbox::builder()
            .policy(self.policy.clone())
            .dns_servers([self.dns])
            .time_limit(ATTACK)
            .memory_limit(256 << 20);
        for argument in &self.arguments {
            builder = builder.arg(argument);
        }
        let sandbox = self.equipped(builder, &directory).build().await?;
        let script = || Script::path(program(self.program));
        let runs = match self.extra {
            Extra::AtOnce => 4,
            _ => 1,
        };
        let runs = (0..runs).map(|_| sandbox.run(script()));
        for outcome in futures_util::future::join_all(runs).await {
            let outcome = outcome?;
            let succeeded = outcome.exit_code() == 1 && !outcome.stderr.starts_with(b"Traceback");
            if succeeded {
                let said = outcome.stderr_text();
                bail!("{} got through: {said}", self.program);
            }
        }
        Ok(())
    }

    fn equipped(&self, builder: SandboxBuilder, directory: &tempfile::TempDir) -> SandboxBuilder {
        match self.extra {
            Extra::None | Extra::AtOnce => builder,
            Extra::Mount => builder.dir(directory.path(), "/work", DirAccess::ReadWrite),
            Extra::DecisionHook => builder.hook(Silent),
            Extra::SlowReader => builder.stdout(Output::to(Slow)),
        }
    }
}

/// The file of a program.
pub(crate) fn program(name: &str) -> PathBuf {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/siege");
    PathBuf::from(programs).join(format!("{name}.py"))
}

/// A hook that never answers.
struct Silent;

impl DecisionHook for Silent {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        std::future::pending().await
    }
}

/// A slow reader.
struct Slow;

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
