//! Spans of `tracing` for decisions and requests, with the field names of OpenTelemetry's semantic
//! conventions. `docs/observability.md` lists them. They hold what the audit log holds, so no value of
//! a secret, and a URL's query only if the log has queries.

use std::borrow::Cow;

use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use crate::audit::{DecisionRecord, ExchangeRecord, LookupRecord, Reason, Subject, Verdict};
use sandbox_net_egress::HttpVersion;
use sandbox_net_policy::Stage;

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

/// A decision, from the policy's answer to its effect.
pub(crate) fn decision(sandbox: &str, sequence: u64, subject: &Subject) -> Span {
    let span = info_span!(
        target: "sandbox_net::decision", "decision",
        "otel.name" = decision_name(subject.stage), "otel.status_code" = Empty,
        "sandbox_net.sandbox" = sandbox, "sandbox_net.sequence" = sequence,
        "sandbox_net.stage" = subject.stage.as_str(), "sandbox_net.verdict" = Empty,
        "sandbox_net.rule" = Empty, "sandbox_net.reason" = Empty,
        "server.address" = Empty, "server.port" = Empty,
        "http.request.method" = Empty, "url.full" = Empty, "error.type" = Empty,
    );
    told(&span, subject);
    span
}

const fn decision_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "decide connect",
        Stage::Tls => "decide tls",
        Stage::Request => "decide request",
    }
}

/// Where it goes, as far as the guest has said it.
fn told(span: &Span, subject: &Subject) {
    if span.is_disabled() {
        return;
    }
    if let Some(host) = &subject.host {
        span.record("server.address", display(host));
        span.record("server.port", subject.port);
    }
    if let Some(of) = &subject.method {
        span.record("http.request.method", method(of));
        span.record("url.full", &*subject.target);
    }
}

/// What became of a decision.
pub(crate) fn decided(span: &Span, record: &DecisionRecord) {
    judged(span, record.verdict, &record.rule, record.reason);
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

/// What became of a lookup.
pub(crate) fn looked_up(span: &Span, record: &LookupRecord) {
    judged(span, record.verdict, &record.rule, record.reason);
}

fn judged(span: &Span, verdict: Verdict, rule: &str, reason: Option<Reason>) {
    span.record("sandbox_net.verdict", verdict.as_str());
    span.record("sandbox_net.rule", rule);
    if let Some(reason) = reason {
        span.record("sandbox_net.reason", reason.as_str());
        if verdict == Verdict::Deny {
            failed(span, reason.as_str());
        }
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
pub(crate) fn request(sandbox: &str, subject: &Subject) -> Span {
    let name = subject.method.as_deref().map_or("_OTHER", method);
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
    told(&span, subject);
    if name == "_OTHER"
        && let Some(original) = &subject.method
    {
        span.record("http.request.method_original", &**original);
    }
    span
}

/// What became of a request that was sent.
pub(crate) fn finished(span: &Span, record: &ExchangeRecord, speaks: Option<HttpVersion>) {
    if let Some(peer) = record.address {
        span.record("network.peer.address", display(peer.ip()));
        span.record("network.peer.port", peer.port());
    }
    if let Some(speaks) = speaks {
        span.record("network.protocol.version", version(speaks));
    }
    if let Some(tls) = &record.tls {
        span.record("tls.protocol.version", &**tls);
    }
    if let Some(status) = record.status {
        span.record("http.response.status_code", status);
    }
    if let Some(error) = error(record) {
        failed(span, &error);
    }
}

/// The kind of a failure: what ended the request early, or the status of an error.
pub(crate) fn error(record: &ExchangeRecord) -> Option<Cow<'_, str>> {
    let early = record.error.as_deref().map(Cow::Borrowed);
    early.or_else(|| {
        let refused = record.status.filter(|status| *status >= 400);
        refused.map(|status| status.to_string().into())
    })
}

/// Notes a failure by its code. Messages may quote what a peer sent.
pub(crate) fn failed(span: &Span, code: &str) {
    span.record("error.type", code);
    span.record("otel.status_code", "ERROR");
}

#[cfg(test)]
mod tests;
