//! Runs the same programs on the machine's own Python, as the reference for CPython's behaviour.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::report::Report;

/// The variable that names another interpreter than `python3`.
const INTERPRETER: &str = "SANDBOX_NET_TEST_PYTHON";

/// The folder of the Python programs.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// The machine's own Python: what [`Native::new`] runs.
pub(crate) fn interpreter() -> std::ffi::OsString {
    std::env::var_os(INTERPRETER).unwrap_or_else(|| "python3".into())
}

/// One run on the machine's own Python. It can rely only on the standard library, except in an
/// environment with packages of its own.
#[derive(Debug)]
pub struct Native {
    command: Command,
}

impl Native {
    /// A run of `program`, a file of `programs/`, with `arguments`.
    pub fn new<S: AsRef<str>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self::with(Path::new(&interpreter()), program, arguments)
    }

    /// A run with another interpreter, such as that of a virtual environment.
    pub fn with<S: AsRef<str>>(
        interpreter: &Path,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut command = Command::new(interpreter);
        command
            .arg("-B")
            .arg(programs().join(program))
            .env("PYTHONPATH", programs())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.args(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        // A proxy of the machine would come between the program and the servers.
        for name in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            // It decides when the output arrives.
            "PYTHONUNBUFFERED",
        ] {
            command.env_remove(name);
        }
        Self { command }
    }

    /// A run of a piece of code.
    pub fn code(code: &str) -> Self {
        let mut command = Command::new(interpreter());
        command
            .args(["-B", "-c", code])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Self { command }
    }

    /// Where `program`, a file of `programs/`, is.
    pub fn path(program: &str) -> PathBuf {
        programs().join(program)
    }

    /// Adds the certificates in the PEM file `path` to those that Python trusts.
    pub fn trust(mut self, path: &Path) -> Self {
        self.command.env("SSL_CERT_FILE", path);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets its working directory.
    pub fn directory(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Runs it to its end, which must be successful.
    ///
    /// # Panics
    ///
    /// When there is no `python3`, or its exit code is not 0.
    pub async fn run(mut self) -> Report {
        let output = self.command.output().await.expect("python3 on the path");
        let code = output.status.code().unwrap_or(-1);
        Report::of_success("native", code, &output.stdout, &output.stderr)
    }

    /// Runs it to its end, successful or not; returns what it printed, and its exit code as in a
    /// shell.
    ///
    /// # Panics
    ///
    /// When there is no `python3`.
    pub async fn end(self) -> (String, i32) {
        let (stdout, _, code) = self.whole_end().await;
        (stdout, code)
    }

    /// As [`end`](Self::end), with what it wrote to stderr between the two.
    ///
    /// # Panics
    ///
    /// When there is no `python3`.
    pub async fn whole_end(mut self) -> (String, String, i32) {
        let output = self.command.output().await.expect("python3 on the path");
        let status = output.status;
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        let code = status.code().or(signal.map(|signal: i32| 128 + signal));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            text(&output.stdout),
            text(&output.stderr),
            code.unwrap_or(-1),
        )
    }
}
