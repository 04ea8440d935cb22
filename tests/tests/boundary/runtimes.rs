//! What a tokio runtime lacks, or its end in the middle of a run, is an error and no panic, and leaves
//! nothing behind.

use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sandbox_net::python::RuntimeError;
use sandbox_net::{BuildError, Capability, Engine, Error, Output, Sandbox};
use tokio::runtime::{Builder, Runtime};

/// What a future says where there is no runtime.
fn outside<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for a runtime that is not there"),
    }
}

fn whole() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all();
    builder.build().expect("a runtime")
}

fn lacks<T>(result: Result<T, Error>) -> Option<RuntimeError> {
    match result {
        Err(Error::Runtime(error) | Error::Build(BuildError::Runtime(error))) => Some(error),
        _ => None,
    }
}

#[test]
fn without_a_runtime_every_entry_point_says_so_and_does_not_panic() {
    let runtime = whole();
    let engine = runtime.block_on(Engine::shared()).expect("an engine");
    let builder = || Sandbox::builder().engine(engine.clone());
    let make = || runtime.block_on(builder().build()).expect("a sandbox");
    let sandbox = make();
    let missing = Some(RuntimeError::Missing);
    assert_eq!(
        lacks(outside(Engine::builder().build()).map_err(Error::from)),
        missing
    );
    let component = outside(engine.component(Capability::None));
    assert_eq!(lacks(component.map_err(Error::from)), missing);
    assert_eq!(lacks(outside(engine.warm()).map_err(Error::from)), missing);
    assert_eq!(lacks(outside(builder().build())), missing);
    assert_eq!(lacks(outside(builder().prepare())), missing);
    assert_eq!(lacks(outside(sandbox.run("print(1)"))), missing);
    assert_eq!(lacks(outside(sandbox.read_file("/home/a"))), missing);
    assert_eq!(lacks(outside(sandbox.write_file("/home/a", "b"))), missing);
    assert_eq!(lacks(outside(sandbox.fork())), missing);
    assert_eq!(lacks(outside(make().close())), missing);
    // The control: the same sandbox works inside of one.
    let outcome = runtime.block_on(sandbox.run("print(1)")).expect("a run");
    assert_eq!(outcome.stdout_text(), "1\n");
}

#[test]
fn a_runtime_without_timers_or_sockets_is_refused_by_name_where_they_are_needed() {
    let engine = whole().block_on(Engine::shared()).expect("an engine");
    let builder = || Sandbox::builder().engine(engine.clone());
    let no_time = Builder::new_current_thread().enable_io().build();
    let no_time = no_time.expect("a runtime");
    let refused = no_time.block_on(builder().build());
    assert_eq!(lacks(refused), Some(RuntimeError::NoTime));

    let no_io = Builder::new_current_thread().enable_time().build();
    let no_io = no_io.expect("a runtime");
    let networked = builder().allow("https://api.test").build();
    let refused = no_io.block_on(networked);
    assert_eq!(lacks(refused), Some(RuntimeError::NoIo));
    // A sandbox without a network needs no sockets.
    let outcome = no_io.block_on(async { builder().build().await?.run("print(1)").await });
    assert_eq!(outcome.expect("a run").stdout_text(), "1\n");

    // The runtime of a run may be another than that of the builder.
    let sandbox = whole().block_on(builder().allow("https://api.test").build());
    let sandbox = sandbox.expect("a sandbox");
    for (runtime, expected) in [
        (&no_time, RuntimeError::NoTime),
        (&no_io, RuntimeError::NoIo),
    ] {
        let refused = runtime.block_on(sandbox.run("print(1)"));
        assert_eq!(lacks(refused), Some(expected));
    }
}

/// Tells when the guest has written something.
struct Signal(mpsc::Sender<()>);

impl std::io::Write for Signal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Nobody may wait any more.
        let _ = self.0.send(());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether any sandbox of this user still has the file `/home/NAME`.
