//! A small service under many clients, in one process.
//!
//! `cargo run --release -p sandbox-net-tests --example trial -- [SECONDS [CLIENTS]]`
//!
//! Each client asks for one run after the other. A run has a sandbox of its own, sends one request, and
//! prints its answer. It is measured without a bound on what runs at once, and with `max_running(3)`:
//! runs in a second, the times from the question to the outcome, the memory of the process at its
//! peak, and its open descriptors before and after.

use std::path::Path;
use std::time::{Duration, Instant};

use sandbox_net::{Engine, Exit, Sandbox, Script};
use sandbox_net_tests::HttpServer;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PROGRAM: &str = "import sys, urllib.request\n\
                       print(len(urllib.request.urlopen(sys.argv[1]).read()))";

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().map_or(Ok(20), |word| word.parse())?;
    let clients = words.next().map_or(Ok(20), |word| word.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // The server has a runtime of its own: its times are not what is measured.
    let elsewhere = tokio::runtime::Runtime::new()?;
    let server = elsewhere.block_on(HttpServer::plain());
    runtime.block_on(async {
        for bound in [None, Some(3)] {
            let mut engine = Engine::builder();
            if let Some(bound) = bound {
                engine = engine.max_running(bound);
            }
            let engine = engine.build().await?;
            engine.warm().await?;
            // The first run maps the compiled code.
            serve(&engine, &server).await?;
            let told = measure(&engine, &server, seconds, clients).await?;
            match bound {
                None => println!("no bound: {told}"),
                Some(bound) => println!("max_running({bound}): {told}"),
            }
        }
        Ok(())
    })
}

async fn measure(
    engine: &Engine,
    server: &HttpServer,
    seconds: u64,
    clients: usize,
) -> Result<String, Failure> {
    let open = descriptors()?;
    // Linux counts the peak anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let clients = (0..clients).map(async |_| {
        let mut times = Vec::new();
        while Instant::now() < until {
            let asked = Instant::now();
            serve(engine, server).await?;
            times.push(asked.elapsed().as_secs_f64());
        }
        Ok::<_, Failure>(times)
    });
    let times = futures_util::future::try_join_all(clients).await?;
    let (took, mut times) = (begin.elapsed().as_secs_f64(), times.concat());
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize] * 1000.0;
    Ok(format!(
        "{:.1} runs/s, p50 {:.0} ms, p99 {:.0} ms, peak {} MiB, descriptors {open} and {}",
        times.len() as f64 / took,
        at(0.5),
        at(0.99),
        peak()?,
        descriptors()?
    ))
}

/// One request of a client.
async fn serve(engine: &Engine, server: &HttpServer) -> Result<(), Failure> {
    let sandbox = Sandbox::builder()
        .engine(engine.clone())
        .allow(server.origin())
        .arg(server.origin() + "/get")
        .time_limit(Duration::from_secs(60));
    let sandbox = sandbox.build().await?;
    let outcome = sandbox.run(Script::code(PROGRAM)).await?;
    sandbox.close().await?;
    match outcome.exit {
        Exit::Code(0) => Ok(()),
        _ => Err(outcome.stderr_text().to_string().into()),
    }
}

fn descriptors() -> std::io::Result<usize> {
    Ok(std::fs::read_dir(Path::new("/proc/self/fd"))?.count())
}

/// The most memory of this process since the last reset, in MiB.
fn peak() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no VmHWM")?.parse::<u64>()? / 1024)
}
