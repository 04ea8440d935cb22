//! The harness's own command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

const RUNS: usize = 7;

/// What to measure, and where to write it.
pub(super) struct Arguments {
    /// Measured runs of each side.
    pub(super) runs: usize,
    pub(super) json: Option<PathBuf>,
    pub(super) plots: Option<PathBuf>,
    words: Vec<String>,
}

impl Arguments {
    pub(super) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut read = Self {
            runs: RUNS,
            json: None,
            plots: None,
            words: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--runs" => read.runs = value()?.parse().context("--runs is a number")?,
                "--json" => read.json = Some(value()?.into()),
                "--plots" => read.plots = Some(value()?.into()),
                option if option.starts_with("--") => {
                    bail!(
                        "there is no option {option}: --runs N, --json FILE, --plots DIRECTORY, or words"
                    )
                }
                _ => read.words.push(argument),
            }
        }
        ensure!(read.runs > 0, "--runs is at least 1");
        Ok(read)
    }

    /// Whether this is the one word.
    pub(super) fn are_only(&self, word: &str) -> bool {
        self.words == [word]
    }

    /// Whether the row of this name is to be measured.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}
