//! Many clients of the example `server`, one request after the other each, and what became of them.
//!
//! `load ADDRESS [CLIENTS [SECONDS]]`, such as `load 127.0.0.1:40123 50 60`.
//!
//! Each client sends programs of several kinds. It knows what each prints and how it ends, and compares every
//! byte. A request that gets another answer is lost, and the first ones are shown. One that is refused with 429
//! is sent again. In the end it prints how many were answered, the times to the first bytes and to the end,
//! and the server's statistics.

mod answer;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use answer::{Answer, get, post};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A program, its limits, what it prints, and how it ends.
struct Kind {
    name: &'static str,
    query: &'static str,
    program: fn(u64) -> String,
    prints: fn(u64) -> String,
    ends: (&'static str, i64),
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "prints",
        query: "",
        program: |number| format!("print('program', {number})"),
        prints: |number| format!("program {number}\n"),
        ends: ("exit", 0),
    },
    Kind {
        name: "waits",
        query: "?seconds=30",
        program: |number| format!("import time\nprint({number})\ntime.sleep(0.05)\nprint('over')"),
        prints: |number| format!("{number}\nover\n"),
        ends: ("exit", 0),
    },
    Kind {
        name: "writes and reads",
        query: "",
        // Who found a file of another program would print something else.
        program: |number| {
            format!(
                "with open('mine', 'a+') as file:\n    file.write('{number} ' * 1000)\n    \
                 file.seek(0)\n    print(file.read())"
            )
        },
        prints: |number| format!("{number} ").repeat(1000) + "\n",
        ends: ("exit", 0),
    },
    Kind {
        name: "fails",
        query: "",
        program: |number| format!("import sys\nprint({number})\nsys.exit(7)"),
        prints: |number| format!("{number}\n"),
        ends: ("exit", 7),
    },
    Kind {
        name: "prints much",
        query: "",
        program: |number| format!("for _ in range(50): print('{number}' * 100)"),
        prints: |number| (number.to_string().repeat(100) + "\n").repeat(50),
        ends: ("exit", 0),
    },
];

/// What one client has seen.
#[derive(Default)]
struct Seen {
    answered: BTreeMap<&'static str, u64>,
    refused: u64,
    lost: Vec<String>,
    /// Seconds to the first bytes and to the end.
    times: Vec<(f64, f64)>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(address) = args.next() else {
        anyhow::bail!("usage: load ADDRESS [CLIENTS [SECONDS]]");
    };
    let clients: u64 = args.next().map_or(Ok(50), |word| word.parse())?;
    let seconds: u64 = args.next().map_or(Ok(60), |word| word.parse())?;
    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let mut all = JoinSet::new();
    for client in 0..clients {
        all.spawn(ask(address.clone(), client, until));
    }
    let mut seen = Seen::default();
    while let Some(of_one) = all.join_next().await {
        seen.add(of_one?);
    }
    let stats = get(&address, "/stats").await?;
    println!("{}", seen.told(clients, begin.elapsed(), &stats));
    for lost in seen.lost.iter().take(5) {
        println!("lost: {lost}");
    }
    anyhow::ensure!(
        seen.lost.is_empty(),
        "{} requests were lost",
        seen.lost.len()
    );
    Ok(())
}

/// One client, until the time is over.
async fn ask(address: String, client: u64, until: Instant) -> Seen {
    let mut seen = Seen::default();
    for number in 0.. {
        if Instant::now() >= until {
            break;
        }
        let kind = &KINDS[((client + number) % KINDS.len() as u64) as usize];
        let number = client << 32 | number;
        let program = (kind.program)(number);
        let asked = Instant::now();
        let answer = loop {
            let answer = post(&address, &format!("/run{}", kind.query), &program).await;
            match answer {
                Ok(Answer { status: 429, .. }) => seen.refused += 1,
                answer => break answer,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        match answer
            .map_err(|error| error.to_string())
            .and_then(|answer| kind.check(number, &answer))
        {
            Ok(first_bytes) => {
                let first = first_bytes.duration_since(asked).as_secs_f64();
                seen.times.push((first, asked.elapsed().as_secs_f64()));
                *seen.answered.entry(kind.name).or_default() += 1;
            }
            Err(why) => seen.lost.push(format!("{}: {why}", kind.name)),
        }
    }
    seen
}

impl Kind {
    /// Compares an answer with what it has to be; returns when its first bytes came.
    fn check(&self, number: u64, answer: &Answer) -> Result<Instant, String> {
        if answer.status != 200 {
            return Err(format!("{} {}", answer.status, answer.body));
        }
        let lines = answer.body.lines().map(serde_json::from_str::<Value>);
        let lines: Vec<Value> = lines
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let (end, pieces) = lines.split_last().ok_or("it has no line")?;
        let printed: String = pieces
            .iter()
            .filter_map(|line| line["stdout"].as_str())
            .collect();
        let ended = (end["ended"].as_str(), end["exit_code"].as_i64());
        match printed == (self.prints)(number) && ended == (Some(self.ends.0), Some(self.ends.1)) {
            true => Ok(answer.first_piece),
            false => Err(answer.body.clone()),
        }
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        for (kind, count) in other.answered {
            *self.answered.entry(kind).or_default() += count;
        }
        self.refused += other.refused;
        self.lost.extend(other.lost);
        self.times.extend(other.times);
    }

    fn told(&self, clients: u64, took: Duration, stats: &Value) -> Value {
        let at = |part: f64, of: fn(&(f64, f64)) -> f64| {
            let mut times: Vec<f64> = self.times.iter().map(of).collect();
            times.sort_by(f64::total_cmp);
            let index = (times.len().saturating_sub(1) as f64 * part).round() as usize;
            times.get(index).map(|time| (time * 1e4).round() / 10.0)
        };
        let count: u64 = self.answered.values().sum();
        json!({
            "clients": clients,
            "seconds": took.as_secs_f64().round(),
            "answered": count,
            "a_second": (count as f64 / took.as_secs_f64()).round(),
            "kinds": self.answered,
            "refused_and_sent_again": self.refused,
            "lost": self.lost.len(),
            "ms_to_the_first_bytes": {"p50": at(0.5, |it| it.0), "p99": at(0.99, |it| it.0)},
            "ms_to_the_end": {"p50": at(0.5, |it| it.1), "p99": at(0.99, |it| it.1)},
            "server": stats,
        })
    }
}
