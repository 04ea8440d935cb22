//! A cache that several processes use at once, or that can't be written: a program runs, or is refused for
//! this reason, and nothing half made is ever used or left.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use sandbox_net::python::progress::{Amount, Progress, Silent, Step};
use sandbox_net::{Engine, Sandbox};
use sandbox_net_tests::{skip_always, wheel};
use tempfile::TempDir;

use super::cache::Copied;

/// The cache of a process that the tests start, and the wheel that its program imports, if any.
const CACHE: &str = "SANDBOX_NET_TEST_BUSY_CACHE";
const WHEEL: &str = "SANDBOX_NET_TEST_BUSY_WHEEL";
/// The milliseconds after which its sandbox does without what is not ready.
const PATIENCE: &str = "SANDBOX_NET_TEST_BUSY_PATIENCE";

// What a process says.
const PREPARES: &str = "preparing the interpreter (once)";
const COMPILES: &str = "compiling the packages";
const IMPORTS: &str = "importing the packages (once)";
const WAITS: &str = "Waiting for another process";
/// The program has run with a module that was imported ahead, and that it has imported itself.
const READY: &str = "ran: True 7";
const UNREADY: &str = "ran: False 7";
const RAN: &str = "ran: ran";

/// Not a test of its own: the tests below run it in processes.
#[tokio::test]
#[ignore = "the other tests run it"]
async fn child() {
    let Some(cache) = std::env::var_os(CACHE) else {
        return;
    };
    let engine = Engine::builder().cache_dir(cache).progress(Telling);
    let engine = engine.build().await;
    let ended = match engine {
        Ok(engine) => program(engine).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(text) => println!("\nran: {}", text.trim()),
        Err(why) => println!("\nrefused: {why}"),
    }
    // A runtime that is dropped waits for a thread that waits for another process.
    std::process::exit(0);
}

async fn program(engine: Engine) -> Result<String, sandbox_net::Error> {
    let mut builder = Sandbox::builder().engine(engine);
    let mut code = "print('ran')";
    if let Ok(wheel) = std::env::var(WHEEL) {
        builder = builder.with_package(wheel);
        code = "import sandbox_net.ready_modules as r; ready = 'slow' in r._ready; import slow; print(ready, slow.value)";
    }
    if let Ok(milliseconds) = std::env::var(PATIENCE) {
        let milliseconds = milliseconds.parse().expect("a number");
        builder = builder.preparation_limit(Duration::from_millis(milliseconds));
    }
    let outcome = builder.build().await?.run(code).await?;
    Ok(format!(
        "{}{}",
        outcome.stdout_text(),
        outcome.stderr_text()
    ))
}

/// Prints what is done, for the test that started this process.
struct Telling;

impl Progress for Telling {
    fn start(&self, label: &str, total: Amount) -> Box<dyn Step> {
        println!("\n{label}");
        Silent.start(label, total)
    }
}

