//! What a program prints, as lines of JSON, and how it ended.

use axum::body::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use sandbox_net::{Error, OutputReader, Run, Sandbox};
use serde_json::{Value, json};

/// Lines with what the program prints, as it prints it, and one with its end.
///
/// A client that reads slowly makes its program wait: at most 64 KiB of each stream wait to be read.
pub(crate) fn lines(sandbox: Sandbox, mut run: Run) -> impl Stream<Item = Result<Bytes, Error>> {
    let stdout = pieces("stdout", run.stdout());
    let stderr = pieces("stderr", run.stderr());
    let printed = stream::select(stdout, stderr).map(Ok);
    let ended = stream::once(async move {
        let outcome = run.wait().await?;
        // It goes back to the pool's count before the client hears of the end.
        drop((run, sandbox));
        Ok(json!({
            "ended": outcome.exit.as_str(),
            "exit_code": outcome.exit_code(),
            "seconds": outcome.duration.as_secs_f64(),
            "cpu_seconds": outcome.cpu.as_secs_f64(),
            "requests": outcome.exchanges.len(),
            "limits": outcome.budgets_reached(),
        }))
    });
    // An error breaks the response off, so that the client sees that something is missing.
    printed.chain(ended).map(|line: Result<Value, Error>| {
        let mut line = line?.to_string();
        line.push('\n');
        Ok(line.into())
    })
}

/// The pieces of a stream as values such as `{"stdout": "text"}`.
fn pieces(name: &'static str, reader: Option<OutputReader>) -> BoxStream<'static, Value> {
    let next = move |(reader, mut begun): (Option<OutputReader>, Vec<u8>)| async move {
        let mut reader = reader?;
        match reader.next().await {
            Some(bytes) => {
                begun.extend_from_slice(&bytes);
                let text = whole_characters(&mut begun);
                Some((json!({ name: text }), (Some(reader), begun)))
            }
            None if begun.is_empty() => None,
            None => {
                let text = String::from_utf8_lossy(&begun);
                Some((json!({ name: text }), (None, Vec::new())))
            }
        }
    };
    stream::unfold((reader, Vec::new()), next).boxed()
}

/// Takes what can be decoded. A character at the end of which a part is missing waits for the next piece.
fn whole_characters(bytes: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}
