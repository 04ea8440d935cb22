//! Runs one interpreter, from its first instruction to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use sandbox_net_gateway::Gateway;
use sandbox_net_wasi::{HOSTCALL_FUEL, SandboxNetCtx};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::cli::StdoutStream;
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::checks;
use crate::engine::{
    Clock, Engine, Files, Interpreter, Interrupt, Interruptible, Limits, Preopen, Share,
    StoreState, Usage, deliver,
};
use crate::error::Error;
use crate::handles::Handles;
use crate::script::Exit;
use crate::stdio::{InputSource, Sink};

/// Resources that a guest may hold at once: connections, exchanges, streams, files and pollables.
/// The adapter's own bound is well below it; a guest without that adapter traps at one more.
const RESOURCES: usize = 1 << 16;
/// The default limit of a guest's memory.
pub(crate) const MEMORY: usize = 1 << 30;

/// What an interpreter is given.
pub(crate) struct Guest {
    pub(crate) engine: Engine,
    /// What it begins as.
    pub(crate) interpreter: Interpreter,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdin: InputSource,
    /// The directories that it begins with.
    pub(crate) preopens: Vec<Preopen>,
    pub(crate) gateway: Gateway,
    /// The most bytes of memory that it may have.
    pub(crate) memory: usize,
    /// The most processor time.
    pub(crate) cpu: Option<Duration>,
}

/// How an interpreter ended; the default means that it has not started.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) memory: usize,
    pub(crate) handles: Handles,
    pub(crate) cpu: Duration,
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            exit: Exit::TimeLimit,
            memory: 0,
            handles: Handles::default(),
            cpu: Duration::ZERO,
        }
    }
}

impl Guest {
    /// Runs the interpreter to its end, and until what it wrote has arrived. Its time, `killed` and
    /// dropping the future end it.
    pub(crate) async fn run(
        self,
        (stdout, stderr): (Sink, Sink),
        until: Option<Instant>,
        killed: &CancellationToken,
    ) -> Result<Ended, Error> {
        if until.is_some_and(|until| until <= Instant::now()) {
            return Ok(Ended::default());
        }
        let interpreter = self.interpreter.clone();
        let (engine, memory) = (self.engine.clone(), self.memory);
        let (mut store, usage) = self.store(stdout.clone(), stderr.clone())?;
        let counted = Arc::clone(&usage);
        let stop = Arc::new(Stop::default());
        let asked = Arc::clone(&stop);
        let guest = async move {
            let running = async {
                let instance = interpreter.instantiate(&mut store).await?;
                let run = instance.get_typed_func::<(), (i32,)>(&mut store, "run")?;
                let ended = run.call_async(&mut store, ()).await;
                tokio::join!(stdout.written(), stderr.written());
                ended
            };
            let exit = match asked.or(running).await {
                // Whoever asked knows better.
                None => Exit::Killed,
                Some(Ok((code,))) => Exit::Code(code),
                Some(Err(error)) => exit_of(&error, memory)?,
            };
            if exit == Exit::Code(0) {
                interpreter.learn(&store);
            }
            // Connections that are still open end here, with the store.
            Ok(Ended {
                exit,
                memory: store.data().limits.held(),
                handles: Handles::in_table(&mut store.data_mut().table),
                cpu: counted.used(),
            })
        };
        let guest = guest.in_current_span();
        let mut guest = engine.threads().run(usage, guest);
        let exit = tokio::select! {
            biased;
            ended = &mut guest => return ended,
            () = passed(until) => Exit::TimeLimit,
            () = killed.cancelled() => Exit::Killed,
        };
        stop.ask();
        let ended = guest.await?;
        Ok(match ended.exit {
            Exit::Killed => Ended { exit, ..ended },
            _ => ended,
        })
    }

