//! Many clients of `sandbox-net serve`, a few of which are hostile, and what became of the honest ones.
//!
//! `serve_load ADDRESS TOKEN [CLIENTS [SECONDS [HOSTILE [PID]...]]]`, such as
//! `serve_load 127.0.0.1:8080 "$TOKEN" 200 120 1 $(pidof sandbox-net)`.
//!
//! Each client sends one program after the other. Of a hundred, HOSTILE are made to do harm: they fill the
//! memory, compute without end, print without end, ask for what is denied, open ten thousand sockets, write
//! ten thousand files, or have a client that goes away or does not read. An honest one that gets another
//! answer than it must have is lost, and the first ones are shown. One that is refused with 429 is sent again.
//! With PIDs the private memory of these processes is shown every ten seconds.

mod answer;

use std::time::{Duration, Instant};

use answer::{Answer, post_as};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Programs that do harm. Their limits are the server's, but for the time.
const HOSTILE: [(&str, &str); 6] = [
    ("memory", "x = []\nwhile True: x.append(bytearray(1 << 20))"),
    ("loop", "while True: pass"),
    ("output", "while True: print('x' * 10000)"),
    (
        "denied",
        "import urllib.request\nfor n in range(3000):\n    try: urllib.request.urlopen(f'https://h{n}.evil.test/')\n    \
         except OSError: pass",
    ),
    (
        "sockets",
        "import socket\nall = []\nfor n in range(10000):\n    try:\n        s = socket.socket(); all.append(s); \
         s.connect(('10.0.0.1', 80))\n    except OSError: pass",
    ),
    (
        "files",
        "for n in range(10000):\n    try: open(f'/tmp/{n}', 'w').write('x' * 100000)\n    except OSError: pass",
    ),
];

/// What all clients use.
#[derive(Clone)]
struct Load {
    address: String,
    token: String,
    until: Instant,
    /// Of a hundred programs.
    hostile: u64,
}

/// What one client has seen.
#[derive(Default)]
struct Seen {
    honest: u64,
    hostile: u64,
    refused: u64,
    lost: Vec<String>,
    /// Seconds to the first bytes and to the end, of honest programs.
    times: Vec<(f64, f64)>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(token)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: serve_load ADDRESS TOKEN [CLIENTS [SECONDS [HOSTILE [PID]...]]]");
    };
    let mut number = |otherwise| {
        args.next()
            .map_or(Ok(otherwise), |word| word.parse::<u64>())
    };
    let (clients, seconds, hostile) = (number(50)?, number(60)?, number(1)?);
    let pids: Vec<String> = args.collect();
    let begin = Instant::now();
    let load = Load {
        address,
        token,
        until: begin + Duration::from_secs(seconds),
        hostile,
    };
    let mut all = JoinSet::new();
    for client in 0..clients {
        all.spawn(load.clone().client(client));
    }
    let memory = tokio::spawn(memory(pids, begin, load.until));
    let mut seen = Seen::default();
    while let Some(of_one) = all.join_next().await {
        seen.add(of_one?);
    }
    memory.abort();
    println!("{}", seen.told(clients, begin.elapsed()));
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

impl Load {
    async fn client(self, client: u64) -> Seen {
        let mut seen = Seen::default();
        for number in 0.. {
            if Instant::now() >= self.until {
                break;
            }
            // Spread over the clients, so that there are some from the beginning.
            let which = client.wrapping_mul(37).wrapping_add(number);
            match which % 100 < self.hostile {
                true => {
                    self.hostile(which / 100).await;
                    seen.hostile += 1;
                }
                false => self.honest(client << 32 | number, &mut seen).await,
            }
        }
        seen
    }

