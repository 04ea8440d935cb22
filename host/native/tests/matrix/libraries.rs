//! Python's libraries on each interpreter.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::environments::{interpreter, skipped, with_packages};
use crate::origin::{Origin, bare, file, patch, proxy_variables, run, variables};

const PACKAGES: [&str; 4] = ["requests", "urllib3", "httpx", "aiohttp"];
const MARK: &str = "matrix: ";

/// The fewest results that a run gives: a program that stops early does not pass.
const FEWEST: usize = 60;

type Results = BTreeMap<String, Value>;

fn read(done: (bool, String, String)) -> Results {
    let (ok, out, err) = done;
    let line = out.lines().rev().find_map(|line| line.strip_prefix(MARK));
    assert!(ok && line.is_some(), "{out}{err}");
    serde_json::from_str(line.unwrap()).unwrap()
}

async fn direct(python: &Path, origin: &Origin) -> Results {
    let mut command = bare(python);
    command
        .arg(file("programs.py"))
        .args([origin.http.to_string(), origin.https.to_string()]);
    command.arg("direct");
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        command.env(name, &origin.ca);
    }
    read(run(command).await)
}

/// With the patch alone, or with all variables of `native run`.
async fn routed(python: &Path, origin: &Origin, with_proxies: bool) -> Results {
    let (broker, ca) = origin.broker().await;
    let mut command = bare(python);
    command
        .arg(file("programs.py"))
        .args([origin.http.to_string(), origin.https.to_string()]);
    command
        .arg("routed")
        .env("PYTHONPATH", patch())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(variables(&broker, &ca));
    if with_proxies {
        command.envs(proxy_variables(&broker, &ca));
    }
    let before = origin.seen();
    let found = read(run(command).await);
    // Loopback can be reached without the broker, too: each request has to be the broker's.
    assert_eq!(origin.seen() - before, broker.usage().requests.used);
    broker.shutdown().await;
    found
}

async fn compare(version: &str) {
    let Some(python) = interpreter(version) else {
        return skipped(&format!("Python {version} is missing"));
    };
    let Some(python) = with_packages(&python, &PACKAGES) else {
        return;
    };
    let empty = tempfile::tempdir().unwrap();
    let origin = Origin::start(empty.path());
    let direct = direct(&python, &origin).await;
    assert!(direct.len() >= FEWEST, "{} results", direct.len());
    for with_proxies in [false, true] {
        let routed = routed(&python, &origin, with_proxies).await;
        assert_same(version, &direct, &routed);
    }
}

/// Asserts that each result is the direct one, and that what is denied says so.
fn assert_same(version: &str, direct: &Results, routed: &Results) {
    for (name, expected) in direct {
        assert!(
            expected.get("value").is_some(),
            "Python {version}, directly, {name}: {expected}"
        );
        assert_eq!(routed.get(name), Some(expected), "Python {version}, {name}");
    }
    for (name, found) in routed
        .iter()
        .filter(|(name, _)| name.starts_with("denied "))
    {
        let texts = found["error"].to_string();
        if name.ends_with("denied.test") {
            let (kind, text) = ("PermissionError", "denied.test");
            let is_told = texts.contains(kind) && texts.contains("default-deny");
            assert!(
                is_told && texts.contains(text),
                "Python {version}, {name}: {found}"
            );
        } else {
            let is_told = texts.contains("Name or service not known");
            assert!(is_told, "Python {version}, {name}: {found}");
        }
    }
}

macro_rules! interpreters {
    ($($name:ident: $version:literal),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "fetches packages, in a tier of its own"]
            async fn $name() {
                compare($version).await;
            }
        )*
    };
}

interpreters! {
    the_libraries_of_python_3_6_give_what_they_give_directly: "3.6",
    the_libraries_of_python_3_7_give_what_they_give_directly: "3.7",
    the_libraries_of_python_3_8_give_what_they_give_directly: "3.8",
    the_libraries_of_python_3_9_give_what_they_give_directly: "3.9",
    the_libraries_of_python_3_10_give_what_they_give_directly: "3.10",
    the_libraries_of_python_3_11_give_what_they_give_directly: "3.11",
    the_libraries_of_python_3_12_give_what_they_give_directly: "3.12",
    the_libraries_of_python_3_13_give_what_they_give_directly: "3.13",
    the_libraries_of_python_3_14_give_what_they_give_directly: "3.14",
}
