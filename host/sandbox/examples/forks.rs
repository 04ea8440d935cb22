//! Measures forks of a session that has pandas loaded and a frame of 10 MB.
//!
//! ```text
//! cargo run --release -p sandbox-net --example forks
//! ```

use std::fs;
use std::time::{Duration, Instant};

use sandbox_net::{Error, ForkOptions, Sandbox, Session};

/// What a data analysis begins with.
const SETUP: &str = "
import numpy as np, pandas as pd
frame = pd.DataFrame(np.arange(1_250_000.0).reshape(-1, 5), columns=list('abcde'))
x = 0
frame['a'].sum()
";
const TURN: &str = "x += 1; frame['a'].sum()";
const FORKS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let sandbox = Sandbox::builder().build().await?;
    let mut session = sandbox.session().await?;
    session.exec(SETUP).await?;
    let warm = first_turns(&mut session, 3, "x += 1").await?;
    drop(warm);
    for (name, between) in [
        ("at rest", ""),
        ("after a turn of the parent", "x += 1; frame.iloc[0, 0] = x"),
    ] {
        report(name, first_turns(&mut session, 40, between).await?);
    }
    many(&mut session).await?;
    Ok(())
}

/// The times of a fork, of its first turn, and of both, so often.
async fn first_turns(
    session: &mut Session,
    count: usize,
    between: &str,
) -> Result<[Vec<Duration>; 3], Error> {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..count {
        if !between.is_empty() {
            session.exec(between).await?;
        }
        let begun = Instant::now();
        let mut fork = session.fork().await?;
        let forked = begun.elapsed();
        let outcome = fork.exec(TURN).await?;
        let all = begun.elapsed();
        assert!(outcome.value.is_some(), "{outcome:?}");
        for (times, time) in times.iter_mut().zip([forked, all - forked, all]) {
            times.push(time);
        }
    }
    Ok(times)
}

async fn many(session: &mut Session) -> Result<(), Error> {
    let mut times = Vec::new();
    for _ in 0..5 {
        session.exec("x += 1").await?;
        let begun = Instant::now();
        let forks = session.fork_many(FORKS, ForkOptions::new()).await?;
        times.push(begun.elapsed());
        drop(forks);
    }
    println!("{FORKS} forks: {}", median(times));
    let before = private();
    let mut forks = session.fork_many(FORKS, ForkOptions::new()).await?;
    let idle = private();
    for fork in &mut forks {
        fork.exec(TURN).await?;
    }
    let used = private();
    let each = |bytes: u64| bytes as f64 / FORKS as f64 / 1024.0;
    println!(
        "private memory of a fork: {:.2} MiB at rest, {:.2} MiB after its first turn",
        each(idle.saturating_sub(before)),
        each(used.saturating_sub(before)),
    );
    Ok(())
}

fn report(name: &str, [forked, turn, all]: [Vec<Duration>; 3]) {
    println!(
        "{name}: fork {}, its first turn {}, both {}",
        median(forked),
        median(turn),
        median(all)
    );
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (low, middle) = (times[0], times[times.len() / 2]);
    format!("{middle:.2?} (least {low:.2?})")
}

/// What this process alone has in memory, in KiB.
fn private() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        number.unwrap_or(0)
    };
    of("Private_Dirty:") + of("Private_Clean:")
}
