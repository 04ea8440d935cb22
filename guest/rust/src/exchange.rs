//! One request and its response.

use std::time::Duration;

use crate::bindings::sandbox::net::client;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::error::Error;
use crate::executor::{block_on, ready};
use crate::types::{Field, Phase, ResponseHead};

/// The most bytes of a body that one call asks the host for.
const PIECE: u64 = 64 * 1024;

/// One request and its response: write the body and finish it, then take the head, then read.
///
/// Dropping it before its end cancels it, and closes what carries it.
#[derive(Debug)]
pub struct Exchange {
    // The streams are dropped before what gave them.
    output: Option<OutputStream>,
    input: Option<InputStream>,
    raw: client::Exchange,
    timeout: Option<Duration>,
}

impl Exchange {
    pub(crate) fn new(raw: client::Exchange, timeout: Option<Duration>) -> Self {
        Self {
            output: None,
            input: None,
            raw,
            timeout,
        }
    }

    /// Writes a part of the request's body, as fast as the peer takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a request without a body, and for more bytes than were announced; what
    /// ended the exchange.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        block_on(self.write_async(bytes))
    }

    /// As [`write`](Self::write), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_async(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room().await?;
            let (part, after) = rest.split_at(rest.len().min(room));
            if let Err(error) = self.output()?.write(part) {
                return Err(self.failure(error));
            }
            rest = after;
        }
        Ok(())
    }

    /// Ends the request's body.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where fewer bytes were written than announced, and for a request without a
    /// body; [`Error::Closed`] the second time; what ended the exchange.
    pub fn finish(&mut self) -> Result<(), Error> {
        block_on(self.finish_async())
    }

    /// As [`finish`](Self::finish), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn finish_async(&mut self) -> Result<(), Error> {
        if let Some(output) = &self.output {
            let flushed = match output.flush() {
                Ok(()) => self.room().await.map(drop),
                Err(error) => Err(self.failure(error)),
            };
            match flushed {
                // Behind the last byte that was announced the stream may be closed, and nothing is wrong.
                Err(Error::Closed) if self.raw.failure(None).is_none() => {}
                flushed => flushed?,
            }
        }
        self.output = None;
        Ok(self.raw.finish_body()?)
    }

    /// The response's head. It can be asked for before the body is written, too: a peer may answer early.
    ///
    /// # Errors
    ///
    /// What ended the exchange; [`Error::Closed`] the second time; [`Error::Timeout`].
    pub fn head(&mut self) -> Result<ResponseHead, Error> {
        block_on(self.head_async())
    }

    /// As [`head`](Self::head), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn head_async(&mut self) -> Result<ResponseHead, Error> {
        loop {
            if let Some(head) = self.raw.head() {
                return Ok(head?);
            }
            // Whether the peer asks for the body is told once; asking lets the pollable wait again.
            self.raw.continued();
            if !ready(self.raw.subscribe(), self.timeout).await {
                return Err(Error::Timeout(Phase::Head));
            }
        }
    }

    /// The response's head if it is there: a peer may answer before it has the whole body.
    ///
    /// # Errors
    ///
    /// As [`head`](Self::head).
    pub fn try_head(&mut self) -> Result<Option<ResponseHead>, Error> {
        Ok(self.raw.head().transpose()?)
    }

    /// Whether the peer asks for the body of a request with the field `Expect: 100-continue`; told once.
    pub fn continued(&mut self) -> bool {
        self.raw.continued()
    }

    /// The next piece of the response's body, never empty; `None` behind its end. Call it after
    /// [`head`](Self::head).
    ///
    /// # Errors
    ///
    /// What ended the exchange: the body is not complete then. [`Error::Timeout`]; [`Error::Invalid`]
    /// before the head.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        block_on(self.read_async())
    }

    /// As [`read`](Self::read), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn read_async(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.input.is_none() {
            self.input = Some(self.raw.response_body()?);
        }
        while let Some(input) = &self.input {
            match input.read(PIECE) {
                Ok(piece) if piece.is_empty() => {
                    if !ready(input.subscribe(), self.timeout).await {
                        return Err(Error::Timeout(Phase::Body));
                    }
                }
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => break,
                Err(error) => return Err(self.failure(error)),
            }
        }
        Ok(None)
    }

    /// The fields behind the response's body, once that has been read to its end.
    ///
    /// # Errors
    ///
    /// What broke the response behind its last byte; [`Error::Invalid`] before its end.
    pub fn trailers(&mut self) -> Result<Vec<Field>, Error> {
        block_on(self.trailers_async())
    }

    /// As [`trailers`](Self::trailers), without blocking.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn trailers_async(&mut self) -> Result<Vec<Field>, Error> {
        let is_read = self.input.as_ref().is_some_and(|input| {
            // A stream that has ended stays so.
            matches!(input.read(0), Err(StreamError::Closed))
        });
        if !is_read {
            let why = "trailers come behind the response's body: read that to its end first";
            return Err(Error::Invalid(why.into()));
        }
        loop {
            if let Some(trailers) = self.raw.trailers() {
                return Ok(trailers?);
            }
            if !ready(self.raw.subscribe(), self.timeout).await {
                return Err(Error::Timeout(Phase::Body));
            }
        }
    }

    fn output(&mut self) -> Result<&OutputStream, Error> {
        if self.output.is_none() {
            self.output = Some(self.raw.body()?);
        }
        self.output.as_ref().ok_or(Error::Closed)
    }

    /// How many bytes the stream of the request's body takes now, once it takes any.
    async fn room(&mut self) -> Result<usize, Error> {
        let limit = self.timeout;
        loop {
            let output = self.output()?;
            match output.check_write() {
                Ok(0) => {
                    if !ready(output.subscribe(), limit).await {
                        return Err(Error::Timeout(Phase::Request));
                    }
                }
                Ok(room) => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    /// Why a stream failed.
    fn failure(&self, error: StreamError) -> Error {
        let reason = match &error {
            StreamError::LastOperationFailed(error) => self.raw.failure(Some(error)),
            StreamError::Closed => self.raw.failure(None),
        };
        reason.map_or(Error::Closed, Error::from)
    }
}
