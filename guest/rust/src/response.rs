//! A response, and its body as a whole, in pieces, or as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::connection::Connection;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::executor::block_on;
use crate::types::{Field, ResponseHead};

/// A response whose head is there, and whose body follows.
#[derive(Debug)]
pub struct Response {
    head: ResponseHead,
    exchange: Exchange,
    // Closing the connection would end the exchange.
    connection: Connection,
}

impl Response {
    pub(crate) fn new(connection: Connection, exchange: Exchange, head: ResponseHead) -> Self {
        Self {
            head,
            exchange,
            connection,
        }
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The whole head.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// The first field of this name, whatever the case of its letters.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let is_it = |field: &&Field| field.0.eq_ignore_ascii_case(name.as_bytes());
        let found = self.head.fields.iter().find(is_it);
        found.map(|(_, value)| value.as_slice())
    }

    /// The connection that carries it.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The next piece of the body, never empty; `None` behind its end.
    ///
    /// # Errors
    ///
    /// What ended the exchange: the body is not complete then.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.exchange.read()
    }

    /// As [`read`](Self::read), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read_async(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.exchange.read_async().await
    }

    /// The fields behind the body, once that has been read to its end.
    ///
    /// # Errors
    ///
    /// As [`Exchange::trailers`].
    pub fn trailers(&mut self) -> Result<Vec<Field>, Error> {
        self.exchange.trailers()
    }

    /// The whole body. It is as large as the peer makes it: use [`read`](Self::read) for a bound of your
    /// own.
    ///
    /// # Errors
    ///
    /// What ended the exchange before the body was complete.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        block_on(self.bytes_async())
    }

    /// As [`bytes`](Self::bytes), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn bytes_async(mut self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(piece) = self.read_async().await? {
            body.extend(piece);
        }
        Ok(body)
    }

    /// The whole body as text in UTF-8.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes); [`Error::NotText`].
    pub fn text(self) -> Result<String, Error> {
        block_on(self.text_async())
    }

    /// As [`text`](Self::text), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn text_async(self) -> Result<String, Error> {
        let body = self.bytes_async().await?;
        String::from_utf8(body).map_err(|error| Error::NotText(error.utf8_error().valid_up_to()))
    }

    /// The body as a stream of its pieces, none of them empty. It ends behind the first error.
    #[must_use]
    pub fn into_stream(self) -> BodyStream {
        BodyStream(Box::pin(next(self)))
    }
}

type Next = Result<Option<(Vec<u8>, Response)>, Error>;

async fn next(mut response: Response) -> Next {
    let piece = response.read_async().await?;
    Ok(piece.map(|piece| (piece, response)))
}

/// The pieces of a response's body: see [`Response::into_stream`].
pub struct BodyStream(Pin<Box<dyn Future<Output = Next>>>);

impl std::fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyStream").finish_non_exhaustive()
    }
}

impl Stream for BodyStream {
    type Item = Result<Vec<u8>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next_piece = std::task::ready!(self.0.as_mut().poll(context));
        Poll::Ready(match next_piece {
            Ok(Some((piece, response))) => {
                self.0 = Box::pin(next(response));
                Some(Ok(piece))
            }
            Ok(None) => {
                self.0 = Box::pin(std::future::ready(Ok(None)));
                None
            }
            Err(error) => {
                self.0 = Box::pin(std::future::ready(Ok(None)));
                Some(Err(error))
            }
        })
    }
}
