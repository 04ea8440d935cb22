//! The attacking program, compiled once, because hundreds of runs use it.

use sandbox_net::{Outcome, Sandbox, Script};
use sandbox_net_tests::{Program, Report, run_to_end};
use tokio::sync::OnceCell;

/// The program, as the machine's own Python runs it.
pub const FILE: &str = "attack.py";
/// Its module, and those that it imports.
const MODULES: [&str; 3] = ["attack", "frames", "report"];

/// The modules as byte code, by their files. Python loads it without the source.
static COMPILED: OnceCell<Vec<(String, Vec<u8>)>> = OnceCell::const_new();

async fn compile() -> Vec<(String, Vec<u8>)> {
    let code = format!(
        "import py_compile\n\
         for name in {MODULES:?}: py_compile.compile(name + '.py', name + '.pyc', doraise=True)"
    );
    let sandbox = Sandbox::builder().build().await.expect("a sandbox");
    // The harness copies the files; the program's output without arguments does not matter.
    run_to_end(&sandbox, FILE).await;
    let outcome = sandbox.run(code).await.expect("a run");
    assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
    let mut files = Vec::new();
    for name in MODULES {
        let path = format!("/home/{name}.pyc");
        let bytes = sandbox.read_file(&path).await.expect("byte code");
        files.push((path, bytes));
    }
    files
}

/// Puts the program into `sandbox`.
pub async fn write_to(sandbox: &Sandbox) {
    for (path, bytes) in COMPILED.get_or_init(compile).await {
        let written = sandbox.write_file(path, bytes.as_slice()).await;
        written.expect("a file in the sandbox");
    }
}

/// Runs the program in `sandbox` to its end.
pub async fn run(sandbox: &Sandbox) -> Outcome {
    write_to(sandbox).await;
    let run = sandbox.run(Script::module(MODULES[0])).await;
    run.expect("a run of the sandbox")
}

/// What a session has done before a fork of it attacks: it has used the good server by frames and by
/// sockets, and keeps a connection of each kind. It has looked no name up: the address would be that
/// name's from then on.
const BEFORE: &str = "
import sys, socket, runpy, attack
host, port = sys.argv[2].removeprefix('http://').rsplit(':', 1)
assert attack.good(sys.argv[2], True) == 200
kept = [attack.open_by_frames(host, port)]
if host != 'localhost':
    assert attack.good(sys.argv[2], False) == 200
    kept.append(socket.create_connection((host, int(port))))
";

/// The program, for any place: its arguments are the sandbox's.
pub async fn everywhere() -> Program {
    let compiled = COMPILED.get_or_init(compile).await.clone();
    Program::of(MODULES[0], compiled).before(BEFORE)
}

/// Another program, which uses those modules.
pub async fn beside(program: &str) -> Program {
    let compiled = COMPILED.get_or_init(compile).await.clone();
    let source = std::fs::read(sandbox_net_tests::Native::path(program)).expect("the program");
    let module = program.strip_suffix(".py").expect("a module");
    Program::of(module, compiled).file(&format!("/home/{program}"), source)
}

/// The output of a run, which must have succeeded.
pub fn report_of(outcome: &Outcome) -> Report {
    let code = outcome.exit_code();
    Report::of_success("sandbox", code, &outcome.stdout, &outcome.stderr)
}
