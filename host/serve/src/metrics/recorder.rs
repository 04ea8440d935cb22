//! A recorder for the facade `metrics`: every series in memory, and the text that Prometheus reads.
//!
//! Series are never forgotten. Their labels are words of ours and names of tenants, so there are few.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Upper bounds of the histograms, in seconds.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0,
];

/// All series of a process.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// By name, then by labels.
    all: Mutex<BTreeMap<String, BTreeMap<String, One>>>,
}

#[derive(Clone, Debug)]
enum One {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

/// How many values were at most each bound, and their sum.
#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum: Mutex<f64>,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        for (bound, count) in BUCKETS.iter().zip(&self.counts) {
            if value <= *bound {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        *self.sum.lock().unwrap_or_else(PoisonError::into_inner) += value;
    }
}

impl One {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Series {
    /// The series with this name and these labels; `new` makes it.
    fn one(&self, key: &Key, new: fn() -> One) -> One {
        let mut labels = String::new();
        for label in key.labels() {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = write!(
                labels,
                "{comma}{}=\"{}\"",
                plain(label.key()),
                escaped(label.value())
            );
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let named = all.entry(plain(key.name())).or_default();
        named.entry(labels).or_insert_with(new).clone()
    }

    /// The text of all series.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, series) in &*all {
            if let Some(one) = series.values().next() {
                let _ = writeln!(text, "# TYPE {name} {}", one.kind());
            }
            for (labels, one) in series {
                one.write(&mut text, name, labels);
            }
        }
        text
    }
}

impl One {
    fn write(&self, text: &mut String, name: &str, labels: &str) {
        let within = |labels: &str| match labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let _ = match self {
            Self::Counter(value) => {
                writeln!(
                    text,
                    "{name}{} {}",
                    within(labels),
                    value.load(Ordering::Relaxed)
                )
            }
            Self::Gauge(value) => {
                let value = f64::from_bits(value.load(Ordering::Relaxed));
                writeln!(text, "{name}{} {value}", within(labels))
            }
            Self::Histogram(buckets) => {
                let comma = if labels.is_empty() { "" } else { "," };
                let bounds = BUCKETS.iter().map(f64::to_string);
                let all = buckets.count.load(Ordering::Relaxed);
                let counts = buckets
                    .counts
                    .iter()
                    .map(|count| count.load(Ordering::Relaxed));
                let rows = bounds.zip(counts).chain([("+Inf".to_owned(), all)]);
                for (bound, count) in rows {
                    let labels = format!("{labels}{comma}le=\"{bound}\"");
                    let _ = writeln!(text, "{name}_bucket{} {count}", within(&labels));
                }
                let sum = *buckets.sum.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(text, "{name}_sum{} {sum}", within(labels));
                writeln!(text, "{name}_count{} {all}", within(labels))
            }
        };
    }
}

/// A recorder of the same series as its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(pub(super) Arc<Series>);

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.0.one(key, || One::Counter(Arc::default())) {
            One::Counter(value) => Counter::from_arc(value),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.0.one(key, || One::Gauge(Arc::default())) {
            One::Gauge(value) => Gauge::from_arc(value),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.0.one(key, || One::Histogram(Arc::default())) {
            One::Histogram(buckets) => Histogram::from_arc(buckets),
            _ => Histogram::noop(),
        }
    }
}

/// A name that Prometheus takes: dots become underscores.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let recording = Recording::default();
        metrics::with_local_recorder(&recording, || {
            metrics::counter!("a.calls", "http.route" => "/v1\"\n").increment(2);
            metrics::gauge!("b").set(1.5);
            metrics::histogram!("c", "k" => "v").record(0.02);
            metrics::histogram!("c", "k" => "v").record(100.0);
        });
        let text = recording.0.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..2],
            [
                "# TYPE a_calls counter",
                "a_calls{http_route=\"/v1\\\"\\n\"} 2"
            ]
        );
        assert_eq!(
            lines[2..5],
            ["# TYPE b gauge", "b 1.5", "# TYPE c histogram"]
        );
        assert_eq!(lines[5], "c_bucket{k=\"v\",le=\"0.005\"} 0");
        assert_eq!(lines[7], "c_bucket{k=\"v\",le=\"0.025\"} 1");
        assert_eq!(
            lines[17..],
            [
                "c_bucket{k=\"v\",le=\"+Inf\"} 2",
                "c_sum{k=\"v\"} 100.02",
                "c_count{k=\"v\"} 2",
            ]
        );
    }
}
