//! A server that runs Python programs in sandboxes from a pool.
//!
//! - `POST /run?seconds=5` runs the program in the body. The response is a line of JSON for each piece that
//!   the program prints, when it prints it, `{"stdout": "..."}` or `{"stderr": "..."}`, and one for its end:
//!   `{"ended": "exit", "exit_code": 0, ...}`. A response without that line was broken off.
//! - `GET /healthz` tells whether programs can be run, `GET /stats` what the pool and the engine do.
//!
//! Each program has a sandbox of its own, which was made before and is used once. If too many run and wait,
//! the answer is 429. If a client goes away, its program ends. After SIGTERM or Ctrl-C the server takes no
//! more programs, and those that run have ten seconds.

mod output;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sandbox_net::{Engine, Error, Output, Pool, PoolError, RunOptions, Sandbox, Script};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// No program gets more than this, whatever its request asks for.
const LONGEST: Duration = Duration::from_secs(60);
const MOST_MEMORY: usize = 256 << 20;
const MOST_DISK: u64 = 16 << 20;
/// All programs together.
const ALL_MEMORY: u64 = 4 << 30;
/// How long programs have to end after the server was told to.
const GRACE: Duration = Duration::from_secs(10);

/// What every request uses. Clones are the same.
#[derive(Clone)]
struct Server {
    engine: Engine,
    pool: Pool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    sandbox_net::set_up_allocator();
    let mut args = std::env::args().skip(1);
    let mut number = || args.next().and_then(|word| word.parse().ok());
    let (Some(ready), Some(running), Some(waiting)) = (number(), number(), number()) else {
        anyhow::bail!("usage: server READY RUNNING WAITING [RULE]...");
    };
    let engine = Engine::builder().total_memory(ALL_MEMORY).build().await?;
    // All sandboxes are made as copies of this one. What they need of files and packages goes here.
    let mut template = Sandbox::builder()
        .engine(engine.clone())
        .time_limit(LONGEST)
        .memory_limit(MOST_MEMORY)
        .disk_limit(MOST_DISK);
    for rule in args {
        template = template.allow(rule);
    }
    let pool = Pool::builder(template.build().await?)
        .ready(ready)
        .max_in_use(running)
        .max_waiting(waiting)
        .build()
        .await?;
    // The first client waits for nothing.
    pool.filled().await?;

    let server = Server {
        engine,
        pool: pool.clone(),
    };
    let router = Router::new()
        .route("/run", post(run))
        .route("/healthz", get(health))
        .route("/stats", get(stats))
        .with_state(server);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);

    let (tell, told) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = told.await;
    });
    let serving = tokio::spawn(serving.into_future());
    told_to_end().await?;
    println!("ending");
    drop(tell);
    // Who waits for a sandbox is refused. What runs goes on to its end, or until the time is over.
    pool.close().await?;
    if let Ok(served) = tokio::time::timeout(GRACE, serving).await {
        served??;
    }
    Ok(())
}

async fn told_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// The limits of one run, in the query of its request.
#[derive(Deserialize)]
struct Limits {
    seconds: Option<f64>,
    memory: Option<usize>,
    requests: Option<u64>,
}

async fn run(
    State(server): State<Server>,
    Query(limits): Query<Limits>,
    source: String,
) -> Result<Response, Failure> {
    let options = limits.options()?;
    // Waits for its turn. If the client goes away meanwhile, axum drops this future, and nothing starts.
    let sandbox = server.pool.get().await?;
    let run = sandbox.start(Script::code(source), options).await?;
    // The response owns the sandbox and the run. If the client goes away, axum drops it, and the program ends.
    let lines = Body::from_stream(output::lines(sandbox, run));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// Whether a program can be run now or soon.
async fn health(State(server): State<Server>) -> Response {
    let stats = server.pool.stats();
    match (stats.closed, stats.last_failure) {
        (false, None) => Json(json!({"status": "ok"})).into_response(),
        (closed, why) => {
            let why = json!({"status": "failing", "closed": closed, "why": why});
            (StatusCode::SERVICE_UNAVAILABLE, Json(why)).into_response()
        }
    }
}

async fn stats(State(server): State<Server>) -> Response {
    Json(json!({"pool": server.pool.stats(), "engine": server.engine.usage()})).into_response()
}

impl Limits {
    /// Of two limits the smaller one counts: the sandbox has the server's, the run those of the request.
    fn options(&self) -> Result<RunOptions, Failure> {
        let mut options = RunOptions::new()
            .stdout(Output::Piped)
            .stderr(Output::Piped)
            // Each `print` is sent at once.
            .unbuffered();
        if let Some(limit) = self.seconds {
            let limit = Duration::try_from_secs_f64(limit);
            let wrong = |error| Failure(StatusCode::BAD_REQUEST, format!("seconds: {error}"));
            options = options.time_limit(limit.map_err(wrong)?);
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

/// An answer without a run, as JSON.
struct Failure(StatusCode, String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Pool(PoolError::Busy { .. }) => StatusCode::TOO_MANY_REQUESTS,
            // The memory of all programs is used up, or the server ends.
            Error::Full(_) | Error::Pool(PoolError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
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
        let mut response = (status, Json(json!({"error": why}))).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let after = header::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}
