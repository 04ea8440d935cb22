//! Asks the person at the terminal.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_net::{Hook, HookAnswer, HookFuture, HookRequest};
use tokio::sync::Mutex as Turn;

/// A hook that puts what rules ask about to the person at the terminal, one question at a time. An
/// answer counts for the host, the port and the rule, for as long as the program runs.
#[derive(Default)]
pub(crate) struct Terminal {
    answers: Arc<Mutex<HashMap<String, bool>>>,
    turn: Turn<()>,
}

impl Hook for Terminal {
    fn decide<'a>(&'a self, request: &'a HookRequest) -> HookFuture<'a> {
        Box::pin(async move {
            if !request.is_asked {
                return Ok(HookAnswer::allow());
            }
            // It is printable: its host was parsed. The scheme is not known at first.
            // An answer to one rule is none to another.
            let endpoint = request.origin.endpoint.to_string();
            let subject = format!("{endpoint} (rule {})", request.rule);
            let _turn = self.turn.lock().await;
            let known = self.answers().get(&subject).copied();
            let is_granted = match known {
                Some(answer) => answer,
                None => {
                    let question = format!(
                        "sandbox-net: {} asks for {subject}. Allow it? [y/N] ",
                        request.sandbox
                    );
                    tokio::task::spawn_blocking(move || ask(&question)).await??
                }
            };
            self.answers().insert(subject, is_granted);
            Ok(match is_granted {
                true => HookAnswer::allow(),
                false => HookAnswer::deny("the person at the terminal said no"),
            })
        })
    }
}

impl Terminal {
    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<String, bool>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stdin may be the program's: the terminal itself is asked.
fn ask(question: &str) -> io::Result<bool> {
    let mut terminal = terminal()?;
    terminal.write_all(question.as_bytes())?;
    terminal.flush()?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn terminal() -> io::Result<File> {
    let name = if cfg!(windows) { "CONIN$" } else { "/dev/tty" };
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
        .open(name)
        .map_err(|_| io::Error::other("there is no terminal to ask at"))
}
