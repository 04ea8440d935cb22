//! Asks a person at the terminal about each host that a program wants to reach: once, whatever it
//! requests there, and however often.

use std::collections::HashMap;
use std::time::Duration;

use sandbox_net::policy::Host;
use sandbox_net::{DecisionHook, HookAnswer, HookError, HookRequest, Sandbox, Script};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};
use tokio::sync::Mutex;

/// How long the person has for an answer; without one in time the request is denied.
const PATIENCE: Duration = Duration::from_secs(120);

/// The person at the terminal. The lock is held while a question is open, so there is one at a time, and
/// whoever asks about the same host meanwhile finds the answer.
struct Person(Mutex<Talk>);

struct Talk {
    lines: Lines<BufReader<Stdin>>,
    answers: HashMap<Host, bool>,
}

impl DecisionHook for Person {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        // The hook is asked about everything. What a rule allows needs no person.
        if !request.is_asked {
            return Ok(HookAnswer::allow());
        }
        let mut talk = self.0.lock().await;
        // A connection is asked about first, then each of its requests: the host is the same.
        let host = &request.origin.endpoint.host;
        let is_granted = match talk.answers.get(host) {
            Some(answer) => *answer,
            None => {
                // The program can't write to the terminal with a host: it was parsed, and is plain ASCII.
                eprint!("May the program reach {host}? [y/n] ");
                // The end of the input is no answer. It is an error, which denies.
                let line = talk.lines.next_line().await?.ok_or("nobody is there")?;
                let answer = matches!(line.trim(), "y" | "yes");
                talk.answers.insert(host.clone(), answer);
                answer
            }
        };
        Ok(match is_granted {
            true => HookAnswer::allow(),
            // The program is told.
            false => HookAnswer::deny("the person at the terminal said no"),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(script) = args.next() else {
        anyhow::bail!("usage: ask_person SCRIPT [RULE]...");
    };
    let person = Person(Mutex::new(Talk {
        lines: BufReader::new(stdin()).lines(),
        answers: HashMap::new(),
    }));
    let mut sandbox = Sandbox::builder().hook(person).hook_deadline(PATIENCE);
    for rule in args {
        sandbox = sandbox.ask(rule);
    }
    let sandbox = sandbox.build().await?;
    // The output is captured and shown at the end: a program that writes to the terminal meanwhile could
    // ask questions of its own.
    let outcome = sandbox.run(Script::path(script)).await?;
    print!("{}", outcome.stdout_text());
    eprint!("{}", outcome.stderr_text());
    sandbox.close().await?;
    // tokio waits at its end for the thread that reads stdin, and thus for another line.
    std::process::exit(outcome.exit_code());
}
