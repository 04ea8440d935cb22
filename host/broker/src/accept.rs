//! Accepts clients, as many as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::callers::Caller;
use crate::listener::{Accepted, Listener};
use crate::metrics::Refused;
use crate::serve::serve;
use crate::shared::Shared;
use crate::socket::ClientSocket;
use crate::token::Token;

/// How long to wait after a failure, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the clients of a listener until the broker ends.
pub(crate) async fn accept(
    shared: Arc<Shared>,
    listener: Listener,
    token: Token,
    clients: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(
        shared.limits.connections.min(Semaphore::MAX_PERMITS),
    ));
    let token = listener.needs_token().then_some(token);
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let socket = match accepted {
            Ok(Accepted::Client(socket)) => socket,
            Ok(Accepted::Stranger(user)) => {
                shared.metrics.refused(Refused::Peer);
                let text = format!("refused a client: user {user} is not the broker's own");
                shared.log.of_client(&text);
                continue;
            }
            Err(error) => {
                shared
                    .log
                    .of_client(&format!("cannot accept a client: {error}"));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            shared.metrics.refused(Refused::TooMany);
            let text = format!(
                "refused a client: {} connections are open",
                shared.limits.connections
            );
            shared.log.of_client(&text);
            continue;
        };
        let (shared, caller) = (Arc::clone(&shared), caller(token.clone(), &socket));
        clients.spawn(async move {
            let ending = shared.ending.clone();
            tokio::select! {
                () = ending.cancelled() => {}
                () = serve(shared, caller, socket) => {}
            }
            drop(place);
        });
    }
}

fn caller(token: Option<Token>, socket: &ClientSocket) -> Caller {
    Caller {
        token,
        address: socket.local_address(),
    }
}
