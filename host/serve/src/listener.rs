//! Accepts connections, as many as may be, and ends them with the server.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Timed;

/// The longest head of a request, in bytes.
const HEAD: usize = 32 << 10;
/// How long to wait after an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// What a client gets that is one too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    retry-after: 1\r\nconnection: close\r\ncontent-length: 74\r\n\r\n\
    {\"error\":\"there are as many connections as may\",\"code\":\"connections\"}     ";

/// What all connections have in common.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) places: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    /// No more connections; those that are there end with their request.
    pub(crate) closing: CancellationToken,
    /// All connections end now.
    pub(crate) aborting: CancellationToken,
    pub(crate) head_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

impl Connections {
    /// Accepts until it closes.
    pub(crate) async fn accept(self, listener: TcpListener, router: Router) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.begin(stream, &router),
                Err(error) => {
                    tracing::warn!(target: "sandbox_net::serve", "accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream, router: &Router) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            // A client that does not read it learns it by the end of the connection.
            let _ = stream.try_write(TOO_MANY);
            return;
        };
        // A line is sent when it is printed.
        let _ = stream.set_nodelay(true);
        let (all, router) = (self.clone(), router.clone());
        self.tasks
            .spawn(async move { all.serve(stream, router, place).await });
    }

    async fn serve(self, stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
        let stream = TokioIo::new(Timed::new(stream, self.write_timeout));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(HEAD);
        let connection = http.serve_connection(stream, TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Some(ended),
            () = self.closing.cancelled() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection => ended,
                    () = self.aborting.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(target: "sandbox_net::serve", "a connection ended: {error}");
        }
    }
}
