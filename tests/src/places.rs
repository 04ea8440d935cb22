//! Runs a program wherever one can run: in an interpreter that begins anew, from a snapshot, in a turn of a
//! session, and in a turn of its fork.

use std::collections::BTreeMap;

use sandbox_net::{
    DecisionRecord, ExchangeRecord, Exit, LookupRecord, Sandbox, SandboxBuilder, Script, Session,
    Snapshot, TurnEnd, TurnOutcome,
};
use tokio::sync::Mutex;

use crate::harness::{SHARED, files_of, read};
use crate::{Report, wheel};

/// What a snapshot has imported, besides the modules that programs share and packages.
const IMPORTS: [&str; 6] = [
    "asyncio",
    "http.client",
    "select",
    "socket",
    "ssl",
    "urllib.request",
];

/// Where a program runs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// A run in an interpreter of its own.
    Run,
    /// A run that begins with a snapshot, which has imported what the program imports.
    Snapshot,
    /// A turn of a session, after another one.
    Turn,
    /// A turn of a fork of a session that has run before.
    Fork,
}

/// A Python program, and what it finds.
#[derive(Clone, Debug)]
pub struct Program {
    script: Script,
    /// The same as a turn.
    turn: String,
    files: Vec<(String, Vec<u8>)>,
    packages: &'static [&'static str],
    before: String,
}

/// What came of a program, wherever it ran.
pub struct Ended {
    /// How it ended. A turn that raised has the code of a run that did.
    pub exit: Exit,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, and the traceback of a turn.
    pub stderr: Vec<u8>,
    /// The decisions on its network access.
    pub decisions: Vec<DecisionRecord>,
    /// The requests that have ended.
    pub exchanges: Vec<ExchangeRecord>,
    /// The lookups.
    pub lookups: Vec<LookupRecord>,
    sandbox: Sandbox,
    session: Option<Session>,
}

impl Place {
    /// Every place; the first one is that of comparison.
    pub const ALL: [Self; 4] = [Self::Run, Self::Snapshot, Self::Turn, Self::Fork];

    /// Runs `program` in a sandbox of `builder`. Where it is a fork, its session works afterwards.
    ///
    /// # Panics
    ///
    /// When the sandbox itself fails.
    pub async fn run(self, builder: SandboxBuilder, program: &Program) -> Ended {
        let packages = program.packages.iter();
        let builder = match self {
            Self::Snapshot => builder.snapshot(snapshot(program.packages).await),
            _ => packages.fold(builder, |builder, one| builder.with_package(*one)),
        };
        let sandbox = builder.build().await.expect("a sandbox");
        program.write_to(&sandbox).await;
        match self {
            Self::Run | Self::Snapshot => program.run(sandbox).await,
            Self::Turn => {
                let mut session = sandbox.session().await.expect("a session");
                turn(&mut session, "before = 1").await;
                program.turn(sandbox, session).await
            }
            Self::Fork => {
                let mut session = sandbox.session().await.expect("a session");
                turn(&mut session, &program.before).await;
                let fork = session.fork().await.expect("a fork");
                let ended = program.turn(sandbox, fork).await;
                turn(&mut session, "after = 1").await;
                ended
            }
        }
    }
}

impl Program {
    /// A file of `programs/` or of a folder in it, with the modules that it shares with others.
    ///
    /// # Panics
    ///
    /// When it is missing.
    pub fn new(program: &str) -> Self {
        let name = program.rsplit_once('/').map_or(program, |(_, name)| name);
        let module = name.strip_suffix(".py").expect("the name of a .py file");
        Self::of(module, files_of(program))
    }

    /// A module among `files`, paths and contents.
    pub fn of(module: &str, files: Vec<(String, Vec<u8>)>) -> Self {
        // Its globals are nobody's value.
        let turn =
            format!("import runpy\nrunpy.run_module('{module}', run_name='__main__') and None");
        Self {
            // As with `python -m`, the working directory is on the module path, so shared modules are
            // found.
            script: Script::module(module),
            turn,
            files,
            packages: &[],
            before: "import report, runpy".to_owned(),
        }
    }

    /// Source text.
    pub fn code(text: &str) -> Self {
        Self {
            script: Script::code(text),
            turn: text.to_owned(),
            files: Vec::new(),
            packages: &[],
            before: "before = 1".to_owned(),
        }
    }

