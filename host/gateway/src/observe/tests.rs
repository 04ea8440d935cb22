//! What a request counts, and under which names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::audit::AuditLog;
use crate::gateway::Gateway;
use crate::request::{Request, RequestHead, Timeouts};
use sandbox_net_egress::test_support::{Server, config};
use sandbox_net_egress::{BodyKind, EgressError, Reuse};
use sandbox_net_policy::Policy;

/// Adds up each series, by its name and labels.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

/// One series.
struct Series(Sums, String);

impl Sums {
    fn series(&self, key: &Key) -> Arc<Series> {
        let labels = key
            .labels()
            .map(|it| format!(" {}={}", it.key(), it.value()));
        Arc::new(Series(
            self.clone(),
            key.name().to_owned() + &labels.collect::<String>(),
        ))
    }

    fn get(&self, series: &str) -> Option<f64> {
        self.0.lock().unwrap().get(series).copied()
    }
}

impl Series {
    fn add(&self, value: f64) {
        let Self(Sums(sums), name) = self;
        *sums.lock().unwrap().entry(name.clone()).or_default() += value;
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {
        unreachable!("nothing sets a counter");
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {
        unreachable!("nothing sets a gauge");
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "seconds");
        self.add(1.0);
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

async fn fetch(gateway: &Gateway, server: &Server, method: &str) -> Result<(), EgressError> {
    let request = Request {
        origin: server.http(),
        head: RequestHead {
            method: method.into(),
            path: b"/".to_vec(),
            fields: Vec::new(),
        },
        kind: BodyKind::None,
        timeouts: Timeouts::default(),
    };
    let empty = Empty::new().map_err(|never| match never {});
    let response = gateway.fetch(request, empty.boxed_unsync()).await?;
    response.body.collect().await.map(drop)
}

#[tokio::test]
async fn requests_are_counted_by_verdict_and_stage_with_bytes_and_durations() {
    let sums = Sums::default();
    let _guard = metrics::set_default_local_recorder(&sums);
    let server = Server::echo().await;
    let policy = || Policy::allow([format!("GET,FROB {}", server.http()).parse().unwrap()]);
    let gateway = Gateway::new(policy(), config(), AuditLog::new());
    for _ in 0..2 {
        fetch(&gateway, &server, "GET").await.unwrap();
    }
    fetch(&gateway, &server, "FROB").await.unwrap();
    fetch(&gateway, &server, "PUT").await.unwrap_err();
    let decided = |stage: &str, verdict: &str, reason: &str| {
        sums.get(&format!(
            "sandbox_net.decisions sandbox_net.stage={stage} sandbox_net.verdict={verdict} \
             sandbox_net.reason={reason}"
        ))
    };
    assert_eq!(decided("connect", "allow", ""), Some(4.0));
    assert_eq!(decided("request", "allow", ""), Some(3.0));
    assert_eq!(decided("request", "deny", "no-rule"), Some(1.0));
    let took = |method: &str| {
        sums.get(&format!(
            "http.client.request.duration http.request.method={method} \
             http.response.status_code=200 network.protocol.version=1.1"
        ))
    };
    assert_eq!((took("GET"), took("_OTHER")), (Some(2.0), Some(1.0)));
    let exchanges = gateway.audit().exchanges();
    let up: u64 = exchanges.iter().map(|it| it.bytes_up).sum();
    let down: u64 = exchanges.iter().map(|it| it.bytes_down).sum();
    for (direction, bytes) in [("transmit", up), ("receive", down)] {
        let name = format!("sandbox_net.http.io network.io.direction={direction}");
        assert_eq!(sums.get(&name), Some(bytes as f64));
    }

    let active = || sums.get("sandbox_net.connections.active");
    assert_eq!(active(), Some(0.0));
    let link = gateway.connect(server.http().endpoint, None, Reuse::Close);
    let link = link.unwrap().await.unwrap();
    assert_eq!(active(), Some(1.0));
    drop(link);
    assert_eq!(active(), Some(0.0));
}
