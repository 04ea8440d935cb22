//! Reads an audit log line by line, because it may be larger than memory.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use anyhow::Context;

use super::merged::Merged;
use crate::printable::shortened;
use crate::{Failure, input};
use sandbox_net::AuditLine;

/// The most bytes of a line; `sandbox-net` writes a few thousand.
const LONGEST: usize = 1 << 20;
/// The most faults that are reported individually.
const MOST: u64 = 5;

/// Why a line is not used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("longer than {} MiB", LONGEST >> 20)]
    TooLong,
    #[error("cut off")]
    CutOff,
    #[error("not a line of an audit log: {}", shortened(.0, 120))]
    Unknown(String),
}

/// Reads a log, reports its faults, and counts the lines that are not used. If a decision or a
/// lookup has several lines, `each` gets the last one.
///
/// # Errors
///
/// The log cannot be opened or read, or `each` failed.
pub(super) fn for_each(
    file: &Path,
    err: &mut dyn Write,
    each: impl FnMut(AuditLine),
) -> Result<u64, Failure> {
    let name = input::name(file);
    let reader = input::open(file).with_context(|| name.clone())?;
    read(reader, &name, err, each).context(name)
}

fn read(
    mut reader: impl BufRead,
    name: &str,
    err: &mut dyn Write,
    mut each: impl FnMut(AuditLine),
) -> io::Result<u64> {
    let (mut number, mut faults) = (0_u64, 0_u64);
    let mut buffer = Vec::new();
    let mut merged = Merged::default();
    while let Some(line) = next(&mut reader, &mut buffer)? {
        number += 1;
        match line {
            Ok(line) => merged.add(line, buffer.len(), &mut each),
            Err(fault) => {
                faults += 1;
                if faults <= MOST {
                    writeln!(err, "{name}: line {number}: {fault}")?;
                }
            }
        }
    }
    merged.finish(&mut each);
    if faults > MOST {
        writeln!(err, "{name}: {faults} of {number} lines cannot be read")?;
    }
    Ok(faults)
}

/// The next line; `None` at the end.
fn next(
    reader: &mut impl BufRead,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Result<AuditLine, Fault>>> {
    buffer.clear();
    let mut limited = reader.by_ref().take(LONGEST as u64 + 1);
    if limited.read_until(b'\n', buffer)? == 0 {
        return Ok(None);
    }
    let is_ended = buffer.ends_with(b"\n");
    if !is_ended && buffer.len() > LONGEST {
        reader.skip_until(b'\n')?;
        return Ok(Some(Err(Fault::TooLong)));
    }
    let line = serde_json::from_slice(buffer);
    Ok(Some(line.map_err(|error| match is_ended {
        true => Fault::Unknown(error.to_string()),
        false => Fault::CutOff,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(target: &str) -> String {
        format!(
            "{{\"type\":\"exchange\",\"time\":\"2026-11-21T10:20:30.123Z\",\"sandbox\":\"s\",\
             \"sequence\":1,\"method\":\"GET\",\"target\":{target:?},\"address\":null,\
             \"tls\":null,\"status\":200,\"bytes_up\":1,\"bytes_down\":2,\"duration_ms\":3,\
             \"secrets\":[],\"error\":null}}"
        )
    }

    fn faults(log: &str) -> (usize, u64, String) {
        let (mut lines, mut err) = (0, Vec::new());
        let faults = read(log.as_bytes(), "log", &mut err, |_| lines += 1).unwrap();
        (lines, faults, String::from_utf8(err).unwrap())
    }

    #[test]
    fn what_is_no_line_of_a_log_is_told_and_the_rest_is_read() {
        let good = exchange("https://a.test/");
        for (bad, told) in [
            ("", "not a line of an audit log: EOF while parsing a value"),
            ("{}", "missing field `type`"),
            (
                "{\"type\":\"\\u001b[31m\"}",
                "unknown variant `\\u{1b}[31m`",
            ),
            ("\u{1b}[31m", "expected value"),
            (&good.replace("200", "70000"), "expected u16"),
            (
                &good.replace("\"sequence\":1", "\"sequence\":-1"),
                "expected u64",
            ),
            (
                &good.replace("\"sequence\":1", "\"sequence\":1e999"),
                "out of range",
            ),
            (
                &good.replace("2026-", "99999-"),
                "not a line of an audit log",
            ),
            (&"[".repeat(100_000), "not a line of an audit log"),
            (&"{\"a\":".repeat(100_000), "recursion limit"),
            (
                &good.replace("null", &"[".repeat(100_000)),
                "recursion limit",
            ),
        ] {
            let (lines, faults, err) = faults(&format!("{good}\n{bad}\n{good}\n"));
            assert_eq!((lines, faults), (2, 1), "{bad:.50}");
            assert!(
                err.starts_with("log: line 2: ") && err.contains(told),
                "{err}"
            );
            assert!(err.len() < 200 && !err.contains('\u{1b}'), "{err}");
        }
    }

    #[test]
    fn a_line_of_a_mebibyte_is_read_and_a_longer_one_is_refused() {
        let room = LONGEST - exchange("").len();
        let longest = exchange(&"x".repeat(room));
        let log = format!("{longest}\n{longest}\n");
        assert_eq!(faults(&log), (2, 0, String::new()));
        let longer = exchange(&"x".repeat(room + 1));
        let log = format!("{longer}\n{longest}\n{}{longer}", longer.repeat(3));
        let told = "log: line 1: longer than 1 MiB\nlog: line 3: longer than 1 MiB\n";
        assert_eq!(faults(&log), (1, 2, told.to_owned()));
    }

    #[test]
    fn a_last_line_without_its_end_is_cut_off() {
        let good = exchange("https://a.test/");
        let cut = &good[..good.len() - 10];
        let told = "log: line 2: cut off\n";
        assert_eq!(faults(&format!("{good}\n{cut}")), (1, 1, told.to_owned()));
        assert_eq!(faults(&format!("{good}\n{good}")), (2, 0, String::new()));
    }

    #[test]
    fn only_the_first_faults_are_told_one_by_one() {
        let (lines, faults, err) = faults(&"x\n".repeat(1000));
        assert_eq!((lines, faults, err.lines().count()), (0, 1000, 6));
        assert!(err.ends_with("log: 1000 of 1000 lines cannot be read\n"));
    }
}
