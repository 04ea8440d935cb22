//! `POST /v1/run`: one program, from its request to its last line.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use sandbox_net::{Error, Outcome, Output, Run, RunOptions, Sandbox, Script, Stdin, Verdict};
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
    let (lines, body) = Lines::new(service.write_timeout);
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
        let kill = run.kill_handle();
        let pieces = lines::printed(run.stdout(), run.stderr());
        let mut stopped = lines.forward(pieces, output, ending).await;
        if stopped != Stopped::Over {
            kill.kill();
        }
        let outcome = {
            let mut waiting = std::pin::pin!(run.wait());
            tokio::select! {
                outcome = &mut waiting => outcome,
                () = lines.gone() => {
                    stopped = Stopped::Gone;
                    kill.kill();
                    waiting.await
                }
                () = ending.cancelled(), if stopped == Stopped::Over => {
                    stopped = Stopped::Ending;
                    kill.kill();
                    waiting.await
                }
            }
        };
        // All of it is free before the client hears of the end.
        drop((run, lent, held));
        let (word, last) = last(outcome, stopped);
        lines.end(&last).await;
        word
    }
}

/// The last line, and its word for how the program ended.
fn last(outcome: Result<Outcome, Error>, stopped: Stopped) -> (&'static str, Value) {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let failure = Failure::from(error);
            return ("error", json!({"ended": "error", "error": failure.text()}));
        }
    };
    let (word, why) = match stopped {
        Stopped::Over => (outcome.exit.as_str(), None),
        Stopped::Gone => ("gone", None),
        Stopped::Output => ("output-limit", Some("it printed more than it may")),
        Stopped::Ending => ("shutdown", Some("this instance ends")),
    };
    let denied = outcome.decisions.iter();
    let denied = denied.filter(|it| it.verdict == Verdict::Deny);
    let denied =
        denied.map(|it| json!({"target": it.target, "rule": it.rule, "reason": it.reason}));
    let mut line = json!({
        "ended": word,
        "exit_code": outcome.exit_code(),
        "seconds": outcome.duration.as_secs_f64(),
        "cpu_seconds": outcome.cpu.as_secs_f64(),
        "memory": outcome.memory,
        "requests": outcome.exchanges.len(),
        "denied": denied.take(DENIED).collect::<Vec<_>>(),
        "limits": outcome.budgets_reached(),
    });
    if let Some(why) = why {
        line["error"] = why.into();
    }
    (word, line)
}
