//! Reads statements from a stream that is no terminal.

use sandbox_net::Session;
use tokio::io::{AsyncBufReadExt as _, BufReader, Stdin, stdin};

use crate::Failure;

/// The lines of the process's stdin.
pub(super) struct Lines {
    lines: tokio::io::Lines<BufReader<Stdin>>,
    is_over: bool,
}

impl Lines {
    pub(super) fn of_stdin() -> Self {
        Self {
            lines: BufReader::new(stdin()).lines(),
            is_over: false,
        }
    }

    /// The next statement, as many lines as it has; None at the end. A block ends with an empty line, or
    /// with a line that is not part of it.
    pub(super) async fn statement(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<String>, Failure> {
        let mut code = String::new();
        while !self.is_over {
            let Some(line) = self.lines.next_line().await? else {
                self.is_over = true;
                break;
            };
            code.push_str(&line);
            if !code.trim().is_empty() && !session.needs_more(&code).await? {
                return Ok(Some(code));
            }
            code.push('\n');
        }
        Ok((!code.trim().is_empty()).then_some(code))
    }
}
