//! `POST /v1/sessions/{id}/turns`: one turn, from its request to its last line.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use sandbox_net::{Error, Output, Session, TurnEnd, TurnOptions, TurnOutcome};
use serde_json::{Value, json};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio_util::sync::CancellationToken;

use crate::body::Room;
use crate::calls::Turn;
use crate::failure::Failure;
use crate::lines;
use crate::request::{TurnRequest, seconds};
use crate::run::write_files;
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
    let mut options = TurnOptions::new()
        .stdout(Output::Piped)
        .stderr(Output::Piped)
        .reply_limit(u32::try_from(output.min(REPLY)).unwrap_or(u32::MAX));
    if let Some(limit) = seconds("seconds", request.limits.seconds)? {
        options = options.time_limit(limit);
    }
    if let Some(limit) = request.limits.requests {
        options = options.request_limit(limit);
    }
    tenant.counted()?;
    let turn = place.turn().await;
    write_files(&lent.sandbox, &tenant, request.files).await?;
    let name = lent.sandbox.name().to_owned();
    let (lines, body) = Lines::new(service.write_timeout);
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
        let turn = Asking {
            code,
            options,
            output,
            closing: &entry.closing,
        };
        let (outcome, stopped) = match turn.played(&mut begun.session, &lines, tell).await {
            Ok(ended) => ended,
            Err(word) => {
                if begun.session.ended().is_some() {
                    service.sessions.forget(&entry);
                }
                return word;
            }
        };
        let is_over = begun.session.ended().is_some() || stopped == Stopped::Ending;
        if is_over {
            service.sessions.forget(&entry);
            *live = None;
        }
        entry.touch();
        // All of it is free before the client hears of the end.
        drop((live, held));
        let (word, mut last) = last(outcome, stopped, service.ending.is_cancelled());
        last["session"] = if is_over { "ended" } else { "goes on" }.into();
        lines.end(&last).await;
        word
    }
}

/// A turn, without what it holds.
struct Asking<'a> {
    code: String,
    options: TurnOptions,
    output: u64,
    closing: &'a CancellationToken,
}

impl Asking<'_> {
    /// Starts the turn, tells whether that went well, and sends what it prints. Without an outcome it was
    /// interrupted: dropping a turn does that, and ends the session if the turn goes on.
    async fn played(
        self,
        session: &mut Session,
        lines: &Lines,
        tell: oneshot::Sender<Result<(), Failure>>,
    ) -> Result<(Option<Result<TurnOutcome, Error>>, Stopped), &'static str> {
        let started = tokio::select! {
            () = lines.gone() => return Err("gone"),
            started = session.start(self.code, self.options) => started,
        };
        let mut turn = match started {
            Ok(turn) => turn,
            Err(error) => {
                let _ = tell.send(Err(error.into()));
                return Err("error");
            }
        };
        let _ = tell.send(Ok(()));
        let pieces = lines::printed(turn.stdout(), turn.stderr());
        let stopped = lines.forward(pieces, self.output, self.closing).await;
        if stopped != Stopped::Over {
            return Ok((None, stopped));
        }
        Ok(tokio::select! {
            outcome = turn.wait() => (Some(outcome), stopped),
            () = lines.gone() => (None, Stopped::Gone),
            () = self.closing.cancelled() => (None, Stopped::Ending),
        })
    }
}

/// The last line, and its word for how the turn ended.
fn last(
    outcome: Option<Result<TurnOutcome, Error>>,
    stopped: Stopped,
    server_ends: bool,
) -> (&'static str, Value) {
    let (word, why) = match (outcome, stopped) {
        (Some(Ok(outcome)), _) => return told(&outcome),
        (Some(Err(error)), _) => ("error", Failure::from(error).text().to_owned()),
        (None, Stopped::Gone | Stopped::Over) => ("gone", "the client went away".to_owned()),
        (None, Stopped::Output) => ("output-limit", "it printed more than it may".to_owned()),
        (None, Stopped::Ending) if server_ends => (
            "shutdown",
            "this instance ends, and its sessions with it".to_owned(),
        ),
        (None, Stopped::Ending) => ("closed", "the session was ended".to_owned()),
    };
    (word, json!({"ended": word, "error": why}))
}

fn told(outcome: &TurnOutcome) -> (&'static str, Value) {
    let word = match &outcome.end {
        TurnEnd::Ended(exit) => exit.as_str(),
        end => end.as_str(),
    };
    let value = outcome.value.as_ref().map(|value| {
        let read = value.json.as_deref().map(serde_json::from_str::<Value>);
        let mime: serde_json::Map<String, Value> = value
            .mime
            .iter()
            .map(|(kind, form)| (kind.clone(), form.as_str().into()))
            .collect();
        json!({"text": value.text, "json": read.and_then(Result::ok), "mime": mime})
    });
    let exception = outcome.exception.as_ref().map(|exception| {
        json!({
            "type": exception.type_name,
            "message": exception.message,
            "traceback": exception.traceback,
        })
    });
    let line = json!({
        "ended": word,
        "value": value,
        "exception": exception,
        "seconds": outcome.duration.as_secs_f64(),
        "cpu_seconds": outcome.cpu.as_secs_f64(),
        "memory": outcome.memory,
        "requests": outcome.exchanges.len(),
        "limits": outcome.budgets_reached(),
        "truncated": outcome.truncated,
    });
    (word, line)
}
