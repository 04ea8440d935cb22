//! The conformance component with the provider, on a host that has `wasi:http` alone: what fails is what is
//! documented.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use sandbox_net_compose::{Decider, ExitCode, on_wasi_http};
use sandbox_net_tests::{LIMIT, wasmtime};
use tokio::process::Command;

use crate::conformance::Servers;
use crate::host::file;

/// The behaviours that a provider on the `wasi:http` of wasmtime does not have: `NAME` on a line of its own, behind
/// comments that say why.
const EXCEPTIONS: &str = include_str!("../../../guest/provider/exceptions.txt");

/// The groups whose behaviours wait longest, but for `cancel`, which takes the other half of the time.
const SLOW: [&str; 2] = ["connections: ", "request bodies: "];

/// What the component and the host say of the behaviours that these arguments choose; `None` without a Python.
async fn run(wasmtime: &Path, chosen: [String; 2]) -> Option<String> {
    let servers = Servers::start().await?;
    let rules = servers
        .allowed()
        .into_iter()
        .map(|rule| format!("'{rule}'"));
    let rules: Vec<String> = rules.collect();
    let policy = format!("version = 1\nallow = [{}]\n[end]", rules.join(", "));
    let guest = std::fs::read(file("conformance/conformance.wasm")).expect("a component");
    let composed = on_wasi_http(&guest, Decider::Policies(&[&policy]), ExitCode::Kept);
    let directory = tempfile::tempdir().expect("a directory");
    let app = directory.path().join("app.wasm");
    std::fs::write(&app, composed.expect("a composition")).expect("a file");

    let mut command = Command::new(wasmtime);
    command
        .args(["run", "-C", "cache=n", "-S", "http"])
        .arg(app)
        .args(&servers.arguments)
        .args(chosen);
    let traps = EXCEPTIONS
        .lines()
        .filter_map(|line| line.strip_prefix("trap "));
    command.args(traps.map(|name| format!("without={name}")));
    let running = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(LIMIT, running).await.expect("an end");
    let ended = ended.expect("a program");
    let printed = String::from_utf8_lossy(&ended.stdout);
    Some(printed.into_owned() + &String::from_utf8_lossy(&ended.stderr))
}

#[tokio::test]
async fn the_provider_passes_the_conformance_component_but_for_the_documented_exceptions() {
    let Some(wasmtime) = wasmtime().await else {
        return;
    };
    // Each half with servers of its own.
    let halves = ["only", "without"].map(|which| SLOW.map(|group| format!("{which}={group}")));
    let printed = join_all(halves.map(|chosen| run(wasmtime, chosen))).await;
    let printed: Option<Vec<String>> = printed.into_iter().collect();
    let Some(printed) = printed.map(|halves| halves.concat()) else {
        return;
    };
    let ok = printed
        .lines()
        .filter(|line| line.starts_with("ok "))
        .count();
    assert!(ok > 60, "{printed}");

    let lines = printed
        .lines()
        .filter_map(|line| line.strip_prefix("failed "));
    let told: Vec<&str> = lines.collect();
    let failed: BTreeSet<&str> = told.iter().filter_map(|line| name(line)).collect();
    let exceptions = EXCEPTIONS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("trap ") && !line.is_empty());
    let (may, must): (Vec<_>, Vec<_>) = exceptions.partition(|line| line.starts_with("may "));
    let may: BTreeSet<&str> = may
        .iter()
        .filter_map(|line| line.strip_prefix("may "))
        .collect();
    let must: BTreeSet<&str> = must.into_iter().collect();
    let new: Vec<_> = told
        .iter()
        .filter(|line| name(line).is_none_or(|it| !must.contains(it) && !may.contains(it)))
        .collect();
    assert!(new.is_empty(), "not documented:\n{new:#?}");
    let gone: Vec<_> = must.difference(&failed).collect();
    assert!(gone.is_empty(), "no exceptions any more:\n{gone:#?}");
}

/// The name of a behaviour: `group: name` before the next colon.
fn name(line: &str) -> Option<&str> {
    let (group, rest) = line.split_once(": ")?;
    let (name, _) = rest.split_once(": ")?;
    line.get(..group.len() + 2 + name.len())
}
