//! Where a command writes.

use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{LineStyle, Table, TableStyle};

use crate::Failure;

/// The two streams of a command.
pub(crate) struct Console<'a> {
    /// What was asked for.
    pub(crate) out: &'a mut dyn Write,
    /// What is wrong.
    pub(crate) err: &'a mut dyn Write,
}

/// Runs a command with the streams of the process.
pub(crate) fn with_process_streams(
    run: impl FnOnce(&mut Console<'_>) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    // The lock of stdout writes by lines, so that both streams come in their order.
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let code = run(&mut Console {
        out: &mut out,
        err: &mut err,
    })?;
    out.flush()?;
    Ok(code)
}

/// Logs and policies are long: no line between two rows.
const STYLE: TableStyle = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

/// An empty table with this header.
pub(crate) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header);
    table
}

/// Prints a table without white space at the ends of its lines.
pub(crate) fn print_table(out: &mut dyn Write, table: &Table) -> io::Result<()> {
    writeln!(out, "{}", table.trim_fmt())
}

/// What a command printed.
#[cfg(test)]
pub(crate) struct Captured {
    pub(crate) code: Result<u8, String>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command and keeps what it prints.
#[cfg(test)]
pub(crate) fn captured(run: impl FnOnce(&mut Console<'_>) -> Result<u8, Failure>) -> Captured {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&mut Console {
        out: &mut out,
        err: &mut err,
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Captured {
        code: code.map_err(|error| error.to_string()),
        out: text(out),
        err: text(err),
    }
}
