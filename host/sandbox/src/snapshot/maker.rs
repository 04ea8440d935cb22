//! Makes the memory of a snapshot: an instance imports modules one by one, within limits, without a
//! network, an environment or a stdin of the host's.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sandbox_net_python::{AtRest, Image, SnapshotNotes};
use sandbox_net_wasi::{HOSTCALL_FUEL, SandboxNetCtx};
use serde::Deserialize;
use serde_json::json;
use wasmtime::component::{Instance, ResourceTable};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};
use wasmtime_wasi_http::WasiHttpCtx;

use super::error::SnapshotError;
use super::no_input::NoInput;
use crate::capture::Capture;
use crate::compile::nowhere;
use crate::disk::DiskLimits;
use crate::engine::{
    Clock, Engine, Files, Interpreter, Interrupt, Limits, Preopen, StoreState, Usage,
};
use crate::error::Error;
use crate::files;
use crate::root::Root;
use crate::runtime;
use crate::stdio::Sink;

/// What imports may write to the disk, which the snapshot does not have.
const DISK: u64 = 64 << 20;
/// What is kept of what imports print.
const OUTPUT: usize = 64 << 10;
/// Resources of the host that imports may hold at once.
const RESOURCES: usize = 1 << 12;
/// The file with the interpreter's answer to a step, and its longest one.
const ANSWER: &str = "/answer";
const ANSWERS: &str = "/.answer";
const LONGEST: u64 = 1 << 20;
/// The file with what it says of its objects: a bit for each eight bytes.
const OBJECTS: &str = "/objects";
const LONGEST_OBJECTS: u64 = (1 << 30) / 64;
/// The environment that a program has if it sets none.
const ENVIRONMENT: [(&str, &str); 2] = [("HOME", "/home"), ("TMPDIR", "/tmp")];

/// Makes snapshots of one set of packages.
pub(super) struct Maker {
    pub(super) engine: Engine,
    /// What it begins as.
    pub(super) interpreter: Interpreter,
    pub(super) packages: Option<Preopen>,
    pub(super) time: Duration,
    pub(super) memory: usize,
}

/// An interpreter after its imports.
pub(super) struct Imported {
    store: Store<StoreState>,
    instance: Instance,
    /// Where its objects are, as it says.
    objects: Vec<u8>,
    /// What each import came to.
    pub(super) imports: Vec<Import>,
    /// What is left that no snapshot can have.
    pub(super) left: Option<String>,
    /// What the rehearsal of clients left that a program would notice; none if there was no rehearsal.
    rehearsed: Option<String>,
}

/// What came of one import.
pub(super) struct Import {
    pub(super) module: String,
    pub(super) error: Option<SnapshotError>,
    /// Why a program would notice that it was imported before.
    pub(super) fault: Option<String>,
    /// Whether it looked for files that are not installed.
    pub(super) looks_at_files: bool,
    /// Whether it left more files open than it found.
    pub(super) leaves_open: bool,
    /// Whether it read stdin.
    pub(super) reads_stdin: bool,
    pub(super) took: Duration,
    /// What it printed.
    pub(super) output: Vec<u8>,
}

/// What the interpreter answers to a step.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    error: Option<String>,
    fault: Option<String>,
    trace: String,
    left: Option<String>,
    rehearsed: Option<String>,
}

impl Maker {
    /// Imports the modules in this order. If it is automatic, goes on after one that fails, and hides them
    /// until a program imports them.
    ///
    /// HTTP clients among them make some requests that nobody but the interpreter itself sees, so that the first
    /// one of a program is not slow.
    pub(super) async fn import(
        &self,
        modules: &[String],
        is_automatic: bool,
    ) -> Result<Imported, Error> {
        let begun = Arc::new(AtomicBool::new(false));
        let rehearsal = Some(Arc::clone(&begun));
        let imported = self.import_once(modules, is_automatic, rehearsal).await;
        let why = match &imported {
            // The imports themselves came to their end.
            Err(error) if begun.load(Ordering::Relaxed) => error.to_string(),
            Ok(Imported {
                rehearsed: Some(what),
                left,
                ..
            }) if left.is_some() || !what.is_empty() => what.clone(),
            _ => return imported,
        };
        tracing::debug!(why, "the imported clients make no requests ahead");
        self.import_once(modules, is_automatic, None).await
    }