/// A process with a cache.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Process {
    fn start(cache: &Path, wheel: Option<&Path>) -> Self {
        let this = std::env::current_exe().expect("this program");
        Self::of(&mut Command::new(this), cache, wheel)
    }

    /// One with mounts of its own, which `script` makes: `$0` is the cache.
    fn start_with(script: &str, cache: &Path, wheel: Option<&Path>) -> Self {
        let script = format!("set -e\n{script}\nexec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(cache);
        command.arg(std::env::current_exe().expect("this program"));
        Self::of(&mut command, cache, wheel)
    }

    fn of(command: &mut Command, cache: &Path, wheel: Option<&Path>) -> Self {
        command
            .args(["--exact", "--ignored", "--nocapture", "busy_cache::child"])
            .env(CACHE, cache)
            .env("PIP_NO_INDEX", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(wheel) = wheel {
            command.env(WHEEL, wheel);
        }
        let mut child = command.spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Reads on until it has said this.
    fn until(&mut self, text: &str) {
        for line in self.lines.by_ref() {
            self.said.push(line.expect("a line"));
            if self.said.last().is_some_and(|line| line == text) {
                return;
            }
        }
        panic!("it ended without saying {text}: {:#?}", self.said);
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Reads to its end, and returns how it ended.
    fn end(&mut self) -> String {
        self.said
            .extend(self.lines.by_ref().map(|line| line.expect("a line")));
        self.child.wait().expect("its end");
        let is_end = |line: &&String| line.starts_with("ran: ") || line.starts_with("refused: ");
        let end = self.said.iter().find(is_end);
        end.unwrap_or_else(|| panic!("it has no end: {:#?}", self.said))
            .clone()
    }

    /// How often it has said this.
    fn count(&self, text: &str) -> usize {
        self.said.iter().filter(|line| *line == text).count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cold cache: it has the code of interpreters, and no memory that one begins with.
struct Cold {
    cache: PathBuf,
    wheel: PathBuf,
    _copied: Copied,
    _directory: TempDir,
}

impl Cold {
    /// The wheel's module takes a while to import.
    async fn new() -> Self {
        let copied = Copied::linked().await;
        let directory = TempDir::new().expect("a directory");
        let text = "for _ in range(3_000_000): pass\nvalue = 7\n";
        let wheel = wheel(directory.path(), "slow", "1.0", &[("slow.py", text)]);
        let cold = Self {
            cache: copied.cache.clone(),
            wheel,
            _copied: copied,
            _directory: directory,
        };
        for name in cold.images() {
            fs::remove_dir_all(cold.cache.join("image").join(name)).expect("an image");
        }
        cold
    }

    fn start(&self) -> Process {
        Process::start(&self.cache, Some(&self.wheel))
    }

    /// The memories with which interpreters begin.
    fn images(&self) -> Vec<String> {
        let mut names = entries(&self.cache.join("image"));
        names.retain(|name| !name.contains("-runtime-") && !name.starts_with('.'));
        names
    }

    /// Whatever is neither an entry nor was there before.
    fn assert_tidy(&self) {
        for kind in entries(&self.cache) {
            let hidden = entries(&self.cache.join(&kind));
            let hidden: Vec<_> = hidden.iter().filter(|it| it.starts_with('.')).collect();
            assert!(hidden.is_empty(), "{kind}: {hidden:?}");
        }
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let found = fs::read_dir(directory).map_or_else(|_| Vec::new(), Iterator::collect);
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let names = found.into_iter().map(name);
    names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect()
}

#[tokio::test]
async fn of_ten_processes_on_a_cold_cache_one_makes_each_thing_and_all_run() {
    let cold = Cold::new().await;
    let mut all: Vec<_> = (0..10).map(|_| cold.start()).collect();
    for process in &mut all {
        assert_eq!(process.end(), READY, "{:#?}", process.said);
    }
    let count = |text| all.iter().map(|process| process.count(text)).sum::<usize>();
    assert_eq!(
        [PREPARES, COMPILES, IMPORTS].map(count),
        [1, 1, 1],
        "{:#?}",
        all[0].said
    );
    cold.assert_tidy();
    // Whoever comes later makes nothing.
    let mut later = cold.start();
    assert_eq!(later.end(), READY);
    assert_eq!(
        [PREPARES, COMPILES, IMPORTS].map(|it| later.count(it)),
        [0; 3]
    );
}

#[tokio::test]
async fn what_a_process_was_making_that_is_killed_is_made_by_the_next_one() {
    let cold = Cold::new().await;
    for step in [PREPARES, COMPILES, IMPORTS] {
        let mut process = cold.start();
        process.until(step);
        process.signal("KILL");
        process.child.wait().expect("its end");
        if step == PREPARES {
            assert_eq!(cold.images(), [""; 0]);
        }
        assert!(
            entries(&cold.cache.join("snapshot"))
                .iter()
                .all(|it| it.starts_with('.'))
        );
    }
    let mut process = cold.start();
    assert_eq!(process.end(), READY, "{:#?}", process.said);
    assert_eq!(process.count(IMPORTS), 1);
    cold.assert_tidy();
}

#[tokio::test]
async fn who_waits_for_another_process_gets_what_that_makes() {
    let cold = Cold::new().await;
    let mut first = cold.start();
    first.until(COMPILES);
    first.signal("STOP");
    let mut second = cold.start();
    second.until(WAITS);
    // Others, who need nothing of it, don't wait.
    let mut other = Process::start(&cold.cache, None);
    assert_eq!((other.end().as_str(), other.count(WAITS)), (RAN, 0));
    first.signal("CONT");
    assert_eq!(
        (first.end().as_str(), second.end().as_str()),
        (READY, READY)
    );
    assert_eq!((first.count(COMPILES), second.count(COMPILES)), (1, 0));
}

#[tokio::test]
async fn a_process_that_never_goes_on_holds_nobody_up_beyond_the_limit() {
    let cold = Cold::new().await;
    let mut stopped = cold.start();
    stopped.until(IMPORTS);
    stopped.signal("STOP");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env(PATIENCE, "5000");
    let mut waiting = Process::of(&mut command, &cold.cache, Some(&cold.wheel));
    assert_eq!(waiting.end(), UNREADY, "{:#?}", waiting.said);
    assert_eq!(waiting.count(WAITS), 1);
    stopped.signal("CONT");
    assert!(
        [READY, UNREADY].contains(&&*stopped.end()),
        "{:#?}",
        stopped.said
    );
}

/// Mounts need root, and a kernel that lets it have some.
fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
    let can = command.status().is_ok_and(|status| status.success());
    if !can {
        skip_always("only root can mount a small or a read-only file system");
    }
    can
}

#[tokio::test]
async fn a_cache_that_can_only_be_read_is_used_and_what_it_lacks_is_told() {
    if !can_mount() {
        return;
    }
    let cold = Cold::new().await;
    let read_only = "mount --bind \"$0\" \"$0\"\nmount -o remount,bind,ro \"$0\"";
    let run = |wheel: Option<&Path>| Process::start_with(read_only, &cold.cache, wheel).end();
    let refused = |said: String, what: &str| {
        let is_told = said.starts_with("refused: ")
            && said.contains("Read-only file system")
            && said.contains(what);
        assert!(is_told, "{said}");
    };
    refused(run(None), "/image/");
    assert_eq!(Process::start(&cold.cache, None).end(), RAN);
    assert_eq!(run(None), RAN);
    // It has no packages yet; then it has them without their snapshot; then everything.
    refused(run(Some(&cold.wheel)), "cache");
    assert_eq!(cold.start().end(), READY);
    let snapshots = cold.cache.join("snapshot");
    let aside = cold.cache.with_file_name("aside");
    fs::rename(&snapshots, &aside).expect("a move");
    assert_eq!(run(Some(&cold.wheel)), UNREADY);
    fs::rename(&aside, &snapshots).expect("a move");
    assert_eq!(run(Some(&cold.wheel)), READY);
    cold.assert_tidy();
}

#[tokio::test]
async fn a_cache_without_room_for_a_snapshot_is_used_without_it() {
    if !can_mount() {
        return;
    }
    let cold = Cold::new().await;
    // There is room for so many KiB of snapshots.
    let full = |kib: u32| {
        format!(
            "mkdir -p -m 700 \"$0/snapshot\"\n\
             mount -t tmpfs -o size={kib}k,mode=700 none \"$0/snapshot\""
        )
    };
    let run = |kib| Process::start_with(&full(kib), &cold.cache, Some(&cold.wheel)).end();
    assert_eq!(run(256), UNREADY);
    assert_eq!(run(300 << 10), READY);
    // What could not be written is written where there is room.
    assert_eq!(cold.start().end(), READY);
    cold.assert_tidy();
}
