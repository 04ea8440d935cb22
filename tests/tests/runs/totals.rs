//! What all sandboxes of an engine have together is counted exactly, and bounded.

use std::time::Duration;

use sandbox_net::{Engine, EngineBuilder, EngineFull, Error, Output, RunOptions, Sandbox, Stdin};
use sandbox_net_tests::Servers;

use crate::{built, soon};

/// More than a program begins with, and less than two do.
const ONE: u64 = 60 << 20;

async fn engine(builder: EngineBuilder) -> Engine {
    builder.build().await.expect("an engine")
}

fn of(engine: &Engine) -> sandbox_net::SandboxBuilder {
    Sandbox::builder().engine(engine.clone())
}

#[tokio::test]
async fn one_sandbox_too_many_is_refused_until_another_one_and_its_runs_are_gone() {
    let engine = engine(Engine::builder().max_sandboxes(2)).await;
    let one = built(of(&engine)).await;
    let two = one.fork().await.unwrap();
    let text = "the engine has 2 sandboxes, as many as it may have: drop one, or raise the engine's \
                max_sandboxes";
    assert_eq!(one.fork().await.unwrap_err().to_string(), text);
    assert_eq!(of(&engine).build().await.unwrap_err().to_string(), text);
    let options = RunOptions::new().stdin(Stdin::Piped);
    let mut run = two.start("input()", options).await.unwrap();
    drop(two);
    assert_eq!(
        one.fork().await.unwrap_err().to_string(),
        text,
        "its run goes on"
    );
    drop(run.stdin());
    soon(run.wait()).await.unwrap();
    let two = soon(async {
        loop {
            match one.fork().await {
                Ok(fork) => break fork,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    });
    let two = two.await;
    drop((one, two));
    assert_eq!(engine.usage().sandboxes.used, 0);
}

#[tokio::test]
async fn a_program_that_finds_no_memory_is_refused_and_one_that_asks_for_more_gets_a_memory_error()
{
    let engine = engine(Engine::builder().total_memory(ONE + (41 << 20))).await;
    let sandbox = built(of(&engine)).await;
    let options = || {
        RunOptions::new()
            .stdin(Stdin::Piped)
            .stdout(Output::Piped)
            .unbuffered()
    };
    let grows = "import sys\nhave = []\n\
                 try:\n    while True: have.append(bytes(1 << 20))\n\
                 except MemoryError: print(len(have))\n\
                 input()";
    let mut first = sandbox.start(grows, options()).await.unwrap();
    let grown = soon(first.stdout().unwrap().next()).await.unwrap();
    assert!(
        String::from_utf8_lossy(&grown)
            .trim()
            .parse::<u32>()
            .unwrap()
            > 10
    );
    let memory = engine.usage().memory;
    assert!(
        memory.used <= ONE + (41 << 20) && memory.left < Some(2 << 20),
        "{memory:?}"
    );
    let refused = sandbox.run("print(1)").await.unwrap_err();
    assert!(matches!(refused, Error::Full(EngineFull::Memory { .. })));
    let text = refused.to_string();
    assert!(
        text.contains("of the 101.0 MiB that they may have together"),
        "{text}"
    );
    assert!(text.ends_with("raise the engine's total_memory"), "{text}");
    drop(first.stdin());
    let outcome = soon(first.wait()).await.unwrap();
    assert_eq!(
        engine.usage().memory.used,
        0,
        "it ended with {}",
        outcome.memory
    );
    // Its own limit is the smaller one, and takes nothing from the others.
    let mut own = sandbox
        .start(grows, options().memory_limit(50 << 20))
        .await
        .unwrap();
    let mut stdout = own.stdout().unwrap();
    soon(stdout.next()).await.unwrap();
    assert!(engine.usage().memory.used <= 50 << 20);
    let second = soon(sandbox.run("print(1)")).await.unwrap();
    assert_eq!(second.stdout_text(), "1\n");
    drop(own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_start_at_once_no_more_run_than_have_room() {
    let most = 3 * (42 << 20);
    let engine = engine(Engine::builder().total_memory(most).max_sandboxes(8)).await;
    let programs = (0..24).map(async |_| {
        let sandbox = match of(&engine).build().await {
            Ok(sandbox) => sandbox,
            Err(Error::Full(EngineFull::Sandboxes { .. })) => return [0, 0, 1],
            Err(error) => panic!("{error}"),
        };
        let outcome = sandbox.run("import time; time.sleep(0.05)").await;
        let usage = engine.usage();
        assert!(
            usage.memory.used <= most && usage.sandboxes.used <= 8,
            "{usage:?}"
        );
        match outcome {
            Ok(outcome) => {
                assert_eq!(outcome.exit_code(), 0, "{}", outcome.stderr_text());
                [1, 0, 0]
            }
            Err(Error::Full(EngineFull::Memory { .. })) => [0, 1, 0],
            Err(error) => panic!("{error}"),
        }
    });
    let ends = soon(futures_util::future::join_all(programs)).await;
    let sum = |at: usize| ends.iter().map(|end| end[at]).sum::<u32>();
    assert!(sum(0) >= 3 && sum(0) + sum(1) + sum(2) == 24, "{ends:?}");
    let usage = engine.usage();
    let used = [
        usage.sandboxes,
        usage.running,
        usage.waiting,
        usage.memory,
        usage.host_memory,
    ];
    assert_eq!(used.map(|amount| amount.used), [0; 5], "{usage:?}");
}

#[tokio::test]
async fn what_the_host_holds_for_all_sandboxes_is_bounded_together() {
    let servers = Servers::start().await;
    let engine = engine(Engine::builder().total_host_memory(1 << 20)).await;
    let builder = || {
        of(&engine)
            .allow(servers.http.origin())
            .arg(servers.http.origin())
    };
    let (one, two) = (built(builder()).await, built(builder()).await);
    let piped = || {
        let options = RunOptions::new().stdin(Stdin::Piped);
        options.stdout(Output::Piped).stderr(Output::Piped)
    };
    let mut runs = Vec::new();
    let refused = loop {
        match one.start("input()", piped()).await {
            Ok(run) => runs.push(run),
            Err(refused) => break refused,
        }
    };
    assert!(runs.len() > 1, "{:?}", engine.usage());
    assert!(
        matches!(refused, Error::Full(EngineFull::HostMemory)),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .ends_with("raise the engine's total_host_memory")
    );
    let asks = "import sys, urllib.request\n\
                try: said = urllib.request.urlopen(sys.argv[1] + '/get').status\n\
                except OSError as e: said = e\n\
                print(said)\n\
                open('said', 'w').write(str(said))";
    soon(two.run(asks)).await.unwrap();
    let said = String::from_utf8(two.read_file("/home/said").await.unwrap()).unwrap();
    assert!(said.contains("host-memory"), "{said}");
    assert!(engine.usage().host_memory.used <= 1 << 20);
    for mut run in runs {
        soon(run.wait()).await.unwrap();
    }
    let outcome = soon(two.run(asks)).await.unwrap();
    assert_eq!(outcome.stdout_text(), "200\n");
    drop((one, two, outcome));
    soon(async {
        while engine.usage().host_memory.used > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn totals_with_which_nothing_could_run_are_refused() {
    for (builder, named) in [
        (Engine::builder().max_sandboxes(0), "max_sandboxes"),
        (Engine::builder().total_memory(1 << 20), "total_memory"),
        (Engine::builder().total_host_memory(0), "total_host_memory"),
    ] {
        let refused = builder.build().await.expect_err(named);
        assert!(refused.to_string().contains(named), "{refused}");
    }
}
