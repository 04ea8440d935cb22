//! What all connections of a broker share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox_net_egress::{EgressError, GuestTlsOptions, Reuse};
use sandbox_net_gateway::{Gateway, Link};
use sandbox_net_policy::{Origin, Scheme};
use tokio_util::sync::CancellationToken;

use crate::authority::RunAuthority;
use crate::error_json::ErrorJson;
use crate::kept_errors::KeptErrors;
use crate::limits::BrokerLimits;
use crate::log::Log;
use crate::metrics::Metrics;

/// A running broker.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) gateway: Gateway,
    pub(crate) authority: RunAuthority,
    pub(crate) limits: Arc<BrokerLimits>,
    pub(crate) errors: KeptErrors,
    pub(crate) metrics: Metrics,
    pub(crate) log: Log,
    /// The placeholders of secrets, by their variables.
    pub(crate) placeholders: Vec<(String, String)>,
    /// Why there is no valid policy; then everything is denied.
    pub(crate) fault: Mutex<Option<String>>,
    /// Set when the broker is to end.
    pub(crate) stopping: CancellationToken,
    /// Set when what is still under way is to end, too.
    pub(crate) ending: CancellationToken,
}

impl Shared {
    /// The error as clients are told it, counted.
    pub(crate) fn error(&self, error: &EgressError) -> ErrorJson {
        let json = ErrorJson::egress(error, self.gateway.bounds());
        self.metrics.error(json.code);
        json
    }

    /// Why the broker cannot do its work, if it cannot.
    pub(crate) fn fault(&self) -> Option<String> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone().or_else(|| {
            (!self.authority.is_valid()).then(|| {
                "the certificate authority of this run has expired: start the broker again"
                    .to_owned()
            })
        })
    }

    /// A connection to an origin, with TLS if its scheme says so.
    pub(crate) async fn reach(
        gateway: &Gateway,
        origin: Origin,
        timeout: Option<Duration>,
    ) -> Result<Link, EgressError> {
        let link = gateway
            .connect(origin.endpoint, timeout, Reuse::Pool)?
            .await?;
        if origin.scheme == Scheme::Http {
            return Ok(link);
        }
        let (secured, handshake) = gateway.start_tls(&link, None, &GuestTlsOptions::default())?;
        handshake.await?;
        Ok(secured)
    }
}