    /// With another file.
    #[must_use]
    pub fn file(mut self, path: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), contents.into()));
        self
    }

    /// With packages, whose modules have their names.
    #[must_use]
    pub fn packages(mut self, packages: &'static [&'static str]) -> Self {
        self.packages = packages;
        self
    }

    /// What the session has run of which a fork is made.
    #[must_use]
    pub fn before(mut self, code: impl Into<String>) -> Self {
        self.before = code.into();
        self
    }

    async fn write_to(&self, sandbox: &Sandbox) {
        for (path, contents) in &self.files {
            let written = sandbox.write_file(path, contents.as_slice()).await;
            written.expect("a file in the sandbox");
        }
    }

    async fn run(&self, sandbox: Sandbox) -> Ended {
        let outcome = sandbox.run(self.script.clone()).await;
        let outcome = outcome.expect("a run of the sandbox");
        Ended {
            exit: outcome.exit,
            stdout: outcome.stdout,
            stderr: outcome.stderr,
            decisions: outcome.decisions,
            exchanges: outcome.exchanges,
            lookups: outcome.lookups,
            sandbox,
            session: None,
        }
    }

    async fn turn(&self, sandbox: Sandbox, mut session: Session) -> Ended {
        let outcome = session.exec(self.turn.as_str()).await.expect("a turn");
        let traceback = outcome.exception.as_ref().map(|error| &*error.traceback);
        let stderr = [
            &outcome.stderr[..],
            traceback.unwrap_or_default().as_bytes(),
        ]
        .concat();
        Ended {
            exit: exit_of(&outcome),
            stdout: outcome.stdout,
            stderr,
            decisions: outcome.decisions,
            exchanges: outcome.exchanges,
            lookups: outcome.lookups,
            sandbox,
            session: Some(session),
        }
    }
}

impl Ended {
    /// The sandbox in which it ran.
    pub fn sandbox(&self) -> &Sandbox {
        let own = self.session.as_ref().and_then(Session::sandbox);
        own.unwrap_or(&self.sandbox)
    }

    /// The session in which it ran, if it did.
    pub fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// What it printed, if it has succeeded.
    ///
    /// # Panics
    ///
    /// As [`Report::of_success`].
    pub fn report(&self) -> Report {
        Report::of_success("sandbox", self.exit.code(), &self.stdout, &self.stderr)
    }

    /// What was decided and asked for, without times, numbers and the sandbox's name.
    pub fn records(&self) -> Vec<String> {
        let decisions = self.decisions.iter().map(|it| {
            let DecisionRecord {
                stage,
                target,
                method,
                tls,
                verdict,
                rule,
                reason,
                budget,
                address,
                ..
            } = it;
            let what = (stage, target, method, tls, address);
            format!("{what:?} {verdict:?} {rule} {reason:?} {budget:?}")
        });
        let lookups = self.lookups.iter().map(|it| {
            let LookupRecord {
                name,
                verdict,
                rule,
                reason,
                ..
            } = it;
            format!("lookup {name} {verdict:?} {rule} {reason:?}")
        });
        decisions.chain(lookups).collect()
    }
}

/// Runs a turn that must succeed.
async fn turn(session: &mut Session, code: &str) {
    let outcome = session.exec(code).await.expect("a turn");
    assert!(outcome.is_done(), "{code}: {outcome:?}");
}

/// How a run would have ended.
fn exit_of(outcome: &TurnOutcome) -> Exit {
    match &outcome.end {
        TurnEnd::Done => Exit::Code(0),
        TurnEnd::TimeLimit => Exit::TimeLimit,
        TurnEnd::Ended(exit) => exit.clone(),
        // 130 is that of a program that SIGINT ends.
        TurnEnd::Interrupted => Exit::Code(130),
        _ => Exit::Code(1),
    }
}

/// The snapshot with these packages, made once.
async fn snapshot(packages: &'static [&'static str]) -> Snapshot {
    static MADE: Mutex<BTreeMap<String, Snapshot>> = Mutex::const_new(BTreeMap::new());
    let mut made = MADE.lock().await;
    let name = packages.join(",");
    if let Some(snapshot) = made.get(&name) {
        return snapshot.clone();
    }
    let snapshot = imported(packages).await;
    made.insert(name, snapshot.clone());
    snapshot
}

async fn imported(packages: &[&str]) -> Snapshot {
    let texts = SHARED.map(|file| String::from_utf8(read(file)).expect("UTF-8"));
    let modules: Vec<_> = SHARED
        .into_iter()
        .zip(texts.iter().map(|it| &**it))
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let shared = wheel(directory.path(), "shared_by_programs", "1.0", &modules);
    let shared = shared.to_str().expect("a path in UTF-8");
    let mut builder = Snapshot::builder().with_package(shared);
    for package in packages {
        builder = builder.with_package(*package).import(*package);
    }
    let names = SHARED.iter().map(|file| file.trim_end_matches(".py"));
    for name in IMPORTS.into_iter().chain(names) {
        builder = builder.import(name);
    }
    builder.build().await.expect("a snapshot")
}
