//! A pool gives sandboxes that were made before, each once, in order, within its bounds.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox_net::{
    Engine, Error, Pool, PoolError, RunOptions, RuntimeError, Sandbox, SandboxBuilder, Stdin,
    blocking,
};
use tokio::task::JoinHandle;

use crate::{built, soon};

/// Waits until the pool is as it shall be.
async fn until(pool: &Pool, is_so: impl Fn(&sandbox_net::PoolStats) -> bool) {
    soon(async {
        while !is_so(&pool.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

async fn pool(template: SandboxBuilder, ready: usize, in_use: usize, waiting: usize) -> Pool {
    let pool = Pool::builder(built(template).await).ready(ready);
    let pool = pool.max_in_use(in_use).max_waiting(waiting);
    soon(pool.build()).await.expect("a pool")
}

fn asks(pool: &Pool) -> JoinHandle<Result<Sandbox, Error>> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.get().await })
}

#[tokio::test]
async fn a_sandbox_of_a_pool_is_as_its_template_and_nothing_is_used_twice() {
    let template = built(Sandbox::builder().arg("an argument").env("A", "1")).await;
    let greets = "def greet(): print('hello')";
    template
        .write_file("/home/helpers.py", greets)
        .await
        .unwrap();
    template.set_env("B", "2").unwrap();
    let pool = Pool::builder(template).ready(2).max_in_use(2);
    let pool = soon(pool.build()).await.unwrap();
    soon(pool.filled()).await.unwrap();
    assert_eq!((pool.stats().ready, pool.stats().made), (2, 2));
    let code = "import helpers, os, sys\n\
                helpers.greet()\n\
                print(sys.argv[1], os.environ['A'], os.environ['B'], os.path.exists('/home/mine'))\n\
                open('/home/mine', 'w').close()";
    for _ in 0..3 {
        let sandbox = soon(pool.get()).await.unwrap();
        let outcome = soon(sandbox.run(code)).await.unwrap();
        assert_eq!(outcome.stdout_text(), "hello\nan argument 1 2 False\n");
        // It is the caller's own: what it writes is there for its next program, and in its forks.
        let fork = sandbox.fork().await.unwrap();
        for own in [sandbox, fork] {
            let code = "import os; print(os.path.exists('/home/mine'))";
            assert_eq!(soon(own.run(code)).await.unwrap().stdout_text(), "True\n");
        }
    }
    until(&pool, |stats| stats.in_use == 0 && stats.ready == 2).await;
    assert_eq!(pool.stats().given, 3);
}

#[tokio::test]
async fn who_waits_is_served_in_order_and_who_comes_too_many_is_refused() {
    let pool = pool(Sandbox::builder(), 1, 1, 2).await;
    soon(pool.filled()).await.unwrap();
    let first = soon(pool.get()).await.unwrap();
    until(&pool, |stats| stats.ready == 1).await;
    // One is ready, but as many are in use as may.
    assert!(matches!(
        pool.try_get(),
        Err(Error::Pool(PoolError::NotReady))
    ));
    let second = asks(&pool);
    until(&pool, |stats| stats.waiting == 1).await;
    let third = asks(&pool);
    until(&pool, |stats| stats.waiting == 2).await;
    let refused = soon(pool.get()).await.unwrap_err();
    let text = "1 sandboxes of the pool are in use and 2 callers wait, as many as may: try again later, or \
                raise the pool's max_in_use or max_waiting";
    assert_eq!(refused.to_string(), text);
    drop(first);
    let second = soon(second).await.unwrap().unwrap();
    assert!(!third.is_finished());
    // Who gives up leaves the queue, and takes nothing with it.
    third.abort();
    until(&pool, |stats| stats.waiting == 0).await;
    drop(second);
    until(&pool, |stats| stats.in_use == 0 && stats.ready == 1).await;
    drop(pool.try_get().unwrap());
    let stats = pool.stats();
    assert_eq!((stats.given, stats.given_at_once, stats.refused), (3, 2, 2));
}

#[tokio::test]
async fn a_sandbox_is_in_use_until_its_last_run_has_ended() {
    let pool = pool(Sandbox::builder(), 0, 1, 1).await;
    let sandbox = soon(pool.get()).await.unwrap();
    let options = RunOptions::new().stdin(Stdin::Piped);
    let mut run = sandbox.start("print(input())", options).await.unwrap();
    drop(sandbox);
    let next = asks(&pool);
    until(&pool, |stats| stats.waiting == 1).await;
    assert_eq!((pool.stats().in_use, next.is_finished()), (1, false));
    drop(run.stdin());
    soon(run.wait()).await.unwrap();
    soon(next).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_that_come_and_go_leave_a_pool_as_it_was() {
    let pool = pool(Sandbox::builder(), 2, 4, 1000).await;
    let (in_use, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let callers = (0..200).map(async |number: u64| {
        let asked = tokio::time::timeout(Duration::from_millis(number % 7), pool.get()).await;
        let sandbox = match asked {
            Ok(sandbox) => sandbox.unwrap(),
            // It has given up, and asks again.
            Err(_) => pool.get().await.unwrap(),
        };
        assert!(in_use.fetch_add(1, Ordering::SeqCst) < 4);
        // Nobody was here before.
        assert!(sandbox.read_file("/home/mine").await.is_err());
        sandbox.write_file("/home/mine", "").await.unwrap();
        in_use.fetch_sub(1, Ordering::SeqCst);
        drop(sandbox);
        served.fetch_add(1, Ordering::SeqCst);
    });
    soon(futures_util::future::join_all(callers)).await;
    assert_eq!(served.into_inner(), 200);
    let is_back = |stats: &sandbox_net::PoolStats| {
        (stats.in_use, stats.waiting, stats.making, stats.ready) == (0, 0, 0, 2)
    };
    until(&pool, is_back).await;
    assert_eq!(pool.stats().failed, 0);
}

#[tokio::test]
async fn what_keeps_sandboxes_from_being_made_is_told_to_each_who_waits_for_one() {
    // The template and one more.
    let engine = Engine::builder().max_sandboxes(2).build().await.unwrap();
    let template = Sandbox::builder().engine(engine.clone());
    let pool = pool(template, 1, 8, 8).await;
    let first = soon(pool.get()).await.unwrap();
    let asked: Vec<_> = (0..4).map(|_| asks(&pool)).collect();
    for asked in asked {
        let refused = soon(asked).await.unwrap().unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("raise the engine's max_sandboxes"),
            "{refused}"
        );
    }
    let refused = soon(pool.filled()).await.unwrap_err();
    assert!(
        matches!(refused, Error::Pool(PoolError::NotMade(_))),
        "{refused}"
    );
    assert!(pool.stats().failed >= 4);
    drop(first);
    // What is ready is made again by itself, a while after a failure.
    until(&pool, |stats| stats.ready == 1).await;
    assert_eq!(pool.stats().last_failure, None);
    assert_eq!(engine.usage().sandboxes.used, 2);
}

#[tokio::test]
async fn who_waits_for_a_place_is_not_told_that_none_can_be_made_ready() {
    // One is in use, and none can be kept ready beside it.
    let engine = Engine::builder().max_sandboxes(2).build().await.unwrap();
    let pool = pool(Sandbox::builder().engine(engine), 1, 1, 8).await;
    let first = soon(pool.get()).await.unwrap();
    let second = asks(&pool);
    until(&pool, |stats| {
        stats.waiting == 1 && stats.failed > 0 && stats.making == 0
    })
    .await;
    assert!(!second.is_finished());
    drop(first);
    soon(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_closed_pool_tells_who_waits_and_removes_what_is_ready() {
    let engine = Engine::builder().build().await.unwrap();
    let pool = pool(Sandbox::builder().engine(engine.clone()), 3, 1, 8).await;
    let used = soon(pool.get()).await.unwrap();
    soon(pool.filled()).await.unwrap();
    assert_eq!(
        engine.usage().sandboxes.used,
        5,
        "the template, three and one"
    );
    let waits = asks(&pool);
    until(&pool, |stats| stats.waiting == 1).await;
    soon(pool.close()).await.unwrap();
    for refused in [
        soon(waits).await.unwrap(),
        soon(pool.get()).await,
        pool.try_get(),
    ] {
        assert!(matches!(refused, Err(Error::Pool(PoolError::Closed))));
    }
    assert!(soon(pool.filled()).await.is_err());
    assert!(pool.stats().closed);
    // What is in use goes on.
    assert_eq!(
        soon(used.run("print(1)")).await.unwrap().stdout_text(),
        "1\n"
    );
    assert_eq!(engine.usage().sandboxes.used, 1);
    drop(used);
    assert_eq!(engine.usage().sandboxes.used, 0);
}

#[tokio::test]
async fn dropping_a_pool_frees_all_that_nobody_uses() {
    let engine = Engine::builder().build().await.unwrap();
    let pool = pool(Sandbox::builder().engine(engine.clone()), 3, 1, 8).await;
    let used = soon(pool.get()).await.unwrap();
    let (again, waits) = (pool.clone(), asks(&pool));
    until(&pool, |stats| stats.waiting == 1).await;
    drop(pool);
    assert_eq!(again.stats().waiting, 1, "a clone is the same pool");
    waits.abort();
    soon(waits).await.unwrap_err();
    drop(again);
    soon(async {
        // One may be in the making.
        while engine.usage().sandboxes.used > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    drop(used);
    assert_eq!(engine.usage().sandboxes.used, 0);
}

#[tokio::test]
async fn another_template_counts_for_all_that_are_given_from_then_on() {
    let pool = pool(Sandbox::builder().env("WHO", "old"), 2, 4, 4).await;
    soon(pool.filled()).await.unwrap();
    let old = soon(pool.get()).await.unwrap();
    let new = built(Sandbox::builder().env("WHO", "new")).await;
    soon(pool.replace_template(new)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            soon(pool.get()).await.unwrap().get_env("WHO").as_deref(),
            Some("new")
        );
    }
    assert_eq!(old.get_env("WHO").as_deref(), Some("old"));
}

#[test]
fn a_pool_whose_runtime_is_gone_refuses_instead_of_waiting() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (its, other) = (runtime(), runtime());
    let pool = its.block_on(pool(Sandbox::builder(), 0, 2, 8));
    let held = its.block_on(pool.get()).unwrap();
    its.shutdown_timeout(Duration::from_secs(10));
    other.block_on(async {
        for refused in [soon(pool.get()).await, soon(pool.get()).await] {
            let refused = refused.unwrap_err();
            assert!(
                matches!(refused, Error::Runtime(RuntimeError::ShutDown)),
                "{refused}"
            );
        }
    });
    drop((held, pool));
}

#[test]
fn a_pool_is_there_without_async_too() {
    let pool = blocking::Pool::build(Sandbox::builder(), |template| {
        Pool::builder(template).ready(1).max_in_use(1)
    });
    let pool = pool.unwrap();
    for _ in 0..2 {
        let outcome = pool.get().unwrap().run("print(1)").unwrap();
        assert_eq!(outcome.stdout_text(), "1\n");
    }
    assert_eq!(pool.get_ref().stats().given, 2);
    pool.close().unwrap();
    assert!(matches!(pool.get(), Err(Error::Pool(PoolError::Closed))));
}

#[tokio::test]
async fn settings_that_give_no_sandbox_are_refused() {
    let template = built(Sandbox::builder()).await;
    let refused = Pool::builder(template)
        .max_in_use(0)
        .build()
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("max_in_use"), "{refused}");
}

/// In a process of its own, with a temporary directory of its own.
#[test]
fn a_pool_without_a_directory_refuses_and_goes_on_when_there_is_one_again() {
    let temporary = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let child = std::process::Command::new(this)
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "pool::takes_its_directory_away",
        ])
        .env("TMPDIR", temporary.path().join("own"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let passed = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(passed, "it was run");
}

#[tokio::test]
#[ignore = "takes the temporary directory of its whole process away"]
async fn takes_its_directory_away() {
    let own = std::env::temp_dir();
    std::fs::create_dir(&own).unwrap();
    let count = |directory: &Path| directory.read_dir().map_or(0, Iterator::count);
    let pool = pool(Sandbox::builder(), 0, 4, 8).await;
    drop(soon(pool.get()).await.unwrap());
    let away = own.with_file_name("away");
    std::fs::rename(&own, &away).unwrap();
    let asked: Vec<_> = (0..3).map(|_| asks(&pool)).collect();
    for asked in asked {
        let refused = soon(asked).await.unwrap().unwrap_err();
        assert!(matches!(refused, Error::Files(_)), "{refused}");
        assert!(refused.to_string().contains("set TMPDIR"), "{refused}");
    }
    assert_eq!((pool.stats().in_use, pool.stats().waiting), (0, 0));
    std::fs::rename(&away, &own).unwrap();
    let sandbox = soon(pool.get()).await.unwrap();
    assert_eq!(
        soon(sandbox.run("print(1)")).await.unwrap().stdout_text(),
        "1\n"
    );
    soon(sandbox.close()).await.unwrap();
    soon(pool.close()).await.unwrap();
    soon(async {
        while count(&own) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_holds_its_sandbox_in_use_to_its_end() {
    let pool = pool(Sandbox::builder(), 0, 1, 1).await;
    let sandbox = soon(pool.get()).await.unwrap();
    let mut session = soon(sandbox.session()).await.unwrap();
    drop(sandbox);
    let next = asks(&pool);
    until(&pool, |stats| stats.waiting == 1).await;
    soon(session.exec("x = 20")).await.unwrap();
    let turn = soon(session.exec("print(x + 1)")).await.unwrap();
    assert_eq!(turn.stdout_text(), "21\n");
    assert_eq!((pool.stats().in_use, next.is_finished()), (1, false));
    soon(session.close()).await.unwrap();
    soon(next).await.unwrap().unwrap();
}
