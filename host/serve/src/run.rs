//! `POST /v1/run`: one program, from its request to its last line.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use sandbox_net::{
    DecisionRecord, Error, Outcome, Output, Run, RunOptions, Sandbox, Script, Stdin, Verdict,
};
use serde_json::{Value, json};

use crate::body::Room;
use crate::calls::Turn;
use crate::failure::Failure;
use crate::lines;
use crate::narrow;
use crate::request::{Content, Limits, RunRequest, seconds};
use crate::server::Service;
use crate::stream::{self, Lines, Stopped};
use crate::tenant::{Lent, Tenant};

/// The most denials that the last line has.
const DENIED: usize = 20;
/// The longest program that is an argument of the interpreter, in bytes.
const SHORT: usize = 16 << 10;

/// A program that runs, with everything that it holds.
struct Program {
    run: Run,
    lent: Lent,
    output: u64,
    held: (Turn, Room),
}

pub(crate) async fn run(
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    body: Body,
) -> Result<Response, Failure> {
    let place = service.enter(&tenant)?;
    let (request, room) = service
        .bodies
        .read::<RunRequest>(&tenant.bodies, body)
        .await?;
    let narrower = request.policy.as_ref();
    let narrower = narrower.map(|wanted| narrow::narrowed(&tenant.policy, wanted));
    let narrower = narrower.transpose()?;
    let options = options(&request.limits)?;
    let output = request
        .limits
        .output
        .map_or(tenant.output, |own| own.min(tenant.output));
    let stdin = match request.stdin {
        Some(content) => Stdin::Bytes(content.bytes("stdin")?),
        None => Stdin::Empty,
    };
    let mut options = options.stdin(stdin);
    for argument in request.arguments {
        options = options.arg(argument);
    }
    for (name, value) in request.environment {
        options = options.env(name, value);
    }
    tenant.counted()?;
    let turn = place.turn().await;
    let lent = tenant.sandbox(narrower).await?;
    write_files(&lent.sandbox, &tenant, request.files).await?;
    let started = lent
        .sandbox
        .start(script(request.code), options.unbuffered());
    let run = started.await?;
    let name = lent.sandbox.name().to_owned();
    let (lines, body) = Lines::new(&tenant.answers, service.write_timeout);
    let program = Program {
        run,
        lent,
        output,
        held: (turn, room),
    };
    let ending = service.ending.clone();
    service.tasks.spawn(async move {
        let ended = program.followed(lines, &ending).await;
        crate::metrics::ended("run", &tenant.name, ended);
    });
    Ok(stream::response(body, &name))
}

/// A long program is a file, because arguments have little room.
fn script(code: String) -> Script {
    match code.len() <= SHORT {
        true => Script::code(code),
        false => Script::named("main.py", code),
    }
}

fn options(limits: &Limits) -> Result<RunOptions, Failure> {
    let mut options = RunOptions::new()
        .stdout(Output::Piped)
        .stderr(Output::Piped);
    if let Some(limit) = seconds("seconds", limits.seconds)? {
        options = options.time_limit(limit);
    }
    if let Some(limit) = seconds("cpu_seconds", limits.cpu_seconds)? {
        options = options.cpu_limit(limit);
    }
    if let Some(limit) = limits.memory {
        options = options.memory_limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if let Some(limit) = limits.requests {
        options = options.request_limit(limit);
    }
    Ok(options)
}

/// Writes the files of a request.
///
/// # Errors
///
/// 413 if they are more than the tenant's disk, 507 if the host's is full, 400 for a path that is none.
pub(crate) async fn write_files(
    sandbox: &Sandbox,
    tenant: &Tenant,
    files: BTreeMap<String, Content>,
) -> Result<(), Failure> {
    let mut total = 0_u64;
    for (path, content) in files {
        let bytes = content.bytes(&path)?;
        total = total.saturating_add(bytes.len() as u64);
        if total > tenant.disk {
            let why = format!(
                "the files are more than the {} bytes of the disk",
                tenant.disk
            );
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "files", why));
        }
        sandbox.write_file(&path, bytes).await?;
    }
    Ok(())
}

impl Program {
    /// Sends what it prints, and how it ended; returns that word.
    async fn followed(
        self,
        lines: Lines,
        ending: &tokio_util::sync::CancellationToken,
    ) -> &'static str {
        let Self {
            mut run,
            lent,
            output,
            held,
        } = self;
        let pieces = lines::printed(run.stdout(), run.stderr());
        let mut forward = std::pin::pin!(lines.forward(pieces, output));
        let (outcome, stopped) = lines.until_end(forward.as_mut(), run.wait(), ending).await;
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => {
                run.kill();
                run.wait().await
            }
        };
        // All of it is free before the client hears of the end, and before it takes the rest of the output.
        drop((run, lent, held));
        let (end, denied) = End::of(outcome);
        let so_far = stopped.unwrap_or(Stopped::Over);
        let whole = end.line(so_far, denied);
        let whole = lines.answers().long(whole, || end.shortened(so_far));
        let last = |now| match now == so_far {
            true => (end.word(now), whole),
            false => (end.word(now), end.shortened(now).into()),
        };
        lines.finish(forward, stopped, ending, last).await
    }
}

/// The first requests that were denied, with the rule and the reason.
pub(crate) fn denials(decisions: &[DecisionRecord]) -> Vec<Value> {
    let denied = decisions.iter();
    let denied = denied.filter(|it| it.verdict == Verdict::Deny).take(DENIED);
    denied
        .map(|it| json!({"target": it.target, "rule": it.rule, "reason": it.reason}))
        .collect()
}

/// How a program ended, unless it was stopped.
struct End {
    word: &'static str,
    line: Value,
}

impl End {
    /// The end, and the denials of its line.
    fn of(outcome: Result<Outcome, Error>) -> (Self, Vec<Value>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let word = "error";
                let line = json!({"ended": word, "error": Failure::from(error).text()});
                return (Self { word, line }, Vec::new());
            }
        };
        let denied = denials(&outcome.decisions);
        let word = outcome.exit.as_str();
        let line = json!({
            "ended": word,
            "exit_code": outcome.exit_code(),
            "seconds": outcome.duration.as_secs_f64(),
            "cpu_seconds": outcome.cpu.as_secs_f64(),
            "memory": outcome.memory,
            "requests": outcome.exchanges.len(),
            "limits": outcome.budgets_reached(),
        });
        (Self { word, line }, denied)
    }

    /// Why the program or its output was stopped, if it was, after its word.
    fn why(&self, stopped: Stopped) -> Option<(&'static str, &'static str)> {
        match stopped {
            _ if self.word == "error" => None,
            Stopped::Over => None,
            Stopped::Gone => Some(("gone", "the client went away")),
            Stopped::Output => Some(("output-limit", "it printed more than it may")),
            Stopped::Ending => Some(("shutdown", "this instance ends")),
        }
    }

    fn word(&self, stopped: Stopped) -> &'static str {
        self.why(stopped).map_or(self.word, |(word, _)| word)
    }

    fn line(&self, stopped: Stopped, denied: Vec<Value>) -> Vec<u8> {
        let mut line = self.line.clone();
        line["denied"] = denied.into();
        if let Some((word, why)) = self.why(stopped) {
            line["ended"] = word.into();
            line["error"] = why.into();
        }
        lines::line(&line)
    }

    /// Without the denials, which may be long.
    fn shortened(&self, stopped: Stopped) -> Vec<u8> {
        self.line(stopped, Vec::new())
    }
}
