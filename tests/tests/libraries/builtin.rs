//! Built-in packages do their main job: one program for each, with and without a network. This also
//! makes the table of them in `docs/libraries.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};
use sandbox_net::python::Manifest;
use sandbox_net::{Sandbox, Script};
use sandbox_net_tests::{LIMIT, native_python};

use crate::table;

const BEGIN: &str = "<!-- built in: made by tests/tests/libraries/builtin.rs -->\n";
const END: &str = "<!-- end of built in -->\n";
/// Programs that run at once.
const AT_ONCE: usize = 2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/builtin")
}

fn program(package: &str) -> String {
    let path = folder().join(format!("{package}.py"));
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{package} is built in and has no program: {}: {error}",
            path.display()
        )
    })
}

fn provided() -> BTreeMap<String, String> {
    Manifest::find(None).expect("a manifest").provides
}

/// The expected output of each program.
fn expected() -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join("expected.toml")).expect("the file");
    toml::from_str(&text).expect("a table of texts")
}

#[test]
fn every_package_that_is_built_in_has_a_program_and_no_program_is_left_over() {
    let names: Vec<_> = provided().into_keys().collect();
    assert_eq!(expected().into_keys().collect::<Vec<_>>(), names);
    let mut programs: Vec<String> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .filter_map(|name| Some(name.expect("UTF-8").strip_suffix(".py")?.to_owned()))
        .collect();
    programs.sort();
    assert_eq!(programs, names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_in_does_its_main_job_without_a_network() {
    run_all(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_in_does_its_main_job_with_a_network() {
    run_all(Some("https://sandbox-net.test")).await;
}

/// Runs all programs, each in its own sandbox, and lists all that fail.
async fn run_all(rule: Option<&str>) {
    let expected = expected();
    let names: Vec<_> = provided().into_keys().collect();
    let faults: Vec<String> = stream::iter(names)
        .map(|name| {
            let expected = &expected[&name];
            async move { fault(&name, expected, rule).await }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |fault| fault)
        .collect()
        .await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn fault(name: &str, expected: &str, rule: Option<&str>) -> Option<String> {
    let builder = Sandbox::builder().time_limit(LIMIT);
    let builder = match rule {
        Some(rule) => builder.allow(rule),
        None => builder,
    };
    let sandbox = builder.build().await.expect("a sandbox");
    let outcome = sandbox.run(Script::code(program(name))).await;
    let outcome = outcome.expect("a run of the sandbox");
    let (code, found) = (outcome.exit_code(), outcome.stdout_text());
    let is_right = code == 0 && found == expected;
    (!is_right).then(|| {
        let stderr = outcome.stderr_text();
        format!("--- {name} ended with {code} and printed\n{found}and not\n{expected}{stderr}")
    })
}

/// Prints which `six` is imported, and which one its metadata describes; other built-in packages
/// still work.
const WHICH_SIX: &str = "
import importlib.metadata, dateutil.parser, six
print(six.__version__, importlib.metadata.version('six'), dateutil.parser.parse('2026-01-02').day)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_in_is_replaced_by_another_version_where_a_pin_asks_for_it() {
    if native_python().await.is_none() {
        return;
    }
    for (pin, expected) in [
        ("six", "1.17.0 1.17.0 2\n"),
        ("six==1.16.0", "1.16.0 1.16.0 2\n"),
    ] {
        let builder = Sandbox::builder().time_limit(LIMIT).with_package(pin);
        let sandbox = builder.build().await.expect("a sandbox");
        let outcome = sandbox.run(Script::code(WHICH_SIX)).await;
        let outcome = outcome.expect("a run of the sandbox");
        let printed = (outcome.stdout_text(), outcome.stderr_text());
        assert_eq!(printed.0, expected, "{pin}: {}", printed.1);
    }
}

#[test]
fn the_table_of_what_is_built_in_in_the_documentation_is_that_of_the_manifest() {
    let rows = provided().into_iter().map(|(name, version)| {
        let program = program(&name);
        let does = program
            .strip_prefix("\"\"\"")
            .and_then(|text| text.split_once("\"\"\""));
        let does = does.expect("a program begins with what it does").0;
        let does = does.trim_end_matches('.').replace('|', "\\|");
        format!("| {name} | {version} | {does} |\n")
    });
    let head = "| package | version | the test |\n|---|---|---|\n".to_owned();
    table::check(BEGIN, END, &(head + &rows.collect::<String>()));
}
