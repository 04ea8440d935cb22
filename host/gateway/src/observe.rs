//! Counters and histograms through the facade `metrics`, if the feature of that name is on.
//! `docs/observability.md` lists them. No label is a text that a guest or a server chooses freely: each
//! would be a series that the recorder keeps for ever.

pub(crate) use counted::{Active, decided, finished};

#[cfg(feature = "metrics")]
mod counted {
    use std::time::Duration;

    use metrics::{SharedString, counter, gauge, histogram};

    use crate::spans::{self, Finished};

    /// A decision, by its stage or as a lookup.
    pub(crate) fn decided(
        stage: &'static str,
        verdict: &'static str,
        reason: Option<&'static str>,
    ) {
        let labels = [
            ("sandbox_net.stage", stage),
            ("sandbox_net.verdict", verdict),
            ("sandbox_net.reason", reason.unwrap_or_default()),
        ];
        counter!("sandbox_net.decisions", &labels).increment(1);
    }

    /// A request that is over, with its bytes up and down.
    pub(crate) fn finished(
        method: &str,
        finished: &Finished<'_>,
        (up, down): (u64, u64),
        took: Duration,
    ) {
        let status = finished.status.map(|status| status.to_string());
        let version = finished.version.map(spans::version);
        let labels: [(&str, Option<SharedString>); 4] = [
            ("http.request.method", Some(spans::method(method).into())),
            ("http.response.status_code", status.map(Into::into)),
            ("network.protocol.version", version.map(Into::into)),
            ("error.type", finished.error().map(Into::into)),
        ];
        let known = labels
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let labels: Vec<_> = known.collect();
        histogram!("http.client.request.duration", &labels).record(took.as_secs_f64());
        for (direction, bytes) in [("transmit", up), ("receive", down)] {
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

    use crate::spans::Finished;

    pub(crate) fn decided(_: &'static str, _: &'static str, _: Option<&'static str>) {}

    pub(crate) fn finished(_: &str, _: &Finished<'_>, _: (u64, u64), _: Duration) {}

    pub(crate) struct Active(());

    impl Active {
        pub(crate) fn new() -> Self {
            Self(())
        }
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
