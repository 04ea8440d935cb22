//! Honest guests beside guests that compute without end, in one process.
//!
//! `cargo run --release -p sandbox-net-tests --example neighbours -- [SECONDS [HONEST]]`
//!
//! Ten honest guests send requests with pauses, on a runtime of two threads, beside 0, 1 and 3 guests
//! that spin. It prints the times of their requests, and how late a timer of the host is meanwhile.

use std::time::{Duration, Instant};

use sandbox_net::{Exit, Sandbox, Script};
use sandbox_net_tests::HttpServer;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const HONEST: &str = include_str!("honest.py");
const SPINNING: &str = "while True: pass";
/// How often the host's timer ticks.
const TICK: Duration = Duration::from_millis(10);

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().map_or(Ok(10), |word| word.parse())?;
    let honest = words.next().map_or(Ok(10), |word| word.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    // The server has its own runtime, because its times are not measured.
    let elsewhere = tokio::runtime::Runtime::new()?;
    let server = elsewhere.block_on(HttpServer::plain());
    runtime.block_on(async {
        for spinners in [0, 1, 3] {
            let (requests, late) = measure(&server, seconds, honest, spinners).await?;
            println!("{spinners} spinners: requests {requests}; host's timer late {late}");
        }
        Ok(())
    })
}

async fn measure(
    server: &HttpServer,
    seconds: u64,
    honest: usize,
    spinners: usize,
) -> Result<(Times, Times), Failure> {
    let mut spinning = Vec::new();
    for _ in 0..spinners {
        let sandbox = Sandbox::builder()
            .time_limit(Duration::from_secs(seconds + 60))
            .build()
            .await?;
        spinning.push(tokio::spawn(async move {
            sandbox.run(Script::code(SPINNING)).await.map(|_| ())
        }));
    }
    let origin = server.origin();
    let port = origin.rsplit(':').next().unwrap_or_default().to_owned();
    let timer = tokio::spawn(lateness(Duration::from_secs(seconds)));
    let mut guests = Vec::new();
    for _ in 0..honest {
        let sandbox = Sandbox::builder()
            .allow(&origin)
            .arg("127.0.0.1")
            .arg(&port)
            .arg(seconds.to_string())
            .build()
            .await?;
        guests.push(tokio::spawn(async move {
            sandbox.run(Script::code(HONEST)).await
        }));
    }
    let mut times = Vec::new();
    for guest in guests {
        let outcome = guest.await??;
        if outcome.exit != Exit::Code(0) {
            return Err(outcome.stderr_text().to_string().into());
        }
        times.extend(serde_json::from_slice::<Vec<f64>>(&outcome.stdout)?);
    }
    let late = timer.await?;
    for spinner in spinning {
        spinner.abort();
        let _ = spinner.await;
    }
    Ok((Times::of(times), Times::of(late)))
}

/// How late a timer of this runtime is, in milliseconds.
async fn lateness(during: Duration) -> Vec<f64> {
    let (begin, mut late) = (Instant::now(), Vec::new());
    while begin.elapsed() < during {
        let due = Instant::now() + TICK;
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed().as_secs_f64() * 1000.0);
    }
    late
}

/// Times in milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn at(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (last as f64 * part).round() as usize;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (median, late, most) = (self.at(0.5), self.at(0.99), self.at(1.0));
        let count = self.0.len();
        write!(
            f,
            "p50 {median:.1} ms, p99 {late:.1} ms, most {most:.1} ms of {count}"
        )
    }
}