    /// Imports them; if there is a `rehearsal`, it is told when that begins.
    async fn import_once(
        &self,
        modules: &[String],
        is_automatic: bool,
        rehearsal: Option<Arc<AtomicBool>>,
    ) -> Result<Imported, Error> {
        let root = Root::new(DiskLimits::of_bytes(DISK)).map_err(Error::Files)?;
        // Whatever the imports do to theirs.
        let answers = DiskLimits::of_bytes(2 * LONGEST + LONGEST_OBJECTS);
        let answers = Root::new(answers).map_err(Error::Files)?;
        let gateway = nowhere()?;
        let output = Capture::new(gateway.memory(), OUTPUT);
        let mut preopens = vec![root.files().clone(), self.engine.library_mount()?];
        preopens.push(answers.files().at(ANSWERS));
        preopens.extend(self.packages.clone());
        let mut wasi = WasiCtxBuilder::new();
        let sink = Sink::Capture(output.clone());
        let stdin = NoInput::default();
        wasi.args(&["python"]).envs(&ENVIRONMENT);
        wasi.stdin(stdin.clone());
        wasi.stdout(sink.clone()).stderr(sink);
        let share = self.engine.memory(self.interpreter.memory())?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let state = StoreState {
            table,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            net: SandboxNetCtx::new(gateway),
            limits: Limits::new(self.memory)
                .beginning_with(self.interpreter.memory_beyond())
                .sharing(share),
            preopens,
            files: Files::default(),
            clock: Clock::after(Duration::ZERO),
            interrupt: Interrupt::new(self.engine.wasmtime()),
            live: None,
        };
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));

        let now = Arc::new(Mutex::new(String::from("the first module")));
        let begin = json!({
            "step": "begin",
            "automatic": is_automatic,
            "rehearses": rehearsal.is_some(),
        });
        let steps = Steps {
            interpreter: self.interpreter.clone(),
            memory: self.memory,
            answers,
            _root: root,
            output,
            stdin,
            now: Arc::clone(&now),
            rehearsal,
        };
        let modules = modules.to_vec();
        let guest = async move { steps.take(store, modules, begin).await };
        let guest = self.engine.threads().run(Arc::new(Usage::new()), guest);
        let done = tokio::time::timeout(self.time, guest).await;
        done.unwrap_or_else(|_| {
            let module = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let limit = humantime(self.time);
            let how = format!(
                "took longer than the limit of {limit} for all imports: raise it with --timeout or \
                 time_limit, or leave the module out"
            );
            Err(SnapshotError::Ended { module, how }.into())
        })
    }

    /// The memory of an interpreter after its imports.
    pub(super) async fn take(
        &self,
        imported: Imported,
        notes: SnapshotNotes,
        into: Option<PathBuf>,
    ) -> Result<Image, Error> {
        let (engine, base) = (self.engine.clone(), self.interpreter.image().clone());
        let taken = tokio::task::spawn_blocking(move || {
            let Imported {
                mut store,
                instance,
                objects,
                ..
            } = imported;
            let at_rest = AtRest::new(&mut store, instance);
            engine.take_image(at_rest, &objects, &base, &notes, into.as_deref())
        });
        Ok(taken.await.map_err(|e| runtime::unfinished(&e))??)
    }
}

