//! The prompt: history, several lines, and completion from what the program has.

use std::path::PathBuf;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use sandbox_net::Session;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::Failure;
use crate::supervise::say;

const PROMPT: &str = ">>> ";
const INDENT: &str = "    ";
/// The most entries of the history.
const ENTRIES: usize = 10_000;

/// A line editor, and where its history is kept.
pub(super) struct Prompt {
    editor: Editor<Program, DefaultHistory>,
    history: Option<PathBuf>,
}

impl Prompt {
    pub(super) fn new(
        session: Arc<Mutex<Session>>,
        history: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(ENTRIES)?
            .build();
        let mut editor = Editor::with_config(config)?;
        let runtime = Handle::current();
        editor.set_helper(Some(Program { session, runtime }));
        if let Some(file) = &history {
            // There is none before the first statement.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    /// Reads a statement, in a thread that may block; None at the end of the input.
    pub(super) async fn read(mut self) -> Result<(Option<String>, Self), Failure> {
        let read = tokio::task::spawn_blocking(move || {
            let read = self.statement();
            (read, self)
        });
        let (read, prompt) = read.await?;
        Ok((read?, prompt))
    }

    fn statement(&mut self) -> Result<Option<String>, Failure> {
        loop {
            match self.editor.readline(PROMPT) {
                Ok(code) if code.trim().is_empty() => {}
                Ok(code) => {
                    self.keep(&code);
                    return Ok(Some(code));
                }
                Err(ReadlineError::Interrupted) => eprintln!("KeyboardInterrupt"),
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Adds a statement to the history, and to its file at once: the session may end in any way.
    fn keep(&mut self, code: &str) {
        let code = code.trim_end();
        let is_new = self.editor.add_history_entry(code).unwrap_or(false);
        let Some(file) = self.history.as_ref().filter(|_| is_new) else {
            return;
        };
        if let Err(error) = self.editor.append_history(file) {
            say(&format!(
                "the history {} can't be written: {error}",
                file.display()
            ));
            self.history = None;
        }
    }
}

/// The program behind the prompt. It is asked between turns only.
struct Program {
    session: Arc<Mutex<Session>>,
    runtime: Handle,
}

impl Program {
    fn ask<T>(&self, work: impl AsyncFnOnce(&mut Session) -> T) -> T {
        self.runtime.block_on(async {
            let mut session = self.session.lock().await;
            work(&mut session).await
        })
    }
}

impl Completer for Program {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..position];
        let line = before.rsplit('\n').next().unwrap_or(before);
        if line.trim().is_empty() {
            return Ok((position, vec![INDENT.to_owned()]));
        }
        let found = self.ask(async |session| session.complete(line).await);
        // A session that has ended says so at the next statement.
        let found = found.unwrap_or_default();
        match before.strip_suffix(&*found.word) {
            Some(rest) => Ok((rest.len(), found.candidates)),
            None => Ok((position, Vec::new())),
        }
    }
}

impl Validator for Program {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let code = context.input();
        let needs_more = self.ask(async |session| session.needs_more(code).await);
        Ok(match needs_more {
            Ok(true) => ValidationResult::Incomplete,
            _ => ValidationResult::Valid(None),
        })
    }
}

impl Hinter for Program {
    type Hint = String;
}

impl Highlighter for Program {}

impl Helper for Program {}
