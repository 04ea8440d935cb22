//! Requests on a connection that a client made by `CONNECT`.

use std::sync::Arc;

use sandbox_net_egress::EgressError;
use sandbox_net_gateway::{Completion, Link, Outgoing, RequestHead};
use sandbox_net_policy::Host;
use sandbox_net_policy::syntax::check_head;

use crate::error_json::ErrorJson;
use crate::http::{AnswerHead, Connection, Exchanged, Head, HeadFault};
use crate::kept_errors::ConnectionId;
use crate::metrics::Call;
use crate::reply::{After, say};
use crate::shared::Shared;

/// A connection that a client made by `CONNECT`.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Link,
    pub(crate) host: Host,
    pub(crate) id: ConnectionId,
    /// Whether failures are told by a reset, and by the API afterwards.
    pub(crate) is_patch: bool,
}

/// Serves requests, one after the other, until either side closes.
pub(crate) async fn requests(connected: Connected, mut connection: Connection) {
    let limits = Arc::clone(&connected.shared.limits);
    loop {
        let head = tokio::select! {
            biased;
            () = connected.shared.stopping.cancelled() => return,
            head = connection.head(limits.idle) => head,
        };
        let after = match head {
            Ok(Some(head)) => {
                connected.shared.metrics.call(Call::Connected);
                connected.request(&mut connection, &head).await
            }
            Ok(None) => After::Close,
            Err(fault) => connected.unreadable(&mut connection, fault).await,
        };
        match after {
            After::Next => {}
            After::Close => return connection.close().await,
            After::Reset => return connection.reset(),
        }
    }
}

impl Connected {
    async fn request(&self, connection: &mut Connection, head: &Head) -> After {
        let gateway = &self.shared.gateway;
        let own = RequestHead {
            method: head.method.clone(),
            path: head.target.clone(),
            fields: head.fields.clone(),
        };
        if let Err(error) = check_head(&own.method, &own.path, &own.fields) {
            gateway.malformed_request(&self.link, &own.method, &own.path);
            let error = EgressError::Invalid(error.to_string());
            return self.fails(connection, head, &error).await;
        }
        let completion = Completion::new();
        let outgoing = Outgoing {
            link: self.link.for_request(),
            head: own,
            kind: head.kind,
            completion: Arc::clone(&completion),
            takes_unframed: true,
            between_bytes: None,
        };
        let send = |body| gateway.send(outgoing, body);
        let exchanged = connection
            .exchange(head, &completion, AnswerHead::relayed, send)
            .await;
        // Whatever happened, nothing more of this request may go on.
        completion.cancel();
        match exchanged {
            Exchanged::Whole { persists: true } => After::Next,
            Exchanged::Whole { persists: false } => After::Close,
            Exchanged::Refused(error) => self.fails(connection, head, &error).await,
            Exchanged::Broken(error) => {
                self.id.failed(&self.shared.error(&error));
                After::Reset
            }
            Exchanged::Faulty(fault) => {
                let error = ErrorJson::malformed(fault.to_string());
                self.tell(connection, Some(head), &error).await
            }
            Exchanged::Gone => After::Reset,
        }
    }

    /// Tells the client why there is no response.
    async fn fails(&self, connection: &mut Connection, head: &Head, error: &EgressError) -> After {
        let error = self.shared.error(error);
        self.tell(connection, Some(head), &error).await
    }

    async fn unreadable(&self, connection: &mut Connection, fault: HeadFault) -> After {
        let error = match fault {
            HeadFault::Cut => return After::Reset,
            HeadFault::TooLarge(_) | HeadFault::TooManyFields(_) => {
                ErrorJson::too_large(431, fault.to_string())
            }
            HeadFault::Malformed(_) => ErrorJson::malformed(fault.to_string()),
            HeadFault::Slow => ErrorJson::malformed(fault.to_string()).status(408),
        };
        self.shared.metrics.error(error.code);
        self.tell(connection, None, &error).await
    }

    /// The patch asks for the error after the reset; others read it.
    async fn tell(
        &self,
        connection: &mut Connection,
        head: Option<&Head>,
        error: &ErrorJson,
    ) -> After {
        self.id.failed(error);
        if self.is_patch {
            return After::Reset;
        }
        match say(connection, head, error, false).await {
            Ok(_) => After::Close,
            Err(_) => After::Reset,
        }
    }
}
