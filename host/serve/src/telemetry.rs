//! Warnings on stderr, and spans of the server and the library, sent to a collector over OTLP/HTTP.

use std::fmt::Debug;
use std::io::Write as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// What a process tells its operator besides the audit log: warnings on stderr, and spans, if a collector takes
/// them. They are sent in batches, from a thread of their own, and can be lost; the audit log is the complete
/// record.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Why spans cannot be sent, or were not.
#[derive(Debug, thiserror::Error)]
#[error("telemetry: {0}")]
pub struct TelemetryError(String);

impl Telemetry {
    /// Writes warnings to stderr, and sends spans to the collector at this address, such as
    /// `http://collector:4318`.
    ///
    /// Call it once, outside of an asynchronous runtime, before the server starts.
    ///
    /// # Errors
    ///
    /// If the address is none, or the process has another subscriber.
    pub fn start(collector: Option<&str>) -> Result<Self, TelemetryError> {
        let provider = collector.map(provider).transpose()?;
        let tracer = provider
            .as_ref()
            .map(|provider| provider.tracer("sandbox-net"));
        // Only the library's own: the exporter's client makes spans too, which must not be exported.
        let ours = |level| Targets::new().with_target("sandbox_net", level);
        let spans = tracer.map(|tracer| {
            let layer = tracing_opentelemetry::layer().with_tracer(tracer);
            layer.with_filter(ours(LevelFilter::INFO))
        });
        tracing_subscriber::registry()
            .with(Warnings.with_filter(ours(LevelFilter::WARN)))
            .with(spans)
            .try_init()
            .map_err(|error| TelemetryError(error.to_string()))?;
        Ok(Self { provider })
    }

    /// Sends what was not sent yet. Call it when the runtime has ended, so that all spans are closed.
    ///
    /// # Errors
    ///
    /// If the collector did not take them.
    pub fn end(self) -> Result<(), TelemetryError> {
        let ended = self.provider.map_or(Ok(()), |provider| provider.shutdown());
        ended.map_err(|error| TelemetryError(format!("spans were not sent: {error}")))
    }
}

/// What this process is called by collectors.
pub(crate) fn resource() -> Resource {
    Resource::builder()
        .with_service_name("sandbox-net-serve")
        .build()
}

fn provider(collector: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
        .build()
        .map_err(|error| TelemetryError(error.to_string()))?;
    Ok(SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(exporter)
        .build())
}

/// Writes each warning as a line.
struct Warnings;

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        // A text of another may hold what a terminal would obey.
        let text = message.0.replace(|c: char| c.is_control(), " ");
        // Nobody reads stderr: nothing can be done.
        let _ = writeln!(std::io::stderr(), "sandbox-net: {text}");
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
