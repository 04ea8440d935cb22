//! `POST /v1/sessions/{id}/turns`: one turn, from its request to its last line.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use sandbox_net::{Error, Output, PythonException, TurnEnd, TurnOptions, TurnOutcome, Value};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::answers::{Answers, Last};
use crate::body::Room;
use crate::calls::Turn;
use crate::failure::Failure;
use crate::lines;
use crate::request::{TurnRequest, seconds};
use crate::run::{denials, write_files};
use crate::server::Service;
use crate::sessions::{Entry, Live};
use crate::stream::{self, Lines, Stopped};
use crate::tenant::Tenant;

/// The most bytes of a value's forms.
const REPLY: u64 = 4 << 20;

/// A turn that was asked for, with everything that it holds.
struct Asked {
    entry: Arc<Entry>,
    live: OwnedMutexGuard<Option<Live>>,
    code: String,
    options: TurnOptions,
    output: u64,
    held: (Turn, Room),
}

pub(crate) async fn turn(
    service: Arc<Service>,
    tenant: Arc<Tenant>,
    id: String,
    body: Body,
) -> Result<Response, Failure> {
    let entry = service.sessions.find(&service, &tenant, &id)?;
    let place = service.enter(&tenant)?;
    let (request, room) = service
        .bodies
        .read::<TurnRequest>(&tenant.bodies, body)
        .await?;
    let busy = |_| {
        let why = "a turn of the session goes on: wait for its end, or interrupt it";
        Failure::new(StatusCode::CONFLICT, "session-busy", why)
    };
    let live = Arc::clone(&entry.live).try_lock_owned().map_err(busy)?;
    entry.touch();
    let lent = live.as_ref().map(|live| &live.lent);
    let lent = lent.ok_or_else(Failure::no_session)?;
    let output = request
        .limits
        .output
        .map_or(entry.output, |own| own.min(entry.output));
    let reply = output.min(REPLY).min(tenant.answers.reply());
    let mut options = TurnOptions::new()
        .stdout(Output::Piped)
        .stderr(Output::Piped)
        .reply_limit(u32::try_from(reply).unwrap_or(u32::MAX));
    if let Some(limit) = seconds("seconds", request.limits.seconds)? {
        options = options.time_limit(limit);
    }
    if let Some(limit) = request.limits.requests {
        options = options.request_limit(limit);
    }
    tenant.counted()?;
    let begun = async {
        let turn = place.turn().await;
        write_files(&lent.sandbox, &tenant, request.files).await?;
        Ok::<_, Failure>(turn)
    };
    let turn = tokio::select! {
        biased;
        () = entry.closing.cancelled() => return Err(closed()),
        turn = begun => turn?,
    };
    let name = lent.sandbox.name().to_owned();
    let (lines, body) = Lines::new(&tenant.answers, service.write_timeout);
    let (tell, told) = oneshot::channel();
    let asked = Asked {
        entry,
        live,
        code: request.code,
        options,
        output,
        held: (turn, room),
    };
    let of = Arc::clone(&service);
    service.tasks.spawn(async move {
        let ended = asked.followed(&of, lines, tell).await;
        crate::metrics::ended("turn", &tenant.name, ended);
    });
    match told.await {
        Ok(Ok(())) => Ok(stream::response(body, &name)),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::no_session()),
    }
}

/// The session was ended while the turn waited.
fn closed() -> Failure {
    let why = "the session was ended before the turn began: begin another one";
    Failure::new(StatusCode::GONE, "session-ended", why)
}

impl Asked {
    /// Tells whether it started, sends what it prints, and how it ended; returns that word.
    async fn followed(
        self,
        service: &Service,
        lines: Lines,
        tell: oneshot::Sender<Result<(), Failure>>,
    ) -> &'static str {
        let Self {
            entry,
            mut live,
            code,
            options,
            output,
            held,
        } = self;
        let Some(begun) = live.as_mut() else {
            let _ = tell.send(Err(Failure::no_session()));
            return "error";
        };
        let mut failure = None;
        let starting = async {
            tokio::select! {
                biased;
                () = lines.gone() => return None,
                () = entry.closing.cancelled() => Err(closed()),
                started = begun.session.start(code, options) => started.map_err(Failure::from),
            }
            .map_err(|why| failure = Some(why))
            .ok()
        };
        let Some(mut turn) = starting.await else {
            if begun.session.ended().is_some() {
                service.sessions.forget(&entry);
            }
            let Some(failure) = failure else {
                return "gone";
            };
            let _ = tell.send(Err(failure));
            return "error";
        };
        let _ = tell.send(Ok(()));
        let pieces = lines::printed(turn.stdout(), turn.stderr());
        let mut forward = std::pin::pin!(lines.forward(pieces, output));
        // Without an outcome it was interrupted: dropping a turn does that, and ends the session if it goes on.
        let (outcome, stopped) = lines
            .until_end(forward.as_mut(), turn.wait(), &entry.closing)
            .await;
        let is_over = begun.session.ended().is_some() || stopped == Some(Stopped::Ending);
        if is_over {
            service.sessions.forget(&entry);
            *live = None;
        }
        entry.touch();
        // All of it is free before the client hears of the end, and before it takes the rest of the output.
        drop((live, held));
        let session = if is_over { "ended" } else { "goes on" };
        let told = outcome.map(|outcome| told(outcome, session, lines.answers()));
        let last = |stopped| match (stopped, told) {
            (Stopped::Over, Some(told)) => told,
            (stopped, _) => cut(stopped, session, service.ending.is_cancelled()),
        };
        lines.finish(forward, stopped, &service.ending, last).await
    }
}

