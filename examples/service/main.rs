//! A service that runs Python programs for its clients.
//!
//! - `POST /runs` takes a program's source and streams what it prints while it runs. The field
//!   `location` names the run.
//! - `GET /runs/ID` tells how a run ended: exit code, stderr, and each decision on the network.
//!
//! Each request has a sandbox of its own; all share one compiled interpreter. If the client goes away,
//! its program ends. If too many programs run and wait, the answer is 429.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, stream};
use sandbox_net::{Engine, Error, Outcome, Output, OutputReader, Run, RunOptions, Sandbox, Script};
use serde::Deserialize;

/// No program gets more than this, whatever its request asks for.
const LONGEST: Duration = Duration::from_secs(60);
const MOST_MEMORY: usize = 256 << 20;
const MOST_DISK: u64 = 16 << 20;
/// How much of stderr is kept, and of how many runs.
const STDERR: usize = 64 << 10;
const REMEMBERED: usize = 1000;

struct Service {
    engine: Engine,
    /// What every program may reach.
    rules: Vec<String>,
    next: AtomicU64,
    ended: Mutex<BTreeMap<u64, serde_json::Value>>,
}

/// The limits of one run, in the query of its request.
#[derive(Deserialize)]
struct Limits {
    seconds: Option<f64>,
    cpu_seconds: Option<f64>,
    memory: Option<usize>,
    requests: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|word| word.parse().ok());
    let (Some(running), Some(waiting)) = (number(), number()) else {
        anyhow::bail!("usage: service RUNNING WAITING [RULE]...");
    };
    let engine = Engine::builder().max_running(running).max_waiting(waiting);
    let service = Service {
        engine: engine.build().await?,
        rules: args.collect(),
        next: AtomicU64::new(1),
        ended: Mutex::default(),
    };
    // The first client waits for no compiler.
    service.engine.warm().await?;
    let router = Router::new()
        .route("/runs", post(start))
        .route("/runs/{id}", get(ended))
        .with_state(Arc::new(service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

async fn start(
    State(service): State<Arc<Service>>,
    Query(limits): Query<Limits>,
    source: String,
) -> Result<Response, Failure> {
    let options = limits.options()?;
    // Of two limits the smaller one counts: the sandbox has the service's, the run those of the request.
    let mut sandbox = Sandbox::builder()
        .engine(service.engine.clone())
        .time_limit(LONGEST)
        .memory_limit(MOST_MEMORY)
        .disk_limit(MOST_DISK);
    for rule in &service.rules {
        sandbox = sandbox.allow(rule);
    }
    let sandbox = sandbox.build().await?;
    // Waits until it is this program's turn. If the client goes away meanwhile, axum drops this future,
    // and nothing starts. The sandbox's files stay until the run has ended.
    let run = sandbox.start(Script::code(source), options).await?;
    let id = service.next.fetch_add(1, Ordering::Relaxed);
    let location = format!("/runs/{id}");
    let body = Body::from_stream(printed(service, id, run));
    Ok(([(header::LOCATION, location)], body).into_response())
}

/// What the program prints, piece by piece; at its end the outcome is kept.
///
/// The stream owns the run. axum drops it when the client disconnects, and dropping a `Run` ends its
/// program. A client that reads slowly makes its program wait: at most 64 KiB wait to be read.
fn printed(
    service: Arc<Service>,
    id: u64,
    mut run: Run,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let stdout = run.stdout();
    let next = move |(mut run, stdout): (Run, Option<OutputReader>)| {
        let service = Arc::clone(&service);
        async move {
            // Without a reader the stream has ended.
            let mut stdout = stdout?;
            if let Some(bytes) = stdout.next().await {
                return Some((Ok(bytes), (run, Some(stdout))));
            }
            match run.wait().await {
                Ok(outcome) => {
                    service.remember(id, &outcome);
                    None
                }
                // It breaks the response off, so that the client sees that something is missing.
                Err(error) => Some((Err(error), (run, None))),
            }
        }
    };
    stream::unfold((run, stdout), next)
}

/// Whoever knows a run's number sees its end. A service for several customers would check who asks.
async fn ended(State(service): State<Arc<Service>>, Path(id): Path<u64>) -> Response {
    let ended = service.ended.lock().unwrap_or_else(PoisonError::into_inner);
    match ended.get(&id) {
        Some(outcome) => Json(outcome.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, "no such run has ended\n").into_response(),
    }
}

impl Service {
    fn remember(&self, id: u64, outcome: &Outcome) {
        let Ok(outcome) = serde_json::to_value(outcome) else {
            return;
        };
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(id, outcome);
        if ended.len() > REMEMBERED {
            ended.pop_first();
        }
    }
}

impl Limits {
    fn options(&self) -> Result<RunOptions, Failure> {
        let mut options = RunOptions::new()
            .stdout(Output::Piped)
            // Each `print` is sent at once.
            .unbuffered()
            // Nobody reads stderr meanwhile, so it is captured: a pipe that fills would stop the program.
            .stderr(Output::Capture)
            .capture_limit(STDERR);
        if let Some(limit) = self.seconds {
            options = options.time_limit(duration(limit)?);
        }
        if let Some(limit) = self.cpu_seconds {
            options = options.cpu_limit(duration(limit)?);
        }
        if let Some(limit) = self.memory {
            options = options.memory_limit(limit);
        }
        if let Some(limit) = self.requests {
            options = options.request_limit(limit);
        }
        Ok(options)
    }
}

fn duration(seconds: f64) -> Result<Duration, Failure> {
    let duration = Duration::try_from_secs_f64(seconds);
    duration.map_err(|error| Failure(StatusCode::BAD_REQUEST, error.to_string()))
}

/// An answer that is no run.
struct Failure(StatusCode, String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            // A limit of zero, or less memory than the interpreter needs.
            Error::Setting { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        let mut response = (status, why + "\n").into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let after = header::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}
