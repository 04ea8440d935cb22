//! Counters, gauges and histograms, as Prometheus reads them.

mod recorder;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use metrics::{counter, gauge, histogram};

use self::recorder::{Recording, Series};
use crate::server::Service;

/// The series of this process; `None` if it had another recorder before.
static SERIES: OnceLock<Option<Arc<Series>>> = OnceLock::new();

/// Installs the recorder, unless the process has one.
pub(crate) fn install() -> Option<&'static Series> {
    let series = SERIES.get_or_init(|| {
        let recording = Recording::default();
        let series = Arc::clone(&recording.0);
        metrics::set_global_recorder(recording)
            .ok()
            .map(|()| series)
    });
    series.as_deref()
}

/// Counts a call.
pub(crate) fn called(route: &'static str, tenant: &str, status: StatusCode, took: Duration) {
    let labels = [
        ("route", route.to_owned()),
        ("tenant", tenant.to_owned()),
        ("status", status.as_u16().to_string()),
    ];
    counter!("sandbox_net_serve_calls_total", &labels).increment(1);
    histogram!("sandbox_net_serve_answer_seconds", "route" => route).record(took.as_secs_f64());
}

/// Counts a program or a turn that has ended.
pub(crate) fn ended(kind: &'static str, tenant: &str, how: &'static str) {
    let labels = [
        ("kind", kind.to_owned()),
        ("tenant", tenant.to_owned()),
        ("ended", how.to_owned()),
    ];
    counter!("sandbox_net_serve_programs_total", &labels).increment(1);
}

/// The text that Prometheus scrapes; `None` if another recorder has the numbers.
pub(crate) fn text(service: &Service) -> Option<String> {
    let counted = install()?.text();
    // What is so at the moment belongs to this server, of which a process may have several.
    let now = Recording::default();
    metrics::with_local_recorder(&now, || gauges(service));
    Some(counted + &now.0.text())
}

fn gauges(service: &Service) {
    let number = |count: usize| count as f64;
    for tenant in &service.tenants {
        let label = [("tenant", tenant.name.clone())];
        let sessions = tenant.most_sessions - tenant.sessions.available_permits();
        let stats = tenant.pool.stats();
        gauge!("sandbox_net_serve_running", &label).set(number(tenant.gate.running()));
        gauge!("sandbox_net_serve_waiting", &label).set(number(tenant.gate.waiting()));
        gauge!("sandbox_net_serve_sessions", &label).set(number(sessions));
        let answers = tenant.answers.held();
        gauge!("sandbox_net_serve_answers_bytes", &label).set(answers as f64);
        gauge!("sandbox_net_serve_ready", &label).set(number(stats.ready));
    }
    let usage = service.engine.usage();
    gauge!("sandbox_net_serve_queue").set(number(service.waiting()));
    gauge!("sandbox_net_serve_connections").set(number(service.connections()));
    gauge!("sandbox_net_serve_memory_bytes").set(usage.memory.used as f64);
    gauge!("sandbox_net_serve_draining").set(f64::from(u8::from(service.is_draining())));
}
