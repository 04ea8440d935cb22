//! Counters and histograms through the facade `metrics`, if the feature of that name is on.
//! `docs/observability.md` lists them. No label is a text that a guest or a server chooses freely: each
//! would be a series that the recorder keeps for ever.

pub(crate) use counted::{Active, decided, finished};

#[cfg(feature = "metrics")]
mod counted {
    use std::time::Duration;

    use metrics::{SharedString, counter, gauge, histogram};

    use crate::audit::{ExchangeRecord, Reason, Verdict};
    use crate::spans;
    use sandbox_net_egress::HttpVersion;

    /// A decision, by its stage or as a lookup.
    pub(crate) fn decided(stage: &'static str, verdict: Verdict, reason: Option<Reason>) {
        let reason = reason.map_or("", Reason::as_str);
        let labels = [
            ("sandbox_net.stage", stage),
            ("sandbox_net.verdict", verdict.as_str()),
            ("sandbox_net.reason", reason),
        ];
        counter!("sandbox_net.decisions", &labels).increment(1);
    }

    /// A request that is over.
    pub(crate) fn finished(record: &ExchangeRecord, version: Option<HttpVersion>, took: Duration) {
        let status = record.status.map(|status| status.to_string());
        let error = spans::error(record).map(|error| error.into_owned());
        let labels: [(&str, Option<SharedString>); 4] = [
            (
                "http.request.method",
                Some(spans::method(&record.method).into()),
            ),
            ("http.response.status_code", status.map(Into::into)),
            (
                "network.protocol.version",
                version.map(|it| spans::version(it).into()),
            ),
            ("error.type", error.map(Into::into)),
        ];
        let known = labels
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let labels: Vec<_> = known.collect();
        histogram!("http.client.request.duration", &labels).record(took.as_secs_f64());
        for (direction, bytes) in [
            ("transmit", record.bytes_up),
            ("receive", record.bytes_down),
        ] {
            counter!("sandbox_net.http.io", "network.io.direction" => direction).increment(bytes);
        }
    }

    /// Counts a connection of a guest while it lives.
    pub(crate) struct Active(());

    impl Active {
        pub(crate) fn new() -> Self {
            gauge!("sandbox_net.connections.active").increment(1.0);
            Self(())
        }
    }

    impl Drop for Active {
        fn drop(&mut self) {
            gauge!("sandbox_net.connections.active").decrement(1.0);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod counted {
    use std::time::Duration;

    use crate::audit::{ExchangeRecord, Reason, Verdict};
    use sandbox_net_egress::HttpVersion;

    pub(crate) fn decided(_: &'static str, _: Verdict, _: Option<Reason>) {}

    pub(crate) fn finished(_: &ExchangeRecord, _: Option<HttpVersion>, _: Duration) {}

    pub(crate) struct Active(());

    impl Active {
        pub(crate) fn new() -> Self {
            Self(())
        }
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
