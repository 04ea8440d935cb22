//! CPython's own tests of what the shim replaces, inside the sandbox and on native CPython.
//!
//! Every test has the same outcome on both sides, or is in `cpython/differences.toml` with the
//! reason. The tests belong to an interpreter of this machine, unmodified. Without that interpreter
//! nothing runs, and the test says so. `cpython/run_tests.py` runs them on either side.

#![allow(
    unreachable_pub,
    reason = "one program: its modules share with one another only"
)]

mod differences;
mod interpreter;
mod outcome;
mod runner;
mod side;

use std::io::Write;

use crate::side::{Native, Sandboxed, TEST_LIMIT};

/// A test for each of CPython's modules, and the list of their names.
macro_rules! modules {
    ($($name:ident => $module:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                agree($module).await;
            }
        )*

        const MODULES: &[&str] = &[$($module),*];
    };
}

modules! {
    test_asyncio_streams => "test.test_asyncio.test_streams",
    test_http_cookiejar => "test.test_http_cookiejar",
    test_httplib => "test.test_httplib",
    test_poll => "test.test_poll",
    test_select => "test.test_select",
    test_selectors => "test.test_selectors",
    test_socket => "test.test_socket",
    test_ssl => "test.test_ssl",
    test_urllib => "test.test_urllib",
    test_urllib2 => "test.test_urllib2",
    test_urllib2_localnet => "test.test_urllib2_localnet",
    test_urllib_response => "test.test_urllib_response",
    test_xmlrpc => "test.test_xmlrpc",
}

/// Runs the tests of `module` on both sides and compares.
async fn agree(module: &str) {
    let list = differences::reviewed();
    let Some(interpreter) = interpreter::find(&list.python) else {
        // No package manager installs exactly this version.
        sandbox_net_tests::skip_always(&format!(
            "{module}: no CPython {} with its package `test` is installed",
            list.python
        ));
        return;
    };
    let native = Native::new(interpreter, module);
    let sandbox = Sandboxed::new(interpreter, module).await;
    let (native, sandbox) = tokio::join!(
        side::results(&native, module, TEST_LIMIT),
        side::results(&sandbox, module, TEST_LIMIT)
    );
    assert!(
        native.passed() > 0,
        "{module} on native CPython: {native:?}"
    );
    let wrong = differences::compare(&list, module, &native, &sandbox);
    assert!(
        wrong.is_empty(),
        "{module} and cpython/differences.toml:\n{wrong}"
    );
    say(&format!(
        "{module}: {} pass natively, {} in the sandbox",
        native.passed(),
        sandbox.passed()
    ));
}

/// Prints the message of a test that passes, because cargo captures `println!`.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn the_list_names_modules_of_the_suite_only_and_gives_every_difference_a_reason() {
    for difference in differences::reviewed().difference {
        let reason = &difference.reason;
        assert!(!difference.why.is_empty(), "{reason} says why");
        assert!(!difference.shows.is_empty(), "{reason} says how it shows");
        for entry in &difference.tests {
            let known = MODULES
                .iter()
                .any(|module| differences::is_of(entry, module));
            assert!(known, "{entry} ({reason})");
        }
    }
}
