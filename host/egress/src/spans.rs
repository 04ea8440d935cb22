//! Spans of `tracing` for what happens below a request, with the field names of OpenTelemetry's
//! semantic conventions. `docs/observability.md` lists them. They hold names, addresses and codes, and
//! nothing of what is sent.

use std::net::SocketAddr;

use tracing::field::{Empty, display};
use tracing::{Instrument, Span, info_span};

use crate::error::EgressError;
use sandbox_net_policy::Host;

/// A query for the addresses of a name.
pub(crate) fn dns(name: &str) -> Span {
    info_span!(
        target: "sandbox_net::dns", "dns",
        "otel.name" = "DNS lookup", "otel.kind" = "client", "otel.status_code" = Empty,
        "dns.question.name" = name, "error.type" = Empty,
    )
}

/// A connection to one address.
pub(crate) fn dial(peer: SocketAddr) -> Span {
    info_span!(
        target: "sandbox_net::dial", "dial",
        "otel.name" = "TCP connect", "otel.kind" = "client", "otel.status_code" = Empty,
        "network.peer.address" = %peer.ip(), "network.peer.port" = peer.port(),
        "network.transport" = "tcp", "error.type" = Empty,
    )
}

/// A TLS handshake with a host.
pub(crate) fn tls(host: &Host, peer: SocketAddr) -> Span {
    info_span!(
        target: "sandbox_net::tls", "tls",
        "otel.name" = "TLS handshake", "otel.kind" = "client", "otel.status_code" = Empty,
        "server.address" = %host, "network.peer.address" = %peer.ip(),
        "network.peer.port" = peer.port(), "tls.protocol.name" = "tls",
        "tls.protocol.version" = Empty, "error.type" = Empty,
    )
}

/// Does the work in the span, and notes how it fails.
pub(crate) async fn within<T>(
    span: Span,
    work: impl Future<Output = Result<T, EgressError>>,
) -> Result<T, EgressError> {
    let result = work.instrument(span.clone()).await;
    if let Err(error) = &result {
        failed(&span, &error.code());
    }
    result
}

/// Notes a failure by its code. Messages may quote what a peer sent.
fn failed(span: &Span, code: &str) {
    span.record("error.type", code);
    span.record("otel.status_code", "ERROR");
}

/// Notes the version of TLS by its two bytes on the wire.
pub(crate) fn tls_version(span: &Span, wire: u16) {
    match wire {
        0x0303 => span.record("tls.protocol.version", "1.2"),
        0x0304 => span.record("tls.protocol.version", "1.3"),
        other => span.record(
            "tls.protocol.version",
            display(format_args!("{other:#06x}")),
        ),
    };
}
