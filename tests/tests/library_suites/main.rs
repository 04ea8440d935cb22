//! The own test suites of Python's HTTP libraries end in the sandbox as on native CPython, except for
//! the differences that `tests/suites/` lists with their reasons.
//!
//! Both runs use the same servers, in a process outside the sandbox: see `tests/suites/README.md`.

mod differences;
mod environment;
mod outcomes;
mod runs;
mod suite;

use std::time::Duration;

use differences::Differences;
use environment::Environment;
use outcomes::Outcomes;
use suite::Suite;

/// A run that is silent for this long has hung.
const SILENCE: Duration = Duration::from_secs(60);

/// The most tests that run a second time.
const MOST_AGAIN: usize = 5;

/// Checks that the tests of `library` end the same, except for its list of differences.
async fn compare(library: &str) {
    let suite = Suite::read(library);
    let environment = Environment::prepare(&suite);
    let (mut native, mut sandboxed) = runs::both(&suite, &environment).await;
    println!("{}", summary(library, &native, &sandboxed));
    let differences = Differences::read(library);
    let unlisted = differences.unlisted(&native, &sandboxed);
    if (1..=MOST_AGAIN).contains(&unlisted.len()) {
        // Some tests allow a millisecond for a connection, which takes longer on a busy machine. A real
        // difference shows again when these tests run by themselves.
        println!("{library}: once more, {unlisted:?}");
        let suite = suite.only(unlisted);
        let again = runs::both(&suite, &environment).await;
        native.replace(again.0);
        sandboxed.replace(again.1);
    }
    let faults = differences.faults(&native, &sandboxed);
    assert!(
        faults.is_empty(),
        "{library}: tests/suites/{library}/differences.toml is not what was found:\n{}",
        faults.join("\n")
    );
}

fn summary(library: &str, native: &Outcomes, sandboxed: &Outcomes) -> String {
    let (natively, inside) = (native.count("passed"), sandboxed.count("passed"));
    let all = native.len();
    format!("{library}: of {all} tests, {natively} pass natively, {inside} in the sandbox")
}

#[tokio::test]
async fn the_tests_of_h11_end_as_natively() {
    compare("h11").await;
}

#[tokio::test]
async fn the_tests_of_httpcore_end_as_natively() {
    compare("httpcore").await;
}

#[tokio::test]
async fn the_tests_of_httpx_end_as_natively() {
    compare("httpx").await;
}

#[tokio::test]
async fn the_tests_of_requests_end_as_natively() {
    compare("requests").await;
}

#[tokio::test]
async fn the_tests_of_urllib3_end_as_natively() {
    compare("urllib3").await;
}