/// A time as people write it.
fn humantime(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// The steps of one instance.
struct Steps {
    interpreter: Interpreter,
    memory: usize,
    answers: Root,
    _root: Root,
    output: Capture,
    stdin: NoInput,
    /// The module that is being imported.
    now: Arc<Mutex<String>>,
    /// Is set when the clients begin to make requests.
    rehearsal: Option<Arc<AtomicBool>>,
}

impl Steps {
    async fn take(
        self,
        mut store: Store<StoreState>,
        modules: Vec<String>,
        begin: serde_json::Value,
    ) -> Result<Imported, Error> {
        let is_automatic = begin["automatic"] == true;
        let instance = self.interpreter.instantiate(&mut store).await;
        let instance = instance.map_err(|e| interpreter(format!("{e:#}")))?;
        let mut at_rest = AtRest::new(&mut store, instance);
        let rest = at_rest.stack_pointer().await;
        let rest = rest.map_err(|e| interpreter(format!("{e:#}")))?;
        self.step(&mut at_rest, begin).await?;
        // A step writes its answer.
        let before = at_rest.data().files.lookups();
        self.step(&mut at_rest, json!({ "step": "rest" })).await?;
        let of_an_answer = at_rest.data().files.lookups() - before;
        let mut imports = Vec::new();
        for module in modules {
            self.now
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&module);
            let step = json!({ "step": "import", "module": module });
            let (start, before) = (Instant::now(), at_rest.data().files.lookups());
            let (open, reads) = (at_rest.data().files.open(), self.stdin.reads());
            let answer = self.step(&mut at_rest, step).await?;
            let error = answer.error.map(|why| SnapshotError::Import {
                module: module.clone(),
                why,
                traceback: answer.trace,
            });
            let import = match error {
                Some(error) if !is_automatic => return Err(error.into()),
                error => Import {
                    module,
                    error,
                    fault: answer.fault,
                    looks_at_files: at_rest.data().files.lookups() - before > of_an_answer,
                    leaves_open: at_rest.data().files.open() > open,
                    reads_stdin: self.stdin.reads() > reads,
                    took: start.elapsed(),
                    output: self.output.take(),
                },
            };
            imports.push(import);
        }
        self.now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.store(true, Ordering::Relaxed);
        }
        let answer = self.step(&mut at_rest, json!({ "step": "end" })).await?;
        // Last of all, because what is freed later leaves holes.
        let settle = json!({ "step": "settle", "objects": format!("{ANSWERS}{OBJECTS}") });
        self.step(&mut at_rest, settle).await?;
        let objects = files::read(&self.answers, &[], OBJECTS, LONGEST_OBJECTS);
        let objects = objects.map_err(|e| interpreter(format!("its objects: {e}")))?;
        let pointer = at_rest.stack_pointer().await;
        if pointer.map_err(|e| interpreter(format!("{e:#}")))? != rest {
            return Err(interpreter(
                "it is not at rest after its imports".to_owned(),
            ));
        }
        let open = store.data().files.open();
        let left = answer
            .left
            .or_else(|| (open > 0).then(|| format!("{open} open files")));
        Ok(Imported {
            store,
            instance,
            objects,
            imports,
            left,
            rehearsed: answer.rehearsed,
        })
    }

    /// Lets the interpreter take a step, and reads its answer.
    async fn step(
        &self,
        at_rest: &mut AtRest<'_, StoreState>,
        step: serde_json::Value,
    ) -> Result<Answer, Error> {
        let request = format!("S{step}");
        let status = at_rest.turn(request.as_bytes()).await;
        match status {
            Ok(0) => {}
            Ok(status) => {
                let said = self.output.take();
                let said = String::from_utf8_lossy(&said);
                let last = said.trim_end().lines().next_back().unwrap_or_default();
                let why = format!("a turn ended with status {status}: {last}");
                tracing::debug!(%said, "{why}");
                return Err(interpreter(why));
            }
            Err(error) => return Err(self.ended(&error)),
        }
        let answer = files::read(&self.answers, &[], ANSWER, LONGEST);
        let answer = answer.map_err(|e| interpreter(format!("its answer: {e}")))?;
        serde_json::from_slice(&answer).map_err(|e| interpreter(format!("its answer: {e}")))
    }

    /// Why a step did not come to its end.
    fn ended(&self, error: &wasmtime::Error) -> Error {
        let module = self
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let how = if let Some(exit) = error.downcast_ref::<I32Exit>() {
            format!(
                "ended the interpreter with exit code {}: leave the module out",
                exit.0
            )
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            let memory = self.memory >> 20;
            format!("stopped the interpreter ({trap}), which may have {memory} MiB of memory")
        } else {
            format!("stopped the interpreter: {error:#}")
        };
        SnapshotError::Ended { module, how }.into()
    }
}

fn interpreter(why: String) -> Error {
    SnapshotError::Interpreter(why).into()
}
