//! Runs a program and exports what it did on the network as OpenTelemetry spans: each decision, lookup,
//! connection and request.
//!
//! The spans go to a collector over OTLP/HTTP. They are for traces and dashboards; the audit log is the
//! complete record.

use std::process::ExitCode;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use sandbox_net::{Output, Sandbox, Script};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let (Some(collector), Some(script)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: telemetry http://COLLECTOR:4318 SCRIPT [RULE]...");
    };
    let provider = provider(&collector)?;
    let tracer = provider.tracer("sandbox-net");
    // Only the library's own spans: the exporter's client makes spans too, which must not be exported.
    let ours = Targets::new().with_target("sandbox_net", LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(ours)
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .init();
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(run(script, args));
    // Ends what is still under way, so that its spans are closed, then sends what was not sent yet.
    drop(runtime);
    // The program's result does not depend on the collector.
    if let Err(error) = provider.shutdown() {
        eprintln!("telemetry: spans were not sent: {error}");
    }
    ended
}

/// Sends spans in batches, from a thread of its own.
fn provider(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(format!("{collector}/v1/traces"))
        .build()?;
    let resource = Resource::builder().with_service_name("sandbox-net-example");
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build())
}

async fn run(script: String, rules: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let mut sandbox = Sandbox::builder()
        .stdout(Output::Inherit)
        .stderr(Output::Inherit);
    for rule in rules {
        sandbox = sandbox.allow(rule);
    }
    let sandbox = sandbox.build().await?;
    let outcome = sandbox.run(Script::path(script)).await?;
    sandbox.close().await?;
    Ok(ExitCode::from(outcome.exit_code().to_le_bytes()[0]))
}
