//! An embedder's own settings of wasmtime.

use std::time::{Duration, Instant};

use sandbox_net::{Engine, Exit, Sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_closure_that_turns_off_what_limits_need_gets_no_run_past_them() {
    let engine = Engine::builder().wasmtime(|config| {
        config
            .epoch_interruption(false)
            .consume_fuel(true)
            .max_wasm_stack(16 << 10)
            .async_stack_size(32 << 10);
    });
    let engine = engine.build().await.expect("an engine");
    let builder = || Sandbox::builder().engine(engine.clone());
    let endless = builder().time_limit(Duration::from_secs(1)).build().await;
    let start = Instant::now();
    let outcome = endless.expect("a sandbox").run("while True: pass").await;
    assert_eq!(outcome.expect("a run").exit, Exit::TimeLimit);
    assert!(start.elapsed() < Duration::from_secs(20));
    // The control: what needs fuel and a deep stack runs.
    let code = "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(900))";
    let outcome = builder().build().await.expect("a sandbox").run(code).await;
    assert_eq!(outcome.expect("a run").stdout_text(), "900\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_that_warm_an_engine_at_once_make_it_ready_for_both_kinds_of_sandbox() {
    let engine = Engine::builder().build().await.expect("an engine");
    let (one, two) = tokio::join!(engine.warm(), engine.warm());
    one.and(two).expect("interpreters");
    let start = Instant::now();
    engine.warm().await.expect("interpreters");
    assert!(start.elapsed() < Duration::from_millis(50), "it is ready");
    for rule in [None, Some("https://a.test")] {
        let mut builder = Sandbox::builder().engine(engine.clone());
        if let Some(rule) = rule {
            builder = builder.allow(rule);
        }
        let sandbox = builder.build().await.expect("a sandbox");
        let outcome = sandbox.run("print(1)").await.expect("a run");
        assert_eq!(outcome.stdout_text(), "1\n");
    }
}