fn is_left(name: &str) -> bool {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("the temporary directory");
    entries.flatten().any(|entry| {
        let is_ours = entry
            .file_name()
            .to_string_lossy()
            .starts_with("sandbox-net-");
        is_ours && entry.path().join("files/home").join(name).exists()
    })
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_whose_runtime_is_shut_down_ends_and_leaves_no_guest_and_no_files() {
    let main = whole();
    // It never answers.
    let server = TcpListener::bind("127.0.0.1:0").expect("a server");
    let origin = format!("http://{}", server.local_addr().expect("its address"));
    // With one thread a guest that goes on would keep the next one waiting.
    let engine = main.block_on(Engine::builder().threads(1).max_running(1).build());
    let engine = engine.expect("an engine");
    main.block_on(engine.warm()).expect("interpreters");
    let waits = format!("import urllib.request as u; u.urlopen('{origin}/')");
    for (number, last) in ["while True: pass", "import time; time.sleep(600)", &waits]
        .into_iter()
        .enumerate()
    {
        let mark = format!("mark-{}-{number}", std::process::id());
        let code = format!("open('/home/{mark}', 'w').close()\nprint('begun', flush=True)\n{last}");
        let doomed = whole();
        let (begun, wait) = mpsc::channel();
        let sandbox = Sandbox::builder()
            .engine(engine.clone())
            .allow(&*origin)
            .stdout(Output::to(Signal(begun)));
        let sandbox = Arc::new(doomed.block_on(sandbox.build()).expect("a sandbox"));
        let (weak, running) = (Arc::downgrade(&sandbox), Arc::clone(&sandbox));
        let task = doomed.spawn(async move { running.run(code).await });
        wait.recv_timeout(Duration::from_secs(60)).expect("a guest");
        assert!(is_left(&mark), "the control: the file is there");
        drop(sandbox);
        doomed.shutdown_background();
        until("the run goes", || weak.upgrade().is_none());
        until("its files go", || !is_left(&mark));
        // Whoever waits for the task elsewhere is told by tokio.
        assert!(main.block_on(task).expect_err("no outcome").is_cancelled());
        // The only place and the only thread are free again.
        let next = Sandbox::builder().engine(engine.clone()).build();
        let outcome = main.block_on(async { next.await?.run("print(1)").await });
        assert_eq!(outcome.expect("a run").stdout_text(), "1\n", "{last}");
    }
}

#[test]
fn a_run_that_another_thread_waits_for_is_an_error_once_the_runtime_is_shut_down() {
    let main = whole();
    // It never answers.
    let server = TcpListener::bind("127.0.0.1:0").expect("a server");
    let origin = format!("http://{}", server.local_addr().expect("its address"));
    let engine = main.block_on(Engine::builder().threads(1).build());
    let engine = engine.expect("an engine");
    let waits = format!("import urllib.request as u; u.urlopen('{origin}/')");
    for last in ["while True: pass", "import time; time.sleep(600)", &waits] {
        let doomed = whole();
        let (begun, wait) = mpsc::channel();
        let sandbox = Sandbox::builder()
            .engine(engine.clone())
            .allow(&*origin)
            .time_limit(Duration::from_secs(100))
            .stdout(Output::to(Signal(begun)));
        let sandbox = doomed.block_on(sandbox.build()).expect("a sandbox");
        let handle = doomed.handle().clone();
        let code = format!("print('begun', flush=True)\n{last}");
        let (ended, result) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            ended
                .send(handle.block_on(sandbox.run(code)))
                .expect("a reader");
        });
        wait.recv_timeout(Duration::from_secs(60)).expect("a guest");
        doomed.shutdown_background();
        let result = result.recv_timeout(Duration::from_secs(20));
        let result = result.unwrap_or_else(|_| panic!("the run hangs or has panicked: {last}"));
        assert_eq!(lacks(result), Some(RuntimeError::ShutDown), "{last}");
        thread.join().expect("no panic");
    }
}
