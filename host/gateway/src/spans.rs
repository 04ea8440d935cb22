//! Spans of `tracing` for decisions and requests, with the field names of OpenTelemetry's semantic
//! conventions. `docs/observability.md` lists them. They hold what the audit log holds, so no value of
//! a secret, and a URL's query only if the log has queries.

use std::net::SocketAddr;

use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use sandbox_net_egress::HttpVersion;
use sandbox_net_policy::{Host, Stage};

/// The methods that the conventions name; others are shown as `_OTHER`, so that a guest does not choose
/// how many different ones there are (RFC 9110 section 9, RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE",
];

/// The method as the conventions have it.
pub(crate) fn method(method: &str) -> &'static str {
    let known = METHODS.into_iter().find(|known| *known == method);
    known.unwrap_or("_OTHER")
}

/// The version of HTTP as the conventions have it.
pub(crate) const fn version(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Http10 => "1.0",
        HttpVersion::Http11 => "1.1",
        HttpVersion::Http2 => "2",
    }
}

/// Where a decision or a request goes, as the log has it.
pub(crate) struct Target<'a> {
    pub(crate) stage: Stage,
    pub(crate) host: Option<&'a Host>,
    pub(crate) port: u16,
    pub(crate) method: Option<&'a str>,
    pub(crate) url: &'a str,
}

impl Target<'_> {
    fn record_in(&self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        if let Some(host) = self.host {
            span.record("server.address", display(host));
            span.record("server.port", self.port);
        }
        if let Some(of) = self.method {
            span.record("http.request.method", method(of));
            span.record("url.full", self.url);
        }
    }
}

/// A decision, from the policy's answer to its effect.
pub(crate) fn decision(sandbox: &str, sequence: u64, target: &Target<'_>) -> Span {
    let name = match target.stage {
        Stage::Connect => "decide connect",
        Stage::Tls => "decide tls",
        Stage::Request => "decide request",
        Stage::Tunnel => "decide tunnel",
    };
    let span = info_span!(
        target: "sandbox_net::decision", "decision",
        "otel.name" = name, "otel.status_code" = Empty,
        "sandbox_net.sandbox" = sandbox, "sandbox_net.sequence" = sequence,
        "sandbox_net.stage" = target.stage.as_str(), "sandbox_net.verdict" = Empty,
        "sandbox_net.rule" = Empty, "sandbox_net.reason" = Empty,
        "server.address" = Empty, "server.port" = Empty,
        "http.request.method" = Empty, "url.full" = Empty, "error.type" = Empty,
    );
    target.record_in(&span);
    span
}

/// The policy's answer to a lookup, and the query.
pub(crate) fn lookup(sandbox: &str, name: &str) -> Span {
    info_span!(
        target: "sandbox_net::decision", "lookup",
        "otel.name" = "decide lookup", "otel.status_code" = Empty,
        "sandbox_net.sandbox" = sandbox, "sandbox_net.verdict" = Empty,
        "sandbox_net.rule" = Empty, "sandbox_net.reason" = Empty,
        "dns.question.name" = name, "error.type" = Empty,
    )
}

/// What became of a decision or a lookup, in the words of the log.
pub(crate) fn decided(span: &Span, verdict: &str, rule: &str, reason: Option<&str>) {
    span.record("sandbox_net.verdict", verdict);
    span.record("sandbox_net.rule", rule);
    if let Some(reason) = reason {
        span.record("sandbox_net.reason", reason);
    }
}

/// A question to the hook, which may outlive the guest that asked it.
pub(crate) fn question(stage: Stage) -> Span {
    info_span!(
        target: "sandbox_net::hook", parent: None, "hook",
        "otel.name" = "ask the hook", "sandbox_net.stage" = stage.as_str(),
    )
}

/// A request, from the guest's call to the end of the response.
pub(crate) fn request(sandbox: &str, target: &Target<'_>) -> Span {
    let name = target.method.map_or("_OTHER", method);
    let span = info_span!(
        target: "sandbox_net::request", "request",
        "otel.name" = if name == "_OTHER" { "HTTP" } else { name },
        "otel.kind" = "client", "otel.status_code" = Empty,
        "sandbox_net.sandbox" = sandbox,
        "server.address" = Empty, "server.port" = Empty,
        "http.request.method" = Empty, "http.request.method_original" = Empty,
        "url.full" = Empty, "http.response.status_code" = Empty,
        "network.peer.address" = Empty, "network.peer.port" = Empty,
        "network.protocol.version" = Empty, "tls.protocol.version" = Empty,
        "error.type" = Empty,
    );
    target.record_in(&span);
    if name == "_OTHER"
        && let Some(original) = target.method
    {
        span.record("http.request.method_original", original);
    }
    span
}

/// What became of a request that was sent.
pub(crate) struct Finished<'a> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) tls: Option<&'a str>,
    pub(crate) version: Option<HttpVersion>,
    pub(crate) status: Option<u16>,
    /// What ended it early.
    pub(crate) error: Option<&'a str>,
}

impl Finished<'_> {
    /// The kind of a failure: what ended the request early, or the status of an error.
    pub(crate) fn error(&self) -> Option<String> {
        let refused = self.status.filter(|status| *status >= 400);
        let early = self.error.map(str::to_owned);
        early.or_else(|| refused.map(|status| status.to_string()))
    }

    /// Completes the request's span.
    pub(crate) fn record_in(&self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        if let Some(peer) = self.peer {
            span.record("network.peer.address", display(peer.ip()));
            span.record("network.peer.port", peer.port());
        }
        if let Some(speaks) = self.version {
            span.record("network.protocol.version", version(speaks));
        }
        if let Some(tls) = self.tls {
            span.record("tls.protocol.version", tls);
        }
        if let Some(status) = self.status {
            span.record("http.response.status_code", status);
        }
        if let Some(error) = self.error() {
            failed(span, &error);
        }
    }
}

/// Notes a failure by its code. Messages may quote what a peer sent.
pub(crate) fn failed(span: &Span, code: &str) {
    span.record("error.type", code);
    span.record("otel.status_code", "ERROR");
}

#[cfg(test)]
mod tests;
