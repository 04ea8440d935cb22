//! A TCP connection whose bytes nobody reads: dialled and counted like any other.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client::Client;
use crate::dial_scope::DialScope;
use crate::error::{EgressError, Phase};
use crate::stream::Stream;
use sandbox_net_policy::{Checked, Host, TunnelEndpoint};

/// A TCP connection to an endpoint that the policy grants a tunnel to. Every byte is counted on its
/// way, and a limit ends it with an error that [`failure`](Self::failure) tells.
#[derive(Debug)]
pub struct RawStream {
    stream: Stream,
}

impl Client {
    /// Resolves the host of the tunnel and connects, within `timeout` and the configured one. Only
    /// addresses that the policy permits for the tunnel are dialled.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn tunnel(
        &self,
        route: Checked<TunnelEndpoint>,
        timeout: Option<Duration>,
    ) -> Result<RawStream, EgressError> {
        let generation = self.generation();
        let found = match &route.endpoint().host {
            Host::Name(name) => generation.answers().take(name),
            Host::Ip(_) => None,
        };
        let reach = DialScope::of_tunnel(route, self.machine().clone()).with_found(found);
        let mut phase = Phase::Resolve;
        let dialled = self.dial(&reach, &generation, timeout, &mut phase);
        let stream = dialled.await?;
        Ok(RawStream { stream })
    }
}

impl RawStream {
    /// The address at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer()
    }

    /// What a failed read or write means.
    #[must_use]
    pub fn failure(error: &io::Error) -> EgressError {
        EgressError::from_io(error, Phase::Body)
    }
}

impl AsyncRead for RawStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for RawStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