    async fn honest(&self, number: u64, seen: &mut Seen) {
        let (request, printed) = program(number);
        let begin = Instant::now();
        let answer = loop {
            match post_as(&self.address, "/v1/run", &self.token, &request).await {
                Ok(Answer { status: 429, .. }) => seen.refused += 1,
                answer => break answer,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let checked = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| check(&answer, &printed));
        match checked {
            Ok(first_bytes) => {
                seen.honest += 1;
                let first = first_bytes.duration_since(begin).as_secs_f64();
                seen.times.push((first, begin.elapsed().as_secs_f64()));
            }
            Err(why) => seen.lost.push(why),
        }
    }

    /// What becomes of it is its own affair.
    async fn hostile(&self, which: u64) {
        let kind = (which % (HOSTILE.len() as u64 + 2)) as usize;
        let Some((_, code)) = HOSTILE.get(kind) else {
            return self.silent(kind == HOSTILE.len()).await;
        };
        let request = json!({"code": code, "limits": {"seconds": 5}});
        let _ = post_as(&self.address, "/v1/run", &self.token, &request).await;
    }

    /// A client that goes away at once, or that does not read for a while.
    async fn silent(&self, goes_away: bool) {
        let body = json!({"code": "while True: print('x' * 1000)"}).to_string();
        let head = format!(
            "POST /v1/run HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        let Ok(mut stream) = TcpStream::connect(&self.address).await else {
            return;
        };
        let _ = stream.write_all((head + &body).as_bytes()).await;
        if !goes_away {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

/// An honest program, and what it prints.
fn program(number: u64) -> (Value, String) {
    match number % 4 {
        0 => {
            let code = format!("print('program', {number})");
            (json!({ "code": code }), format!("program {number}\n"))
        }
        1 => {
            let code = "import sys, time\nprint(sys.argv[1])\ntime.sleep(0.05)\nprint('over')";
            let request = json!({"code": code, "arguments": [number.to_string()]});
            (request, format!("{number}\nover\n"))
        }
        2 => {
            let code = "print(open('/home/mine').read() + input())";
            let text = format!("{number} ").repeat(1000);
            let request = json!({"code": code, "files": {"/home/mine": text}, "stdin": "end\n"});
            (request, text + "end\n")
        }
        _ => {
            let code = format!("for _ in range(50): print('{number}' * 100)");
            let printed = number.to_string().repeat(100) + "\n";
            (json!({ "code": code }), printed.repeat(50))
        }
    }
}

/// Compares an answer with what it has to be; returns when its first bytes came.
fn check(answer: &Answer, printed: &str) -> Result<Instant, String> {
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.body));
    }
    let lines = answer.body.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let (end, pieces) = lines.split_last().ok_or("it has no line")?;
    let stdout: String = pieces
        .iter()
        .filter_map(|line| line["stdout"].as_str())
        .collect();
    match stdout == printed && end["ended"] == "exit" && end["exit_code"] == 0 {
        true => Ok(answer.first_piece),
        false => Err(answer.body.clone()),
    }
}

/// Shows the private memory of processes every ten seconds, in MiB.
async fn memory(pids: Vec<String>, begin: Instant, until: Instant) {
    while !pids.is_empty() && Instant::now() < until {
        let of = pids.iter().map(|pid| {
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
            let rollup = rollup.unwrap_or_default();
            let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
            let numbers =
                lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            numbers.sum::<u64>() >> 10
        });
        let of: Vec<u64> = of.collect();
        println!(
            "{}",
            json!({"second": begin.elapsed().as_secs(), "private_mib": of})
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.honest += other.honest;
        self.hostile += other.hostile;
        self.refused += other.refused;
        self.lost.extend(other.lost);
        self.times.extend(other.times);
    }

    fn told(&self, clients: u64, took: Duration) -> Value {
        let at = |part: f64, of: fn(&(f64, f64)) -> f64| {
            let mut times: Vec<f64> = self.times.iter().map(of).collect();
            times.sort_by(f64::total_cmp);
            let index = (times.len().saturating_sub(1) as f64 * part).round() as usize;
            times.get(index).map(|time| (time * 1e4).round() / 10.0)
        };
        json!({
            "clients": clients,
            "seconds": took.as_secs_f64().round(),
            "honest": self.honest,
            "a_second": (self.honest as f64 / took.as_secs_f64()).round(),
            "hostile": self.hostile,
            "refused_and_sent_again": self.refused,
            "lost": self.lost.len(),
            "ms_to_the_first_bytes": {"p50": at(0.5, |it| it.0), "p99": at(0.99, |it| it.0)},
            "ms_to_the_end": {"p50": at(0.5, |it| it.1), "p99": at(0.99, |it| it.1), "longest": at(1.0, |it| it.1)},
        })
    }
}