    /// The store in which it is instantiated, and the processor time that it takes.
    ///
    /// # Errors
    ///
    /// If its memory does not hold the interpreter, or the engine's guests have as much as they may.
    pub(crate) fn store(
        self,
        stdout: impl StdoutStream + 'static,
        stderr: impl StdoutStream + 'static,
    ) -> Result<(Store<StoreState>, Arc<Usage>), Error> {
        checks::memory_holds(self.memory, self.interpreter.memory())?;
        let (engine, cpu) = (self.engine.clone(), self.cpu);
        let share = engine.memory(self.interpreter.memory())?;
        let usage = Arc::new(Usage::new());
        let mut store = Store::new(engine.wasmtime(), self.state(stdout, stderr, share));
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HOSTCALL_FUEL);
        store.set_epoch_deadline(1);
        let counted = Arc::clone(&usage);
        store.epoch_deadline_callback(move |store| {
            deliver(store);
            match cpu {
                Some(limit) if counted.used() >= limit => Err(CpuLimit.into()),
                _ => Ok(UpdateDeadline::Yield(1)),
            }
        });
        Ok((store, usage))
    }

    fn state(
        mut self,
        stdout: impl StdoutStream + 'static,
        stderr: impl StdoutStream + 'static,
        share: Share,
    ) -> StoreState {
        let stdin = std::mem::replace(&mut self.stdin, InputSource::Empty);
        // It begins with so many bytes besides what its runtime asks for.
        let held = self.interpreter.memory_beyond();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let clock = Clock::after(self.interpreter.clock());
        let interrupt = Interrupt::new(self.engine.wasmtime());
        let mut wasi = self.wasi(stdin, &interrupt);
        wasi.monotonic_clock(clock);
        StoreState {
            table,
            wasi: wasi.stdout(stdout).stderr(stderr).build(),
            http: WasiHttpCtx::new(),
            net: SandboxNetCtx::new(self.gateway),
            limits: Limits::new(self.memory).beginning_with(held).sharing(share),
            preopens: self.preopens,
            files: Files::default(),
            clock,
            interrupt,
            live: None,
        }
    }

    fn wasi(&self, stdin: InputSource, interrupt: &Interrupt) -> WasiCtxBuilder {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(&self.args);
        for (name, value) in &self.env {
            wasi.env(name, value);
        }
        match stdin {
            InputSource::Empty => {}
            InputSource::Process(stdin) => {
                wasi.stdin(Interruptible::new(stdin, interrupt.clone()));
            }
            InputSource::Bytes(bytes) => {
                wasi.stdin(Interruptible::new(bytes, interrupt.clone()));
            }
            InputSource::Pipe(pipe) => {
                wasi.stdin(Interruptible::new(pipe, interrupt.clone()));
            }
        }
        wasi
    }
}

/// How a guest is asked to end. Its own thread has no clock: the time limit is kept where the run is
/// waited for.
#[derive(Default)]
pub(crate) struct Stop {
    is_asked: AtomicBool,
    guest: AtomicWaker,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::Release);
        self.guest.wake();
    }

    /// What comes of `work`, unless it is asked to stop before.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            self.guest.register(cx.waker());
            match self.is_asked.load(Ordering::Acquire) {
                true => Poll::Ready(None),
                false => work.as_mut().poll(cx).map(Some),
            }
        })
        .await
    }
}

/// Waits until this time, for ever without one.
pub(crate) async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// What comes of `work`, unless it takes too long.
pub(crate) async fn before<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        // A timer would let the work begin before it looks at the clock.
        Some(until) if until <= Instant::now() => None,
        Some(until) => tokio::time::timeout_at(until.into(), work).await.ok(),
        None => Some(work.await),
    }
}

/// The processor time is used up.
#[derive(Debug)]
struct CpuLimit;

impl fmt::Display for CpuLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the CPU limit ended the program")
    }
}

impl std::error::Error for CpuLimit {}

/// What an error of the interpreter says about the run.
pub(crate) fn exit_of(error: &wasmtime::Error, memory: usize) -> Result<Exit, Error> {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Ok(Exit::Code(exit.0));
    }
    if error.is::<CpuLimit>() {
        return Ok(Exit::CpuLimit);
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Ok(Exit::Trap(trap.to_string())),
        None => Err(checks::start_error(format!("{error:#}"), memory)),
    }
}
