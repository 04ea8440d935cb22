//! Sends whole requests: connection, TLS and request in one call.

use std::pin::pin;

use sandbox_net_egress::{EgressError, GuestTlsOptions, Phase, Reuse};
use sandbox_net_policy::Scheme;

use crate::completion::Completion;
use crate::gateway::Gateway;
use crate::outgoing::Outgoing;
use crate::request::{Body, Request, Response};

impl Gateway {
    /// Connects to the request's origin, does TLS if its scheme says so, and sends the request. Each
    /// step is decided and recorded like any other.
    ///
    /// # Errors
    ///
    /// An [`EgressError`]: [`Denied`](EgressError::Denied) if the policy, a hook or the log refuses,
    /// [`Limit`](EgressError::Limit) if a budget is used up, and otherwise what happened on the
    /// wire.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers and sockets.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the request and closes what it used; the record says so.
    pub async fn fetch(&self, request: Request, body: Body) -> Result<Response, EgressError> {
        let Request {
            origin,
            head,
            kind,
            timeouts,
        } = request;
        let connecting = self.connect(origin.endpoint, timeouts.connect, Reuse::Pool)?;
        let mut link = connecting.await?;
        if origin.scheme == Scheme::Https {
            let (secured, handshake) = self.start_tls(&link, None, &GuestTlsOptions::default())?;
            handshake.await?;
            link = secured;
        }
        let outgoing = Outgoing {
            link,
            head,
            kind,
            completion: Completion::new(),
            takes_unframed: false,
            between_bytes: timeouts.between_bytes,
        };
        let answer = pin!(self.send(outgoing, body));
        match timeouts.first_byte {
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .unwrap_or(Err(EgressError::Timeout(Phase::Head))),
            None => answer.await,
        }
    }
}
