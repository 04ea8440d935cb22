#![allow(missing_docs, unsafe_code)]
use sandbox_net::{Engine, RunOptions, Sandbox, Stdin};
use std::time::{Duration, Instant};
fn private() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    rollup
        .lines()
        .filter(|l| l.starts_with("Private_"))
        .map(|l| l.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
        .sum()
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) * 10.0
}
#[tokio::main(worker_threads = 2)]
async fn main() {
    let engine = Engine::builder().build().await.unwrap();
    engine.warm().await.unwrap();
    let net = std::env::args().nth(1).is_some_and(|a| a == "net");
    let n: u64 = 300;
    let build = || {
        let b = Sandbox::builder().engine(engine.clone());
        if net {
            b.allow("http://127.0.0.1:1")
        } else {
            b
        }
    };
    let one = build().build().await.unwrap();
    one.run("print(1)").await.unwrap();
    let (m, c, t) = (private(), cpu(), Instant::now());
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(build().build().await.unwrap());
    }
    println!(
        "build: {} KiB, cpu {:.2} ms, wall {:.2} ms",
        (private() - m) / n,
        (cpu() - c) / n as f64,
        t.elapsed().as_secs_f64() * 1000.0 / n as f64
    );
    let (m, c, t) = (private(), cpu(), Instant::now());
    let mut forks = Vec::new();
    for _ in 0..n {
        forks.push(one.fork().await.unwrap());
    }
    println!(
        "fork: {} KiB, cpu {:.2} ms, wall {:.2} ms",
        (private() - m) / n,
        (cpu() - c) / n as f64,
        t.elapsed().as_secs_f64() * 1000.0 / n as f64
    );
    let (m, c, t) = (private(), cpu(), Instant::now());
    let mut runs = Vec::new();
    for s in &all {
        runs.push(
            s.start("input()", RunOptions::new().stdin(Stdin::Piped))
                .await
                .unwrap(),
        );
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "waiting run: {} KiB, cpu {:.2} ms, wall {:.2} ms",
        (private() - m) / n,
        (cpu() - c) / n as f64,
        t.elapsed().as_secs_f64() * 1000.0 / n as f64
    );
    let (c, t) = (cpu(), Instant::now());
    drop(runs);
    drop(all);
    drop(forks);
    println!(
        "drop: wall {:.2} ms",
        t.elapsed().as_secs_f64() * 1000.0 / n as f64
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "dropped: {} KiB left each, cpu {:.2} ms",
        (private().saturating_sub(m)) / n,
        (cpu() - c) / n as f64
    );
    for round in 0..4 {
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..n {
            let b = build();
            set.spawn(async move {
                let s = b.build().await.unwrap();
                let r = s
                    .start("input()", RunOptions::new().stdin(Stdin::Piped))
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_secs(3)).await;
                drop(r);
                drop(s);
            });
        }
        while set.join_next().await.is_some() {}
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("round {round}: {} KiB", private());
    }
    unsafe extern "C" {
        fn malloc_trim(n: usize) -> i32;
    }
    unsafe {
        malloc_trim(0);
    }
    println!("trimmed: {} KiB", private());
    if std::env::args().nth(2).is_none() {
        return;
    }
    let (c, t) = (cpu(), Instant::now());
    for _ in 0..n {
        build()
            .build()
            .await
            .unwrap()
            .run("import os; os._exit(0)")
            .await
            .unwrap();
    }
    println!(
        "fresh: cpu {:.2} ms, wall {:.2} ms",
        (cpu() - c) / n as f64,
        t.elapsed().as_secs_f64() * 1000.0 / n as f64
    );
    println!("{} KiB now", private());
}
