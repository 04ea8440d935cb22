//! Threads, pools and executors do in line the same as natively.

use crate::portable::{alike, as_natively, as_natively_with_a_server, as_natively_with_sockets};

/// Makes a test of each program.
macro_rules! programs {
    ($($test:ident: $program:literal, $packages:expr;)*) => {
        $(#[tokio::test]
        async fn $test() {
            as_natively(concat!("threads/", $program), $packages).await;
        })*
    };
}

programs! {
    threads_that_are_started_and_joined_run: "fan_out.py", &[];
    queues_between_threads_are_filled_and_emptied: "producers.py", &[];
    executors_run_their_calls: "executors.py", &[];
    event_loops_and_threads_use_each_other: "event_loops.py", &[];
    pools_of_threads_run_their_calls: "thread_pools.py", &[];
    threads_wait_for_time_as_natively: "time.py", &[];
    a_thread_goes_on_whenever_another_one_waits: "tickers.py", &[];
    functions_do_across_waits_what_they_do_natively: "across_waits.py", &[];
    anyio_has_threads_and_files: "with_anyio.py", &["anyio"];
    elasticsearch_sends_in_parallel: "with_elasticsearch.py", &["elasticsearch"];
}

#[tokio::test]
async fn a_thread_goes_on_whenever_another_one_waits_for_sockets() {
    as_natively_with_sockets("threads/beside_sockets.py").await;
}

#[tokio::test]
async fn calls_that_wait_for_a_server_are_as_many_at_once_as_their_pool_has_threads() {
    as_natively_with_a_server("threads/beside_a_server.py").await;
}

#[tokio::test]
async fn a_wait_that_nobody_can_end_says_so() {
    let told = alike("threads/stuck.py").await;
    for line in told.lines() {
        let is_told = line.starts_with("Stuck True sandbox-net: there are no threads");
        assert!(is_told, "{line}");
    }
    assert_eq!(told.lines().count(), 9, "{told}");
}
