//! Programs of the standard library that need no network have the same output and the same exit code
//! natively and inside, whether the sandbox has a network or not.

use sandbox_net::{Sandbox, Script};
use sandbox_net_tests::{HttpServer, LIMIT, Native, native_python_with};

/// A rule that gives a sandbox the network; it is never used.
const RULE: &str = "https://sandbox-net.test";

/// What a program printed, and its exit code.
type End = (String, i32);

/// Runs `program` in a sandbox; its stderr is shown if something differs.
async fn inside(program: &str, packages: &[&str], rule: Option<&str>) -> (End, String) {
    let path = Native::path(program);
    let builder = Sandbox::builder().time_limit(LIMIT);
    let builder = packages
        .iter()
        .fold(builder, |builder, package| builder.with_package(*package));
    let builder = match rule {
        Some(rule) => builder.allow(rule),
        None => builder,
    };
    let sandbox = builder.build().await.expect("a sandbox");
    let outcome = sandbox.run(Script::path(path)).await.expect("a run");
    let end = (outcome.stdout_text().into_owned(), outcome.exit_code());
    (end, outcome.stderr_text().into_owned())
}

/// Compares the sandbox, with a network and without, with native CPython.
pub(crate) async fn as_natively(program: &str, packages: &'static [&'static str]) {
    as_natively_with(program, packages, &[None, Some(RULE)]).await;
}

/// Compares a sandbox that has sockets with native CPython.
pub(crate) async fn as_natively_with_sockets(program: &str) {
    as_natively_with(program, &[], &[Some(RULE)]).await;
}

/// Compares a sandbox that reaches a server, whose origin is the argument, with native CPython.
pub(crate) async fn as_natively_with_a_server(program: &str) {
    let server = HttpServer::plain().await;
    let origin = server.origin();
    let native = Native::new(program, [&origin]).end().await;
    let sandbox = Sandbox::builder().time_limit(LIMIT).allow(&origin);
    let sandbox = sandbox.arg(&origin).build().await.expect("a sandbox");
    let script = Script::path(Native::path(program));
    let outcome = sandbox.run(script).await.expect("a run");
    let found = (outcome.stdout_text().into_owned(), outcome.exit_code());
    assert_eq!(found, native, "{program}:\n{}", outcome.stderr_text());
}

async fn as_natively_with(
    program: &str,
    packages: &'static [&'static str],
    rules: &[Option<&str>],
) {
    let native = match packages {
        [] => Native::new::<&str>(program, []),
        packages => match native_python_with(packages).await {
            Some(python) => Native::with::<&str>(&python, program, []),
            None => return,
        },
    };
    let native = native.end().await;
    for &rule in rules {
        let (found, stderr) = inside(program, packages, rule).await;
        assert_eq!(found, native, "{program}, rule {rule:?}:\n{stderr}");
    }
}

/// The output of a program with a network and without, which must be the same.
pub(crate) async fn alike(program: &str) -> String {
    let (with, stderr) = inside(program, &[], Some(RULE)).await;
    let (without, _) = inside(program, &[], None).await;
    assert_eq!(with, without, "{program}:\n{stderr}");
    assert_eq!(with.1, 0, "{stderr}");
    with.0
}

/// Runs pieces of code and returns their exit codes.
pub(crate) async fn exit_codes(codes: &[&str], rule: Option<&str>) -> Vec<i32> {
    let builder = Sandbox::builder().time_limit(LIMIT);
    let builder = match rule {
        Some(rule) => builder.allow(rule),
        None => builder,
    };
    let sandbox = builder.build().await.expect("a sandbox");
    let mut found = Vec::new();
    for code in codes {
        let outcome = sandbox.run(Script::code(*code)).await.expect("a run");
        found.push(outcome.exit_code());
    }
    found
}
