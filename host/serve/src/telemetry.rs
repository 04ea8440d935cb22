//! Spans of the server and the library, sent to a collector over OTLP/HTTP.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Spans that are sent in batches, from a thread of their own. The audit log is the complete record; spans
/// can be lost.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why spans cannot be sent, or were not.
#[derive(Debug, thiserror::Error)]
#[error("traces: {0}")]
pub struct TracesError(String);

impl Traces {
    /// Sends the spans of this process to the collector at this address, such as `http://collector:4318`.
    ///
    /// Call it once, outside of an asynchronous runtime, before the server starts.
    ///
    /// # Errors
    ///
    /// If the address is none, or the process has another subscriber.
    pub fn start(collector: &str) -> Result<Self, TracesError> {
        let failed = |error: &dyn std::error::Error| TracesError(error.to_string());
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder().with_service_name("sandbox-net-serve");
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("sandbox-net");
        // Only the library's own spans: the exporter's client makes spans too, which must not be exported.
        let ours = Targets::new().with_target("sandbox_net", LevelFilter::INFO);
        tracing_subscriber::registry()
            .with(ours)
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .try_init()
            .map_err(|error| failed(&error))?;
        Ok(Self { provider })
    }

    /// Sends what was not sent yet. Call it when the runtime has ended, so that all spans are closed.
    ///
    /// # Errors
    ///
    /// If the collector did not take them.
    pub fn end(self) -> Result<(), TracesError> {
        let ended = self.provider.shutdown();
        ended.map_err(|error| TracesError(format!("spans were not sent: {error}")))
    }
}
