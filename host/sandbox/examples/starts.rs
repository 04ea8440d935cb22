//! Measures how long a fresh sandbox takes in a running host: `starts [net | get URL] [N]`.
//!
//! A sandbox is built, runs `print(1)`, and is dropped, N times (200); with `net` a rule gives it the
//! network, and with `get` it sends a request instead, of which no answer is printed. The last line tells what else
//! the machine was doing; processor time depends less on that.

use std::time::{Duration, Instant};

use sandbox_net::{Engine, Error, Sandbox, SandboxBuilder};

const NAMES: [&str; 4] = ["build", "run", "drop", "all"];

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let (rule, script) = match arguments.first().map(String::as_str) {
        Some("net") => (
            Some("https://starts.test".to_owned()),
            "print(1)".to_owned(),
        ),
        Some("get") if arguments.len() > 1 => {
            let url = arguments.remove(1);
            let script = format!("import urllib.request as r\nr.urlopen({url:?}).read()\nprint(1)");
            (Some(url), script)
        }
        _ => (None, "print(1)".to_owned()),
    };
    if rule.is_some() {
        arguments.remove(0);
    }
    let rounds = arguments.first().and_then(|count| count.parse().ok());
    let rounds: usize = rounds.unwrap_or(200).max(1);

    let begun = Instant::now();
    let engine = Engine::shared().await?;
    engine.warm().await?;
    println!("the engine: {:.1} ms", milliseconds(begun.elapsed()));
    let builder = || {
        let builder = Sandbox::builder().engine(engine.clone());
        match &rule {
            Some(rule) => builder.allow(rule),
            None => builder,
        }
    };
    let first = once(builder(), &script).await?;
    println!("the first sandbox: {:.1} ms", milliseconds(first[3]));

    let (begun, computed) = (Instant::now(), processor_time());
    let mut times = [const { Vec::new() }; NAMES.len()];
    for _ in 0..rounds {
        for (times, time) in times.iter_mut().zip(once(builder(), &script).await?) {
            times.push(milliseconds(time));
        }
    }
    let rate = rounds as f64 / begun.elapsed().as_secs_f64();
    let computed = milliseconds(processor_time() - computed) / rounds as f64;
    for (name, mut times) in NAMES.into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[(rounds * percent / 100).min(rounds - 1)];
        println!(
            "{name:>5}: median {:.3} ms, fastest {:.3}, 90% within {:.3}",
            at(50),
            at(0),
            at(90)
        );
    }
    println!("{rate:.0} a second, one after the other; {computed:.3} ms of processor time each");
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        println!("load {}", load.trim());
    }
    Ok(())
}

/// How long each part of a sandbox's life takes.
async fn once(builder: SandboxBuilder, script: &str) -> Result<[Duration; NAMES.len()], Error> {
    let begun = Instant::now();
    let sandbox = builder.build().await?;
    let built = begun.elapsed();
    let outcome = sandbox.run(script).await?;
    assert_eq!(outcome.stdout_text(), "1\n");
    let ran = begun.elapsed();
    drop(outcome);
    drop(sandbox);
    let all = begun.elapsed();
    Ok([built, ran - built, all - ran, all])
}

/// What all threads of this process have computed.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
