//! A `CONNECT` to an endpoint that the policy names as a tunnel: bytes pass both ways, and nobody reads
//! them.

use sandbox_net_gateway::Tunnel;
use sandbox_net_policy::Endpoint;
use tokio::io::copy_bidirectional;

use crate::error_json::ErrorJson;
use crate::http::{Connection, Head};
use crate::kept_errors::ConnectionId;
use crate::reply::{established, refuse};
use crate::shared::Shared;
use crate::socket::ClientSocket;

/// Opens the tunnel, and serves it to its end.
pub(crate) async fn serve(
    shared: &Shared,
    mut connection: Connection,
    head: &Head,
    endpoint: Endpoint,
) {
    let opening = async { shared.gateway.tunnel(endpoint, None)?.await };
    let (tunnel, id) = match connection.unless_gone(opening).await {
        // The client has gone.
        None => return,
        Some(Err(error)) => return refuse(connection, head, &shared.error(&error)).await,
        Some(Ok(tunnel)) => match shared.errors.connection() {
            Some(id) => (tunnel, id),
            None => return refuse(connection, head, &ErrorJson::no_random_numbers()).await,
        },
    };
    let answer = established(&id, Some(tunnel.address()));
    if connection.write(&answer).await.is_err() {
        return;
    }
    if let Some(client) = connection.into_socket() {
        pipe(shared, client, tunnel, &id).await;
    }
}

/// Copies bytes until both sides have closed, or one fails. A failure is a reset, which no program
/// takes for the end.
async fn pipe(shared: &Shared, mut client: ClientSocket, mut tunnel: Tunnel, id: &ConnectionId) {
    let copied = tokio::select! {
        biased;
        () = shared.ending.cancelled() => None,
        copied = copy_bidirectional(&mut client, &mut tunnel) => Some(copied),
    };
    if let Some(failure) = tunnel.failure() {
        id.failed(&shared.error(&failure));
    }
    if !matches!(copied, Some(Ok(_))) {
        client.resets();
    }
}
