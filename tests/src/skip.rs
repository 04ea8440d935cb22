//! Reports that a test was skipped, and fails if everything must run.

use std::io::Write;

/// The variable that makes a missing tool a failure. `.ci/run` sets it to `1`.
const REQUIRED: &str = "SANDBOX_NET_REQUIRE_NATIVE";

/// Prints `skipped: WHY` on standard error. A test calls it before it returns without having
/// tested anything, because the machine has no native Python or another tool.
///
/// # Panics
///
/// If `SANDBOX_NET_REQUIRE_NATIVE` is `1`: nothing may be skipped there.
pub fn skip(why: &str) {
    skip_unless_required(REQUIRED, why);
}

/// Does the same, with another variable that makes it a failure.
pub(crate) fn skip_unless_required(variable: &str, why: &str) {
    say(why);
    let required = std::env::var_os(variable).is_some_and(|value| value == "1");
    assert!(!required, "{variable} is set, and this is missing: {why}");
}

/// Prints `skipped: WHY` on standard error, and never fails: for what installing a tool cannot
/// provide, such as a privilege.
pub fn skip_always(why: &str) {
    say(why);
}

/// Cargo hides what `eprintln!` prints in a test that passes, so this writes to the stream itself.
fn say(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
