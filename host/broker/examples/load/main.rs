//! The broker under load: many clients, broken ones among them, beside direct access and mitmproxy.
//!
//! `cargo run --release -p sandbox-net-broker --example load -- [REQUESTS [CLIENTS]]`
//!
//! It sends 10,000 requests from 50 clients to a TLS server of its own: directly, through a broker in a
//! process of its own, through mitmproxy, and through the broker once more with broken clients beside
//! the honest ones. Each response is checked. The broker and mitmproxy do the same job: they end TLS, and
//! refuse one request in twenty by its path. It prints times, their ratios in this run, and the broker's
//! memory, and fails if a response was lost or wrong.
//!
//! mitmproxy is found in `~/.cache/sandbox-net/mitmproxy`:
//!
//! `python3 -m venv ~/.cache/sandbox-net/mitmproxy && ~/.cache/sandbox-net/mitmproxy/bin/pip install mitmproxy`

mod broken;
mod clients;
mod mitmproxy;
mod process;
mod report;
mod server;

use std::time::Duration;

use self::broken::Broken;
use self::clients::{Plan, Way, run};
use self::mitmproxy::Mitmproxy;
use self::process::BrokerProcess;
use self::report::{Row, print};
use self::server::TestServer;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// After a round, before the broker's memory is measured.
const SETTLING: Duration = Duration::from_secs(2);

/// How many rounds come before those that are measured.
const ROUNDS: usize = 5;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [word, rule, ca] = &words[..]
        && word == process::WORD
    {
        return runtime.block_on(process::serve(rule, ca));
    }
    let mut words = words.iter();
    let requests = words.next().map_or(Ok(10_000), |word| word.parse())?;
    let clients = words.next().map_or(Ok(50), |word| word.parse())?;
    runtime.block_on(compare(Plan::new(requests, clients)))
}

async fn compare(plan: Plan) -> Result<(), Failure> {
    let server = TestServer::start().await;
    let directory = tempfile::tempdir()?;
    let ca = directory.path().join("server.pem");
    std::fs::write(&ca, server.ca_pem())?;

    let direct = run(&plan, &Way::direct(&server)).await;
    let mut rows = vec![Row::of("direct", direct)];

    let broker = BrokerProcess::start(&server, &ca).await?;
    let way = Way::proxy(&server, broker.address, Some(&broker.token), &broker.ca_pem);
    // The first rounds fill what is made once, and the records that are kept in memory.
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        run(&plan, &way).await.check()?;
        tokio::time::sleep(SETTLING).await;
        rounds.push(format!("{:.1}", broker.memory()?.mebibytes()));
    }
    rows.push(Row::of("broker", run(&plan, &way).await));

    match Mitmproxy::start(&ca, directory.path()).await? {
        Some(proxy) => {
            let way = Way::proxy(&server, proxy.address, None, &proxy.ca_pem);
            run(&plan.tenth(), &way).await.check()?;
            rows.push(Row::of("mitmproxy", run(&plan, &way).await));
        }
        None => println!(
            "SKIPPED: mitmproxy is not in {}",
            mitmproxy::place().display()
        ),
    }

    let broken = Broken::start(broker.address, &broker.token, server.address());
    rows.push(Row::of(
        "broker, broken clients beside",
        run(&plan, &way).await,
    ));
    let seen = broken.stop().await;
    tokio::time::sleep(SETTLING).await;
    let after = broker.memory()?;

    print(&plan, &rows);
    println!("broken clients: {seen}");
    println!(
        "the broker's memory in MiB: {} after the first rounds, {:.1} at the end",
        rounds.join(", "),
        after.mebibytes()
    );
    if seen.least() == 0 {
        return Err("a broken client broke nothing".into());
    }
    broker.stop().await?;
    rows.iter().try_for_each(Row::check)
}
