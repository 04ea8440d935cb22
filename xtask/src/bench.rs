//! Starts the harness, with what it measures built for release.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds the command line and runs `tests/examples/bench` with these arguments.
///
/// # Errors
///
/// If something can't be built, or the harness fails.
pub fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let build = ["build", "--release", "--package", "sandbox-net-cli"];
    cargo(root, &build, &[])?;
    let harness = [
        "run",
        "--release",
        "--package",
        "sandbox-net-tests",
        "--example",
        "bench",
        "--",
    ];
    cargo(root, &harness, arguments)
}

fn cargo(root: &Path, command: &[&str], more: &[&str]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(command).args(more);
    let status = cargo.status().context("cargo can't be started")?;
    ensure!(status.success(), "cargo {} failed", command.join(" "));
    Ok(())
}
