//! Asks the person at the terminal.

mod question;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox_net::{DecisionHook, HookAnswer, HookError, HookRequest};
use tokio::sync::Mutex as Turn;

use crate::printable::printable;
use question::{Answer, Question};

/// How long a person has for an answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(120);

/// A hook that asks the person at the terminal what rules ask about, one question at a time. An
/// answer counts for the host, the port and the rule, for as long as the program runs.
#[derive(Default)]
pub(crate) struct Terminal {
    answers: Arc<Mutex<HashMap<String, bool>>>,
    turn: Turn<()>,
}

impl DecisionHook for Terminal {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        if !request.is_asked {
            return Ok(HookAnswer::allow());
        }
        // The program's output waits while the question is open, so it is closed when nobody waits
        // for its answer, such as at the end of the run.
        tokio::select! {
            answer = self.answer(request) => answer,
            () = request.abandoned() => Ok(HookAnswer::deny("nobody at the terminal answered")),
        }
    }
}

/// Whether the person at the terminal grants rules that a script requests. `rules` are printable.
pub(crate) async fn grants(script: &str, rules: &[String], limit: Duration) -> bool {
    let Ok(number) = getrandom::u32() else {
        return false;
    };
    let list: Vec<_> = rules
        .iter()
        .map(|rule| format!("    allow {rule}"))
        .collect();
    let question = Question {
        text: format!("{script} asks for these rules:\r\n{}", list.join("\r\n")),
        // A script must not be able to tell its reader what to type.
        word: format!("{:04}", number % 10_000),
        kind: "the number",
    };
    matches!(question.ask(limit).await, Ok(Answer::Allow))
}

impl Terminal {
    /// The person's answer to this, now or before.
    async fn answer(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        // The scheme is not known at first. An answer for one rule does not count for another.
        let endpoint = &request.origin.endpoint;
        let subject = format!("{endpoint} (rule {})", request.rule);
        let _turn = self.turn.lock().await;
        let known = self.answers().get(&subject).copied();
        let is_granted = match known {
            Some(answer) => answer,
            None => {
                let text = format!("{} asks for {subject}.", request.sandbox);
                let question = Question {
                    text: printable(&text),
                    // ASCII without a space, because it was parsed as a host.
                    word: endpoint.host.to_string(),
                    kind: "the host's name",
                };
                match question.ask(ANSWER).await? {
                    Answer::Allow => true,
                    Answer::Deny => false,
                    Answer::None => {
                        return Ok(HookAnswer::deny("nobody at the terminal answered"));
                    }
                }
            }
        };
        self.answers().insert(subject, is_granted);
        Ok(match is_granted {
            true => HookAnswer::allow(),
            false => HookAnswer::deny("the person at the terminal said no"),
        })
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<String, bool>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