/// The last line of a turn that was stopped, or of which the output was, and its word.
fn cut(stopped: Stopped, session: &str, server_ends: bool) -> (&'static str, Last) {
    let (word, why) = match stopped {
        Stopped::Gone | Stopped::Over => ("gone", "the client went away"),
        Stopped::Output => ("output-limit", "it printed more than it may"),
        Stopped::Ending if server_ends => {
            ("shutdown", "this instance ends, and its sessions with it")
        }
        Stopped::Ending => ("closed", "the session was ended"),
    };
    let line = json!({"ended": word, "error": why, "session": session});
    (word, lines::line(&line).into())
}

/// The last line of a turn that ended, and its word for how.
fn told(
    outcome: Result<TurnOutcome, Error>,
    session: &'static str,
    answers: &Answers,
) -> (&'static str, Last) {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let failure = Failure::from(error);
            let line = json!({"ended": "error", "error": failure.text(), "session": session});
            return ("error", lines::line(&line).into());
        }
    };
    let (word, exit_code) = match &outcome.end {
        TurnEnd::Ended(exit) => (exit.as_str(), Some(exit.code())),
        end => (end.as_str(), None),
    };
    let told = Told {
        cpu_seconds: outcome.cpu.as_secs_f64(),
        denied: denials(&outcome.decisions),
        ended: word,
        exception: outcome.exception.as_ref().map(Thrown::of),
        exit_code,
        limits: outcome.budgets_reached(),
        memory: outcome.memory,
        requests: outcome.exchanges.len(),
        seconds: outcome.duration.as_secs_f64(),
        session,
        truncated: outcome.truncated,
        value: outcome.value.as_ref().map(Forms::of),
    };
    let line = lines::line(&told);
    let short = || {
        lines::line(&Told {
            denied: Vec::new(),
            exception: None,
            value: None,
            truncated: true,
            ..told
        })
    };
    (word, answers.long(line, short))
}

/// What a turn came to. All texts in it are the program's.
#[derive(Serialize)]
struct Told<'a, Limits> {
    cpu_seconds: f64,
    denied: Vec<serde_json::Value>,
    ended: &'static str,
    exception: Option<Thrown<'a>>,
    /// Of a program that has ended itself.
    exit_code: Option<i32>,
    limits: Limits,
    memory: usize,
    requests: usize,
    seconds: f64,
    session: &'static str,
    truncated: bool,
    value: Option<Forms<'a>>,
}

#[derive(Serialize)]
struct Thrown<'a> {
    message: &'a str,
    traceback: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
}

impl<'a> Thrown<'a> {
    fn of(exception: &'a PythonException) -> Self {
        Self {
            message: &exception.message,
            traceback: &exception.traceback,
            type_name: &exception.type_name,
        }
    }
}

/// The forms of a value.
#[derive(Serialize)]
struct Forms<'a> {
    json: Option<Box<RawValue>>,
    mime: BTreeMap<&'a str, &'a str>,
    text: &'a str,
}

impl<'a> Forms<'a> {
    fn of(value: &'a Value) -> Self {
        let mime = value.mime.iter();
        Self {
            json: value.json.as_deref().and_then(raw),
            mime: mime.map(|(kind, form)| (&**kind, &**form)).collect(),
            text: &value.text,
        }
    }
}

/// JSON as it is, within a line: of values that the program chose, a tree could be a hundred times as large.
fn raw(json: &str) -> Option<Box<RawValue>> {
    let valid: &RawValue = serde_json::from_str(json).ok()?;
    // Within JSON that is valid, these are only between its parts.
    RawValue::from_string(valid.get().replace(['\n', '\r'], " ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_a_program_stays_in_its_line() {
        for (json, expected) in [
            ("[1,\r\n 2]", Some("[1,   2]")),
            ("\n{\"a\": \"\\n\"}\n", Some("{\"a\": \"\\n\"}")),
            ("\"a\nb\"", None),
            ("1\n2", None),
            ("1}, \"ended\": {", None),
            ("", None),
        ] {
            let raw = raw(json);
            assert_eq!(raw.as_deref().map(RawValue::get), expected, "{json}");
        }
    }
}
