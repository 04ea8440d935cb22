//! Requests by URL.

use std::time::Duration;

use crate::connection::Connection;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::executor::block_on;
use crate::response::Response;
use crate::types::{BodyKind, Field, RequestHead, ResponseHead, TlsOptions};
use crate::url::Url;

/// Sends a GET request to a URL, verified and without a timeout of its own.
///
/// ```no_run
/// # fn main() -> Result<(), sandbox_net_guest::Error> {
/// let text = sandbox_net_guest::get("https://api.example.com/v1/status")?.text()?;
/// # let _ = text;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Denied`] if the policy allows it not; any other, since everything may fail.
pub fn get(url: &str) -> Result<Response, Error> {
    Client::new().get(url).send()
}

/// The settings of requests. Each request has a connection to itself; the host may keep what carries it.
/// For several requests over one connection, see [`Connection`].
#[derive(Clone, Debug, Default)]
pub struct Client {
    timeout: Option<Duration>,
    tls: TlsOptions,
}

impl Client {
    /// Everything verified, and no timeouts but those of the host.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds each wait: connecting, the TLS handshake, the response's head, and each piece of a body.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets up TLS otherwise. The policy has to grant what is unusual.
    #[must_use]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = options;
        self
    }

    /// A GET request.
    #[must_use]
    pub fn get(&self, url: &str) -> Request {
        self.request("GET", url)
    }

    /// A POST request.
    #[must_use]
    pub fn post(&self, url: &str) -> Request {
        self.request("POST", url)
    }

    /// A request with any method, as it is written: methods have upper and lower case.
    #[must_use]
    pub fn request(&self, method: &str, url: &str) -> Request {
        Request {
            client: self.clone(),
            method: method.to_owned(),
            url: url.to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }
}

/// A request that is put together.
///
/// ```no_run
/// # fn main() -> Result<(), sandbox_net_guest::Error> {
/// use std::time::Duration;
/// use sandbox_net_guest::Client;
///
/// let client = Client::new().timeout(Duration::from_secs(10));
/// let response = client
///     .post("https://api.example.com/v1/items")
///     .field("Content-Type", "application/json")
///     .body(r#"{"name": "x"}"#)
///     .send()?;
/// assert_eq!(response.status(), 201);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    client: Client,
    method: String,
    url: String,
    fields: Vec<Field>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Adds a field. `Host`, and what frames the body, the host sends itself.
    #[must_use]
    pub fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let field = (name.as_ref().to_vec(), value.as_ref().to_vec());
        self.fields.push(field);
        self
    }

    /// Gives it a body, whose size is announced. To write one piece by piece, see [`begin`](Self::begin).
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it and waits for the response's head. Any status is a response, and so is a redirect.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`Error::Invalid`] for a URL that is none.
    pub fn send(self) -> Result<Response, Error> {
        block_on(self.send_async())
    }

    /// As [`send`](Self::send), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn send_async(mut self) -> Result<Response, Error> {
        let body = self.body.take();
        let kind = match &body {
            None => BodyKind::None,
            Some(body) => BodyKind::Sized(body.len() as u64),
        };
        let (connection, mut exchange) = self.begin_async(kind).await?;
        let early = match body {
            None => None,
            Some(body) => send_body(&mut exchange, &body).await?,
        };
        let head = match early {
            Some(head) => head,
            None => exchange.head_async().await?,
        };
        Ok(Response::new(connection, exchange, head))
    }

    /// Sends its head only, for a body that is written piece by piece: [`Exchange::write`],
    /// [`Exchange::finish`], [`Exchange::head`]. Dropping the connection cancels the exchange.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn begin(self, body: BodyKind) -> Result<(Connection, Exchange), Error> {
        block_on(self.begin_async(body))
    }

    /// As [`begin`](Self::begin), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn begin_async(self, body: BodyKind) -> Result<(Connection, Exchange), Error> {
        let url = Url::parse(&self.url)?;
        let timeout = self.client.timeout;
        let mut connection = Connection::open_async(&url.host, url.port, timeout).await?;
        if url.is_tls {
            connection.start_tls_async(&self.client.tls).await?;
        }
        let head = RequestHead {
            method: self.method.into_bytes(),
            path: url.path.into_bytes(),
            fields: self.fields,
        };
        let exchange = connection.request(&head, body)?;
        Ok((connection, exchange))
    }
}

/// Sends a whole body. A peer that does not want it may answer early, and read no more: its answer counts.
async fn send_body(exchange: &mut Exchange, body: &[u8]) -> Result<Option<ResponseHead>, Error> {
    let sent = match exchange.write_async(body).await {
        Ok(()) => exchange.finish_async().await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Ok(None),
        Err(error) => match exchange.try_head() {
            Ok(Some(head)) => Ok(Some(head)),
            _ => Err(error),
        },
    }
}
