//! Many sandboxes that wait for the network at once, in one process.
//!
//! `cargo run --release -p sandbox-net-tests --example crowd -- [SANDBOXES [WAITS [POOLED]]]`
//!
//! Each sandbox runs a program that sends one request, to a server in a process of its own that answers
//! WAITS milliseconds later. It prints when the last one had sent its request and when the last one had
//! ended, how long the first and the last one took, what one that waits holds of the process's private
//! memory, its threads, descriptors and directories, and then what is left once all were dropped while
//! they waited.

mod server;

use std::time::{Duration, Instant};

use sandbox_net::{Engine, Exit, RunOptions, Sandbox, Script};
use server::Server;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PROGRAM: &str = "import sys, urllib.request\n\
                       print(len(urllib.request.urlopen(sys.argv[1]).read()))";

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "serve") {
        return server::serve(words[1].parse()?);
    }
    sandbox_net::set_up_allocator();
    let number = |at: usize, otherwise: u64| match words.get(at) {
        Some(word) => word.parse(),
        None => Ok(otherwise),
    };
    let (count, waits) = (number(0, 1000)?, number(1, 1000)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()?;
    runtime.block_on(crowd(usize::try_from(count)?, Duration::from_millis(waits)))
}

async fn crowd(count: usize, waits: Duration) -> Result<(), Failure> {
    let mut server = Server::start(waits)?;
    let engine = Engine::builder().build().await?;
    engine.warm().await?;
    // The first run loads what all others share.
    visit(&engine, server.origin()).await?;
    server.waits_for(1)?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = Held::now()?;
    println!("before: {before:?}");

    let begin = Instant::now();
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (engine, origin) = (engine.clone(), server.origin().to_owned());
        visits.spawn(async move { visit(&engine, &origin).await });
    }
    let (mut server, arrived) = tokio::task::spawn_blocking(move || {
        server.waits_for(count)?;
        Ok::<_, Failure>((server, begin.elapsed()))
    })
    .await??;
    let mut times = Vec::new();
    let mut held = None;
    if waits > Duration::from_millis(1500) {
        held = Some(Held::now()?);
    }
    while let Some(took) = visits.join_next().await {
        times.push(took??.as_secs_f64());
    }
    let all = begin.elapsed();
    times.sort_by(f64::total_cmp);
    println!(
        "{count} sandboxes: all sent after {arrived:.2?}, all done after {all:.2?}; each took {:.2} to {:.2} s",
        times[0],
        times[count - 1]
    );
    if let Some(held) = held {
        println!("while all wait: {held:?}");
        println!(
            "each: {} KiB private",
            (held.private - before.private) / count as u64
        );
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    println!("after: {:?}", Held::now()?);

    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (engine, origin) = (engine.clone(), server.origin().to_owned());
        visits.spawn(async move { visit(&engine, &origin).await });
    }
    let server = tokio::task::spawn_blocking(move || {
        server.waits_for(count)?;
        Ok::<_, Failure>(server)
    })
    .await??;
    let begin = Instant::now();
    visits.shutdown().await;
    let dropped = begin.elapsed();
    while Held::now()?.directories > before.directories {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!(
        "dropped in {dropped:.2?}, all gone after {:.2?}",
        begin.elapsed()
    );
    println!("after: {:?}", Held::now()?);
    drop(server);
    Ok(())
}

async fn visit(engine: &Engine, origin: &str) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let sandbox = Sandbox::builder()
        .engine(engine.clone())
        .allow(origin)
        .arg(format!("{origin}/"))
        .time_limit(Duration::from_secs(60));
    let sandbox = sandbox.build().await?;
    let mut run = sandbox
        .start(Script::code(PROGRAM), RunOptions::new())
        .await?;
    let outcome = run.wait().await?;
    match outcome.exit {
        Exit::Code(0) => Ok(begin.elapsed()),
        _ => Err(outcome.stderr_text().to_string().into()),
    }
}

/// What the process holds.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Held {
    /// KiB that no other process shares.
    private: u64,
    resident: u64,
    threads: usize,
    descriptors: usize,
    mappings: usize,
    directories: usize,
}

impl Held {
    fn now() -> Result<Self, Failure> {
        let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
        let sum = |keys: &[&str]| -> u64 {
            let lines = rollup
                .lines()
                .filter(|line| keys.iter().any(|key| line.starts_with(key)));
            let numbers =
                lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            numbers.sum()
        };
        let count = |path: &str| Ok::<_, Failure>(std::fs::read_dir(path)?.count());
        let own = std::fs::read_dir(std::env::temp_dir())?.filter_map(Result::ok);
        let own = own.filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("sandbox-net-")
        });
        Ok(Self {
            private: sum(&["Private_Clean:", "Private_Dirty:"]),
            resident: sum(&["Rss:"]),
            threads: count("/proc/self/task")?,
            descriptors: count("/proc/self/fd")?,
            mappings: std::fs::read_to_string("/proc/self/maps")?.lines().count(),
            directories: own.count(),
        })
    }
}
