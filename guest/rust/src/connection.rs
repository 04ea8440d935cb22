//! A connection to one host and port.

use std::time::Duration;

use crate::bindings::sandbox::net::client;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::executor::{block_on, ready};
use crate::types::{
    BodyKind, ChainChecks, Phase, RequestHead, TlsInfo, TlsOptions, TlsVersions, Verification,
};

/// The right to talk to one host and port. It carries one exchange after the other, and is closed when
/// it is dropped.
///
/// ```no_run
/// # fn main() -> Result<(), sandbox_net_guest::Error> {
/// use sandbox_net_guest::Connection;
/// use sandbox_net_guest::types::{BodyKind, RequestHead, TlsOptions};
///
/// let mut connection = Connection::open("api.example.com", 443, None)?;
/// connection.start_tls(&TlsOptions::default())?;
/// for path in ["/v1/a", "/v1/b"] {
///     let head = RequestHead {
///         method: b"GET".to_vec(),
///         path: path.as_bytes().to_vec(),
///         fields: vec![(b"Accept".to_vec(), b"text/plain".to_vec())],
///     };
///     let mut exchange = connection.request(&head, BodyKind::None)?;
///     println!("{}", exchange.head()?.status);
///     while let Some(piece) = exchange.read()? {
///         println!("{} bytes", piece.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    raw: client::Connection,
    timeout: Option<Duration>,
}

impl Connection {
    /// Connects to `host`, a name or an address without brackets, at `port`.
    ///
    /// `timeout` bounds each wait of this connection and its exchanges: connecting, the TLS handshake, a
    /// response's head, and each piece of a body. The host's own deadlines hold as well.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] before any name is resolved; [`Error::Dns`], [`Error::Refused`],
    /// [`Error::Unreachable`], [`Error::Timeout`]; [`Error::Invalid`] for a host that has more than one
    /// reading, or port 0; [`Error::Limit`].
    pub fn open(host: &str, port: u16, timeout: Option<Duration>) -> Result<Self, Error> {
        block_on(Self::open_async(host, port, timeout))
    }

    /// As [`open`](Self::open), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn open_async(
        host: &str,
        port: u16,
        timeout: Option<Duration>,
    ) -> Result<Self, Error> {
        let nanos = timeout.map(|t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        let options = client::ConnectOptions { timeout: nanos };
        let raw = client::connect(host, port, options)?;
        let connection = Self { raw, timeout };
        // The host keeps this timeout itself, from resolving to connecting.
        connection.phase(None, Phase::Connect).await?;
        Ok(connection)
    }

    /// Begins TLS, which is verified for the connection's host.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], also for settings that the policy does not grant; [`Error::Tls`];
    /// [`Error::Timeout`]; [`Error::Invalid`] the second time, and behind a request.
    pub fn start_tls(&mut self, options: &TlsOptions) -> Result<(), Error> {
        block_on(self.start_tls_async(options))
    }

    /// As [`start_tls`](Self::start_tls), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start_tls_async(&mut self, options: &TlsOptions) -> Result<(), Error> {
        self.raw.start_tls("", options)?;
        self.phase(self.timeout, Phase::Tls).await
    }

    /// What the handshake settled, as far as the host knows; `None` without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<TlsInfo> {
        self.raw.tls()
    }

    /// Sends a request's head. The previous exchange must be over: its response's body was read to its
    /// end.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`]; [`Error::Invalid`] for a head that is no HTTP, and while another exchange is
    /// under way; [`Error::Limit`]; [`Error::Closed`].
    pub fn request(&mut self, head: &RequestHead, body: BodyKind) -> Result<Exchange, Error> {
        let raw = client::request(&self.raw, head, body)?;
        Ok(Exchange::new(raw, self.timeout))
    }

    /// Waits until the phase under way is over.
    async fn phase(&self, limit: Option<Duration>, phase: Phase) -> Result<(), Error> {
        loop {
            if let Some(ended) = self.raw.status() {
                return Ok(ended?);
            }
            if !ready(self.raw.subscribe(), limit).await {
                return Err(Error::Timeout(phase));
            }
        }
    }
}

/// Everything verified, against the roots of the host, in any version of TLS, for HTTP/1.1.
impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            versions: TlsVersions::All,
            verification: Verification::Full,
            host_roots: true,
            roots: Vec::new(),
            client_certificate: None,
            alpn: vec![b"http/1.1".to_vec()],
            checks: ChainChecks::Usual,
        }
    }
}
