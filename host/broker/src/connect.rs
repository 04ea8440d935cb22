//! Answers `CONNECT`: the decision and the dial come before the answer, and what follows is HTTP or TLS.

use std::sync::Arc;

use sandbox_net_egress::{BodyKind, EgressError, GuestTlsOptions, Reuse};
use sandbox_net_gateway::{Link, Stage};
use sandbox_net_policy::Endpoint;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::blind;
use crate::client_hello;
use crate::connected::{Connected, requests};
use crate::error_json::ErrorJson;
use crate::http::{Connection, Head};
use crate::kept_errors::ConnectionId;
use crate::reply::{established, refuse};
use crate::shared::Shared;
use crate::socket::{ClientSocket, ClientStream};
use crate::target;

/// The first byte of TLS: that of a handshake record.
const TLS: u8 = 0x16;

/// Makes the connection, and serves what the client does on it.
pub(crate) async fn connect(
    shared: &Arc<Shared>,
    mut connection: Connection,
    head: &Head,
    target: &str,
) {
    let endpoint = match endpoint(shared, head, target) {
        Ok(endpoint) => endpoint,
        Err(error) => return refuse(connection, head, &error).await,
    };
    // Only what the policy names is a tunnel. Everything else is read, request by request.
    if shared.gateway.policy().names_tunnel(&endpoint) {
        return blind::serve(shared, connection, head, endpoint).await;
    }
    let host = endpoint.host.clone();
    let (id, link) = match begin(shared, &mut connection, endpoint).await {
        Some(Ok(begun)) => begun,
        Some(Err(error)) => return refuse(connection, head, &error).await,
        // The client has gone.
        None => return,
    };
    let answer = established(&id, link.address());
    if connection.write(&answer).await.is_err() {
        return;
    }
    let is_patch = head
        .values("x-sandbox-net-client")
        .any(|value| value.eq_ignore_ascii_case(b"patch"));
    let connected = Connected {
        shared: Arc::clone(shared),
        link,
        host,
        id,
        is_patch,
    };
    connected.serve(connection).await;
}

/// A connection that was made, and its ID.
type Begun = (ConnectionId, Link);

/// Decides and dials; `None` if the client goes away meanwhile.
async fn begin(
    shared: &Shared,
    connection: &mut Connection,
    endpoint: Endpoint,
) -> Option<Result<Begun, ErrorJson>> {
    let connecting = async {
        let connecting = shared.gateway.connect(endpoint, None, Reuse::Close)?;
        connecting.await
    };
    let link = connection.unless_gone(connecting).await?;
    let link = match link {
        Ok(link) => link,
        Err(error) => return Some(Err(shared.error(&error))),
    };
    let id = shared.errors.connection();
    Some(
        id.map(|id| (id, link))
            .ok_or_else(ErrorJson::no_random_numbers),
    )
}

fn endpoint(shared: &Shared, head: &Head, target: &str) -> Result<Endpoint, ErrorJson> {
    let parsed = match head.kind {
        BodyKind::None | BodyKind::Sized(0) => target::endpoint(target),
        _ => Err("a CONNECT has no body".to_owned()),
    };
    parsed.map_err(|message| {
        shared.gateway.malformed(Stage::Connect, target, None);
        shared.error(&EgressError::Invalid(message))
    })
}

impl Connected {
    /// Serves what the client does: its first byte tells whether that is TLS.
    async fn serve(mut self, mut connection: Connection) {
        let stopping = self.shared.stopping.clone();
        let first = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            first = connection.first_byte() => first,
        };
        match first {
            None => {}
            Some(TLS) => {
                let Some(socket) = connection.into_socket() else {
                    return;
                };
                if let Some(stream) = self.secure(socket).await {
                    let limits = Arc::clone(&self.shared.limits);
                    requests(self, Connection::new(stream, limits)).await;
                }
            }
            Some(_) => {
                // Programs may do that with a socket of their own.
                connection.allow_half_close();
                requests(self, connection).await;
            }
        }
    }

    /// Begins TLS with the server first, and then with the client. `None` if one of them fails; then
    /// the client has been told.
    async fn secure(&mut self, socket: ClientSocket) -> Option<ClientStream> {
        let within = self.shared.limits.head_time;
        let hello = client_hello::read(socket, within).await?;
        if let Err(error) = self.secure_upstream(hello.server_name.as_deref()).await {
            self.id.failed(&self.shared.error(&error));
            client_hello::refuse(hello.socket, &error).await;
            return None;
        }
        let config = self.shared.authority.server(&self.host);
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                self.shared.log.say(&error.to_string());
                let error = EgressError::Closed;
                client_hello::refuse(hello.socket, &error).await;
                return None;
            }
        };
        match timeout(within, TlsAcceptor::from(config).accept(hello.socket)).await {
            Ok(Ok(stream)) => Some(ClientStream::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                let host = &self.host;
                let log = &self.shared.log;
                log.of_client(&format!(
                    "a client did not accept the certificate of this run for {host}, or broke TLS: \
                     {error}"
                ));
                None
            }
            Err(_) => None,
        }
    }

    async fn secure_upstream(&mut self, server_name: Option<&str>) -> Result<(), EgressError> {
        let options = GuestTlsOptions::default();
        let begun = self
            .shared
            .gateway
            .start_tls(&self.link, server_name, &options);
        let (secured, handshake) = begun?;
        self.link = secured.in_place_of(&self.link);
        handshake.await
    }
}
