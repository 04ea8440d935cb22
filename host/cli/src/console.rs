//! The output streams of a command.

use std::cell::Cell;
use std::io::{self, Write};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{LineStyle, Table, TableStyle};

use crate::Failure;

/// The two streams of a command.
pub(crate) struct Console<'a> {
    /// The result of the command.
    pub(crate) out: &'a mut dyn Write,
    /// Errors and warnings.
    pub(crate) err: &'a mut dyn Write,
}

/// Nobody reads a command's output any more, as after `| head`. The command ends silently.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(crate) struct NobodyReads;

/// A stream of the process, whose reader may leave.
struct Stream<'a, W> {
    inner: W,
    has_left: &'a Cell<bool>,
}

impl<W: Write> Stream<'_, W> {
    fn seen<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let has_left = error.kind() == io::ErrorKind::BrokenPipe;
            self.has_left.set(self.has_left.get() || has_left);
        })
    }
}

impl<W: Write> Write for Stream<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.seen(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.seen(flushed)
    }
}

/// Runs a command with the streams of the process.
///
/// # Errors
///
/// [`NobodyReads`] if the reader of either has left, and otherwise the command's own error.
pub(crate) fn with_process_streams(
    run: impl FnOnce(&mut Console<'_>) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let has_left = Cell::new(false);
    // Locked stdout is written line by line, so that both streams stay in order.
    let mut out = Stream {
        inner: io::stdout().lock(),
        has_left: &has_left,
    };
    let mut err = Stream {
        inner: io::stderr().lock(),
        has_left: &has_left,
    };
    let code = run(&mut Console {
        out: &mut out,
        err: &mut err,
    });
    let code = code.and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match has_left.get() {
        true => Err(NobodyReads.into()),
        false => code,
    }
}

/// Prints one line, or several.
///
/// # Errors
///
/// [`NobodyReads`], and if stdout can't be written to.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    with_process_streams(|console| {
        writeln!(console.out, "{text}")?;
        Ok(0)
    })
    .map(drop)
}

/// Logs and policies are long, so there is no line between two rows.
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
        code: code.map_err(|error| format!("{error:#}")),
        out: text(out),
        err: text(err),
    }
}
