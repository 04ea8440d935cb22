//! The command `sandbox-net snapshot`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sandbox_net::python::Terminal;
use sandbox_net::{Error, Snapshot, SnapshotError};

use crate::output_file::OutputFile;
use crate::script_wishes::Wishes;
use crate::supervise::say;
use crate::values::time;
use crate::{Failure, console, printable};

#[derive(Args)]
pub(crate) struct SnapshotCommand {
    /// Add a pure-Python package: a requirement to look up in the index, or the path of a wheel
    #[arg(long = "with", value_name = "PKG")]
    packages: Vec<String>,
    /// Add the packages listed in this file: one requirement per line, no options, no URLs
    #[arg(long, value_name = "FILE")]
    with_requirements: Vec<PathBuf>,
    /// Import these modules, in this order
    #[arg(long, value_name = "MODULES", value_delimiter = ',', required = true)]
    import: Vec<String>,
    /// Stop the imports after this time, all of them together: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    timeout: Duration,
    /// Limit the memory of the interpreter while it imports
    #[arg(long, value_name = "SIZE", value_parser = crate::values::size, default_value = "1GiB")]
    memory: bytesize::ByteSize,
    /// Write the snapshot to this file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl SnapshotCommand {
    pub(crate) async fn execute(self, cache_dir: Option<PathBuf>) -> Result<u8, Failure> {
        let output_file = OutputFile::only_file(&self.output, &self.with_requirements)?;
        let wishes = Wishes::read(None, None, &self.with_requirements)?;
        let mut builder = Snapshot::builder()
            .time_limit(self.timeout)
            .memory_limit(usize::try_from(self.memory.as_u64())?);
        for package in self.packages.into_iter().chain(wishes.packages) {
            builder = builder.with_package(package);
        }
        for module in self.import {
            builder = builder.import(module);
        }
        let engine = crate::engine(cache_dir, None, None, Terminal).await?;
        let snapshot = builder.engine(engine).build().await;
        if let Err(Error::Snapshot(SnapshotError::Import { traceback, why, .. })) = &snapshot {
            say_lines(traceback);
            if why.starts_with("ModuleNotFoundError") {
                say("name the packages that have the modules, such as --with requests");
            }
        }
        let snapshot = snapshot?;
        let output = String::from_utf8_lossy(snapshot.output());
        if !output.is_empty() {
            say("the imports printed this, which programs will not print again:");
            say_lines(&output);
        }
        snapshot.save(output_file.path()).await?;
        let memory = printable::bytes(snapshot.memory() as u64);
        console::print(&format!(
            "{}: programs begin with {memory}; run one with sandbox-net run --snapshot {0} SCRIPT",
            self.output.display(),
        ))?;
        Ok(0)
    }
}

fn say_lines(text: &str) {
    for line in text.lines() {
        say(&printable::printable(line));
    }
}
