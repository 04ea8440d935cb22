//! Sends the audit log to a collector, as OTLP logs: in order, and again until it takes them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_otlp::{LogExporter, Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::logs::{
    LogBatch, LogExporter as _, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use sandbox_net::{AuditLine, AuditSink, Verdict};

use crate::strict::Strict;
use crate::telemetry::resource;

/// The lines that wait for the collector. When there is no room, what would be recorded next waits.
const WAITING: usize = 1024;
/// The most lines of one message.
const TOGETHER: usize = 256;
/// The bytes of lines after which a message has enough. Proxies refuse those of a mebibyte.
const BYTES: usize = 128 << 10;
/// The pause before a message that was not taken is sent again: from this to that.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long after a warning there is no other.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// A collector that takes the audit log.
#[derive(Debug)]
pub(crate) struct Collector {
    lines: SyncSender<Message>,
    logger: SdkLogger,
    room: usize,
    state: Arc<State>,
}

/// What the thread that sends and those who write know of each other.
#[derive(Debug, Default)]
struct State {
    /// Lines that were written, and not taken yet.
    waiting: AtomicUsize,
    /// Nobody waits for the collector any more.
    is_over: AtomicBool,
    /// When the operator was last told that it fails.
    told: Mutex<Option<Instant>>,
}

impl State {
    /// Whether the operator is told of a failure now: others may follow at once, between lines that are taken.
    fn may_tell(&self, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|before| now.duration_since(before) >= TOLD_AGAIN);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

#[derive(Debug)]
enum Message {
    Line(Box<SdkLogRecord>),
    /// Is dropped when all lines before it were taken.
    Flush(SyncSender<()>),
}

impl Collector {
    /// Begins to send to the collector at this address, such as `http://collector:4318`.
    ///
    /// # Errors
    ///
    /// If the address is none.
    pub(crate) fn start(address: &str) -> io::Result<Self> {
        let endpoint = format!("{}/v1/logs", address.trim_end_matches('/'));
        Self::with(WAITING, endpoint)
    }

    fn with(waiting: usize, endpoint: String) -> io::Result<Self> {
        let (lines, receiver) = sync_channel(waiting);
        let (started, result) = sync_channel(1);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // The exporter's client must be made where it may block.
        thread::Builder::new()
            .name("audit to collector".to_owned())
            .spawn(move || match exporter(endpoint) {
                Ok(exporter) => {
                    let _ = started.send(Ok(()));
                    send_all(&receiver, &exporter, &shared);
                }
                Err(error) => _ = started.send(Err(error)),
            })?;
        let ended = |_| io::Error::other("the thread that sends to the collector has ended");
        result.recv().map_err(ended)??;
        // It only makes records: without a processor, none is lost in a queue of its own.
        let logger = SdkLoggerProvider::builder()
            .build()
            .logger("sandbox-net-audit");
        Ok(Self {
            lines,
            logger,
            room: waiting,
            state,
        })
    }

    /// Waits until the collector has what was written so far, but no longer than this; whether it has.
    /// Blocks.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let (flushed, done) = sync_channel::<()>(0);
        let mut message = Message::Flush(flushed);
        while let Err(error) = self.lines.try_send(message) {
            let TrySendError::Full(again) = error else {
                return false;
            };
            if Instant::now() >= until {
                return false;
            }
            message = again;
            thread::sleep(PAUSES.0);
        }
        let left = until.saturating_duration_since(Instant::now());
        matches!(done.recv_timeout(left), Err(RecvTimeoutError::Disconnected))
    }

    /// Whether it takes so little that nothing more can be recorded.
    pub(crate) fn is_stuck(&self) -> bool {
        self.state.waiting.load(Ordering::Relaxed) > self.room
    }

    fn record(&self, line: &AuditLine) -> io::Result<SdkLogRecord> {
        let mut record = self.logger.create_log_record();
        let now = SystemTime::now();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        let (name, severity) = kind(line);
        record.set_event_name(name);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        record.set_body(AnyValue::String(serde_json::to_string(line)?.into()));
        Ok(record)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
    }
}

impl AuditSink for Collector {
    fn write(&self, line: &AuditLine) -> io::Result<()> {
        let record = Box::new(self.record(line)?);
        self.state.waiting.fetch_add(1, Ordering::Relaxed);
        self.lines
            .send(Message::Line(record))
            .map_err(|_| io::Error::other("nothing sends to the collector any more"))
    }
}

/// The name of the event, and whether somebody should look at it.
fn kind(line: &AuditLine) -> (&'static str, Severity) {
    match line {
        AuditLine::Decision(decision) if decision.verdict == Verdict::Allow => {
            ("sandbox_net.decision", Severity::Info)
        }
        AuditLine::Decision(_) => ("sandbox_net.decision", Severity::Warn),
        AuditLine::Exchange(_) => ("sandbox_net.exchange", Severity::Info),
        AuditLine::Lookup(_) => ("sandbox_net.lookup", Severity::Info),
        AuditLine::Dropped(_) => ("sandbox_net.dropped", Severity::Warn),
        // A kind of a later version.
        _ => ("sandbox_net.audit", Severity::Warn),
    }
}

fn exporter(endpoint: String) -> io::Result<LogExporter> {
    let mut exporter = LogExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(endpoint)
        .with_http_client(Strict::new()?)
        .build()
        .map_err(io::Error::other)?;
    exporter.set_resource(&resource());
    Ok(exporter)
}

/// Sends lines until nobody can write one any more.
fn send_all(messages: &Receiver<Message>, exporter: &LogExporter, state: &State) {
    let scope = InstrumentationScope::builder("sandbox-net-audit").build();
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Ok(first) = messages.recv() {
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    bytes += size(&line);
                    batch.push(line);
                    if batch.len() < TOGETHER && bytes < BYTES {
                        next = messages.try_recv().ok();
                    }
                }
                Message::Flush(flushed) => {
                    send(exporter, &scope, &batch, state);
                    batch.clear();
                    drop(flushed);
                }
            }
        }
        send(exporter, &scope, &batch, state);
        batch.clear();
        bytes = 0;
    }
}

fn size(line: &SdkLogRecord) -> usize {
    match line.body() {
        Some(AnyValue::String(text)) => text.as_str().len(),
        _ => 0,
    }
}

/// Sends lines until the collector has them, or nobody waits for that any more. What it refuses is sent again
/// in halves, so that one line holds up no others before it.
fn send(
    exporter: &LogExporter,
    scope: &InstrumentationScope,
    lines: &[Box<SdkLogRecord>],
    state: &State,
) {
    let batch: Vec<_> = lines.iter().map(|line| (&**line, scope)).collect();
    let (mut pause, longest) = PAUSES;
    while !batch.is_empty() {
        let sent = futures_executor::block_on(exporter.export(LogBatch::new(&batch)));
        let Err(error) = sent else {
            state.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
            return;
        };
        if state.is_over.load(Ordering::Relaxed) {
            return;
        }
        if state.may_tell(Instant::now()) {
            tracing::warn!(
                target: "sandbox_net::serve",
                "the collector does not take the audit log, which is sent again: {error}"
            );
        }
        thread::sleep(pause);
        if let (first, second @ [_, ..]) = lines.split_at(lines.len().div_ceil(2)) {
            send(exporter, scope, first, state);
            return send(exporter, scope, second, state);
        }
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests;
