//! The other sides: native CPython, and eryx from PyPI.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The variable that names the native interpreter.
const INTERPRETER: &str = "SANDBOX_NET_BENCH_PYTHON";
/// Those that are looked for without it, in this order.
const CANDIDATES: [&str; 2] = ["python3.13", "python3"];

/// A native Python with the libraries, in an environment of its own.
pub(super) struct Native {
    pub(super) python: PathBuf,
    pub(super) version: String,
}

impl Native {
    pub(super) async fn in_directory(directory: &Path) -> Result<Self> {
        let own = std::env::var(INTERPRETER).ok();
        let candidates = own.iter().map(String::as_str).chain(CANDIDATES);
        let mut found = None;
        for candidate in candidates {
            if let Ok(version) = output(candidate, &["--version"]).await {
                found = Some((candidate.to_owned(), version));
                break;
            }
        }
        let (base, version) = found.context("there is no python3 to compare with")?;
        let made = directory
            .to_str()
            .context("the directory's name is no text")?;
        output(&base, &["-m", "venv", made]).await?;
        let python = directory.join("bin/python");
        install(&python, &["requests", "httpx", "aiohttp"])
            .await
            .context("python3 with venv and pip is needed for the comparison")?;
        Ok(Self { python, version })
    }

    /// The seconds that a process takes for a program: its code, and its arguments.
    pub(super) async fn run(&self, program: &[String]) -> Result<f64> {
        let start = Instant::now();
        let words = program.iter().map(String::as_str);
        let words: Vec<&str> = std::iter::once("-c").chain(words).collect();
        output(&self.python, &words).await?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// Installs packages from the index.
async fn install(python: &Path, packages: &[&str]) -> Result<()> {
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let only = ["--only-binary", ":all:"];
    let arguments = [&pip[..], &only, packages].concat();
    output(python, &arguments).await.map(drop)
}

async fn output(program: impl AsRef<Path>, arguments: &[&str]) -> Result<String> {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).output().await?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A process that does a workload each time it is asked to.
pub(super) struct Peer {
    _process: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Installs and starts eryx. An error says why there is none.
    pub(super) async fn eryx(native: &Native) -> Result<(Self, String)> {
        install(&native.python, &["pyeryx"]).await?;
        let ask = "import importlib.metadata as m; print('eryx', m.version('pyeryx'))";
        let version = output(&native.python, &["-c", ask]).await?;
        Ok((Self::start(&native.python).await?, version))
    }

    async fn start(python: &Path) -> Result<Self> {
        let program = programs().join("peer.py");
        let mut process = Command::new(python)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take().context("stdin is piped")?;
        let stdout = process.stdout.take().context("stdout is piped")?;
        let mut peer = Self {
            _process: process,
            stdin,
            answers: BufReader::new(stdout).lines(),
        };
        let ready = peer.answers.next_line().await?;
        ensure!(ready.as_deref() == Some("ready"), "eryx does not start");
        Ok(peer)
    }

    /// How long the workload took.
    pub(super) async fn measure(&mut self, workload: &str) -> Result<f64> {
        self.stdin
            .write_all(format!("{workload}\n").as_bytes())
            .await?;
        match self.answers.next_line().await? {
            Some(answer) if answer == "none" => bail!("the peer does not have {workload}"),
            Some(answer) => Ok(answer.parse()?),
            None => bail!("the peer ended at {workload}: see above"),
        }
    }
}

/// The directory of the Python programs.
pub(super) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmarks")
}
