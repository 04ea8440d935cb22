//! Starts the servers of a test, and runs its programs in a sandbox.

use sandbox_net::{Outcome, Sandbox, Script};

use crate::native::programs;
use crate::{Alpn, DnsServer, Forbidden, HttpServer, RawServer, Report, TestCa};

/// One of each server, all on loopback.
pub struct Servers {
    /// The authority of `https` and `http2`.
    pub ca: TestCa,
    /// Plain HTTP/1.1.
    pub http: HttpServer,
    /// HTTPS that offers HTTP/1.1.
    pub https: HttpServer,
    /// HTTPS that offers HTTP/2 and HTTP/1.1.
    pub http2: HttpServer,
    /// Broken answers.
    pub raw: RawServer,
    /// A server that no rule allows.
    pub forbidden: Forbidden,
    /// Names; a name without a script does not exist.
    pub dns: DnsServer,
}

impl Servers {
    /// Starts them.
    ///
    /// # Panics
    ///
    /// When loopback gives no ports.
    pub async fn start() -> Self {
        let ca = TestCa::new("sandbox-net tests");
        let leaf = ca.loopback_leaf();
        Self {
            http: HttpServer::plain().await,
            https: HttpServer::tls(&leaf, Alpn::Http1).await,
            http2: HttpServer::tls(&leaf, Alpn::Http2).await,
            raw: RawServer::start().await,
            forbidden: Forbidden::start().await,
            dns: DnsServer::start().await,
            ca,
        }
    }
}

/// The modules that programs import.
pub(crate) const SHARED: [&str; 2] = ["frames.py", "report.py"];

/// The modules that the programs of a folder below `programs/` share besides [`SHARED`].
const SHARED_IN_FOLDERS: [&str; 4] = [
    "libraries/columns.py",
    "refusals/clients.py",
    "soak/plan.py",
    "streaming/steps.py",
];

/// Runs `program`, a file of `programs/` or of a folder in it, in `sandbox` to its end, successful
/// or not.
///
/// # Panics
///
/// When the program is missing or the sandbox itself fails.
pub async fn run_to_end(sandbox: &Sandbox, program: &str) -> Outcome {
    for (path, contents) in files_of(program) {
        let written = sandbox.write_file(&path, contents).await;
        written.expect("a file in the sandbox");
    }
    let name = program.rsplit_once('/').map_or(program, |(_, name)| name);
    // As with `python -m`, the working directory is on the module path, so shared modules are
    // found.
    let module = name.strip_suffix(".py").expect("the name of a .py file");
    sandbox
        .run(Script::module(module))
        .await
        .expect("a run of the sandbox")
}

/// Runs `program` in `sandbox` to a successful end and reads what it printed.
///
/// # Panics
///
/// As [`run_to_end`], and when the exit code is not 0.
pub async fn run(sandbox: &Sandbox, program: &str) -> (Report, Outcome) {
    let outcome = run_to_end(sandbox, program).await;
    let code = outcome.exit_code();
    let report = Report::of_success("sandbox", code, &outcome.stdout, &outcome.stderr);
    (report, outcome)
}

/// The file `program` and the modules that it may import, with their paths in a sandbox.
pub(crate) fn files_of(program: &str) -> Vec<(String, Vec<u8>)> {
    let folder = program.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = SHARED_IN_FOLDERS.into_iter().filter(|file| {
        file.rsplit_once('/')
            .is_some_and(|(other, _)| other == folder)
    });
    let files = SHARED.into_iter().chain(beside).chain([program]);
    let placed = files.map(|file| {
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
        (format!("/home/{name}"), read(file))
    });
    placed.collect()
}

pub(crate) fn read(program: &str) -> Vec<u8> {
    let path = programs().join(program);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
