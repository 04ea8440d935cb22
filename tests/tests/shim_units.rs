//! The shim's unit tests pass in the component, on the shim that is in its snapshot.

use std::path::Path;

use sandbox_net::{DirAccess, Sandbox, Script};

/// What cannot be tested there: it needs a server, a pipe, CPython's own `_ssl`, or threads.
const MOST_SKIPPED: usize = 25;

#[tokio::test]
async fn the_shims_unit_tests_pass_in_the_sandbox() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shim/tests");
    let sandbox = Sandbox::builder()
        // A rule gives the sandbox the network; the tests play their own host.
        .allow("https://shim.example")
        .dir(tests, "/tests", DirAccess::ReadOnly)
        .arg("discover")
        .arg("--start-directory=/tests")
        .build()
        .await
        .expect("a sandbox");
    let outcome = sandbox
        .run(Script::module("unittest"))
        .await
        .expect("a run");
    let report = outcome.stderr_text();
    assert_eq!(outcome.exit_code(), 0, "{report}");
    let (ran, skipped) = counts(&report);
    assert!(ran > 150, "{report}");
    assert!(skipped <= MOST_SKIPPED, "{report}");
}

/// How many tests `unittest` ran and how many of them it skipped.
fn counts(report: &str) -> (usize, usize) {
    let number_after = |mark: &str| {
        let (_, rest) = report.rsplit_once(mark)?;
        rest.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    (
        number_after("Ran ").unwrap_or(0),
        number_after("skipped=").unwrap_or(0),
    )
}
