//! Writes the numbers of the control channel, from `adapter/frames.toml`.
//!
//! The adapter has its own file for them. In Python they are a block within a file, between a line
//! that begins with [`BEGIN`] and one with [`END`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The beginning of the line before a block.
pub const BEGIN: &str = "# Generated from adapter/frames.toml by `cargo run -p xtask -- frames`:";
/// The line after a block.
pub const END: &str = "# End of what is generated.";

/// The path of the table.
const TABLE: &str = "adapter/frames.toml";

/// Names with their numbers.
type Numbers = BTreeMap<String, u32>;

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    version: u32,
    header: u32,
    end: u32,
    most_payload: u32,
    most_read: u32,
    last: u32,
    closed: u32,
    whole: u32,
    bodies: u32,
    most_poll_entries: u32,
    commands: Numbers,
    statuses: Numbers,
    interests: Numbers,
    errors: Numbers,
    faults: Numbers,
}

/// The function that writes the block of a file.
type Block = fn(&Table) -> String;

/// The Python files with a block.
const BLOCKS: &[(&str, Block)] = &[
    ("shim/sandbox_net/channel.py", channel),
    ("shim/sandbox_net/errors.py", errors),
    ("shim/tests/fake_frames.py", fake_frames),
    ("tests/programs/frames.py", programs),
];

/// The adapter's file.
const ADAPTER: &str = "adapter/src/numbers.rs";

/// The expected files below `root`, by their paths.
///
/// # Errors
///
/// If the table or a file cannot be read, or a file has no place for its block.
pub fn generate(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let table: Table =
        toml::from_str(&read(root, TABLE)?).with_context(|| format!("{TABLE} is no such table"))?;
    let mut files = vec![(ADAPTER, adapter(&table))];
    for (path, block) in BLOCKS {
        let text = replaced(&read(root, path)?, &block(&table));
        let text = text.with_context(|| format!("{path}: '{BEGIN}' or '{END}' is missing"))?;
        files.push((path, text));
    }
    Ok(files)
}

/// Writes the files that are outdated, and returns their paths.
///
/// # Errors
///
/// As [`generate`], and if a file cannot be written.
pub fn write(root: &Path) -> Result<Vec<&'static str>> {
    let mut written = Vec::new();
    for path in outdated(root)? {
        let files = generate(root)?;
        let text = files.into_iter().find(|(other, _)| *other == path);
        let (_, text) = text.context("a generated file")?;
        std::fs::write(root.join(path), text).with_context(|| format!("{path} is not written"))?;
        written.push(path);
    }
    Ok(written)
}

/// The files that are outdated.
///
/// # Errors
///
/// As [`generate`].
pub fn outdated(root: &Path) -> Result<Vec<&'static str>> {
    let files = generate(root)?.into_iter();
    let old = files.filter(|(path, text)| read(root, path).ok().as_ref() != Some(text));
    Ok(old.map(|(path, _)| path).collect())
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("{path} is not read"))
}

/// The text with another block; `None` if it has no place for one.
pub fn replaced(text: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (title, rest) = rest.split_once('\n')?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{title}\n{block}{END}{after}"))
}

/// Sorts by numbers.
fn sorted(numbers: &Numbers) -> Vec<(&str, u32)> {
    let mut all: Vec<_> = numbers
        .iter()
        .map(|(name, n)| (name.as_str(), *n))
        .collect();
    all.sort_by_key(|(_, number)| *number);
    all
}

fn adapter(table: &Table) -> String {
    let mut text = String::from(
        "//! The numbers of the control channel. Generated from `frames.toml`: do not edit, run\n\
         //! `cargo run -p xtask -- frames`.\n",
    );
    let mut constant = |name: &str, kind: &str, number: u32| {
        let _ = writeln!(text, "pub(crate) const {name}: {kind} = {number};");
    };
    constant("VERSION", "u8", table.version);
    constant("HEADER", "usize", table.header);
    constant("MOST_PAYLOAD", "usize", table.most_payload);
    constant("MOST_READ", "u32", table.most_read);
    for (name, number) in [
        ("END", table.end),
        ("LAST", table.last),
        ("CLOSED", table.closed),
        ("WHOLE", table.whole),
        ("BODIES", table.bodies),
    ] {
        constant(name, "u32", number);
    }
    constant("MOST_ENTRIES", "usize", table.most_poll_entries);
    for (module, numbers) in [
        ("command", &table.commands),
        ("status", &table.statuses),
        ("interest", &table.interests),
        ("fault", &table.faults),
    ] {
        let _ = writeln!(text, "\npub(crate) mod {module} {{");
        for (name, number) in sorted(numbers) {
            let name = name.to_uppercase();
            let _ = writeln!(text, "    pub(crate) const {name}: u8 = {number};");
        }
        text.push_str("}\n");
    }
    text
}

/// `NAME: Final = 1`, one on each line.
fn finals(numbers: &Numbers, prefix: &str) -> String {
    let lines = sorted(numbers).into_iter();
    lines
        .map(|(name, number)| format!("{prefix}{}: Final = {number}\n", name.to_uppercase()))
        .collect()
}

/// `NAME = 1`, one on each line.
fn assignments(numbers: &Numbers, prefix: &str) -> String {
    finals(numbers, prefix).replace(": Final", "")
}

fn channel(table: &Table) -> String {
    format!(
        "VERSION: Final = {}\n\n# Commands.\n{}\n# Interests of `POLL`.\n{}\n\
         MAX_POLL_ENTRIES: Final = {}\n\n# Statuses of a reply.\n{}\n\
         _END: Final = {}  # the `value` of a `READ` reply behind the last byte\n\
         # Bits of the `value` of a reply with bytes of a body.\nLAST: Final = {}\nCLOSED: Final = {}\n\
         WHOLE: Final = {}  # a bit of `arg`: the bytes end the body\n\
         _BODIES: Final = {}  # the descriptor of an exchange's bodies is its id and this\n\
         _HEADER: Final = {}\n",
        table.version,
        finals(&table.commands, ""),
        finals(&table.interests, ""),
        table.most_poll_entries,
        finals(&table.statuses, "_"),
        table.end,
        table.last,
        table.closed,
        table.whole,
        table.bodies,
        table.header,
    )
}

fn errors(table: &Table) -> String {
    format!(
        "{}\n# The adapter's own.\n{}",
        assignments(&table.errors, ""),
        assignments(&table.faults, "")
    )
}

fn fake_frames(table: &Table) -> String {
    format!(
        "{}\n{}\n{}\nLAST = {}\nCLOSED_TOO = {}\nWHOLE = {}\n\n\
         MAX_PAYLOAD = {}\nMAX_READ = {}\n",
        assignments(&table.statuses, ""),
        assignments(&table.errors, ""),
        assignments(&table.faults, "BAD_"),
        table.last,
        table.closed,
        table.whole,
        table.most_payload,
        table.most_read,
    )
}

fn programs(table: &Table) -> String {
    let interests = assignments(&table.interests, "").replace("BODY", "READABLE");
    format!(
        "{}\n{}\n{interests}",
        assignments(&table.commands, ""),
        assignments(&table.statuses, ""),
    )
}
