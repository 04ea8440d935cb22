//! Measures turns of a session: `cargo run --release -p sandbox-net --example turns`.

use std::time::{Duration, Instant};

use sandbox_net::{Sandbox, blocking};

const ROUNDS: usize = 2000;

#[tokio::main]
async fn main() -> Result<(), sandbox_net::Error> {
    let sandbox = Sandbox::builder().build().await?;
    let begun = Instant::now();
    let mut session = sandbox.session().await?;
    println!("a session: {:?}", begun.elapsed());
    session.exec("x = 0; l = list(range(10))").await?;
    for code in [
        "pass",
        "x += 1",
        "x",
        "l",
        "print(x)",
        "def f(): pass",
        "await f2()",
    ] {
        session.exec("async def f2(): return 1").await?;
        let mut times = Vec::with_capacity(ROUNDS);
        let mut cpu = Duration::ZERO;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let outcome = session.exec(code).await?;
            times.push(start.elapsed());
            cpu += outcome.cpu;
            assert!(outcome.is_done(), "{code}: {outcome:?}");
        }
        show(code, times, cpu);
    }
    let times = tokio::task::spawn_blocking(|| {
        let sandbox = blocking::Sandbox::build(Sandbox::builder())?;
        let mut session = sandbox.session()?;
        session.exec("x = 0")?;
        let turns = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            session.exec("x += 1").map(|_| start.elapsed())
        });
        turns.collect::<Result<Vec<_>, sandbox_net::Error>>()
    });
    let times = times.await.expect("no panic")?;
    show("x += 1, blocking", times, Duration::ZERO);
    let begun = Instant::now();
    drop(session);
    println!("dropped: {:?}", begun.elapsed());
    Ok(())
}

fn show(what: &str, mut times: Vec<Duration>, cpu: Duration) {
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    println!(
        "{what}: min {:?}, median {:?}, 90% {:?}; in the guest {:?}",
        times[0],
        at(50),
        at(90),
        cpu / u32::try_from(times.len()).unwrap_or(1)
    );
}
