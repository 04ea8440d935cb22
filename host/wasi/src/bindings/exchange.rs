//! The `exchange` resource: one request, its body, and its response.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::io::error::Error as IoError;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, OutputStream, Pollable, StreamResult, subscribe,
};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, poll_noop, spawn, with_ambient_tokio_runtime};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, StreamContext};

use super::response_stream::{Gives, ResponseStream};
use super::types::{BodyKind, ErrorCode, Field, RequestHead, ResponseHead};
use super::{convert, wit};
use crate::ctx::SandboxNetCtxView;
use sandbox_net_gateway::{Bounds, Completion, Link, Outgoing, RequestHead as Head};

use crate::outgoing_handler::OutgoingHandler;
use crate::typed::{self, TypedResponse};
use sandbox_net_egress::account::HostMemory;
use sandbox_net_egress::{EgressError, HttpVersion, Limit, MAX_FIELDS};
use sandbox_net_policy::syntax::check_head;

/// The most and the least bytes of a request's body that one write may carry: as the sandbox's
/// memory is used up, bodies get smaller writes.
const LARGEST_WRITE: usize = 128 * 1024;
const SMALLEST_WRITE: usize = 8 * 1024;
/// Two writes are buffered while a third is on its way.
const WRITES: usize = 3;
/// Bytes that a request's head may have in all.
const HEAD_SIZE: usize = 256 * 1024;

type Sending = AbortOnDropJoinHandle<Result<TypedResponse, EgressError>>;

/// The host's side of an `exchange`.
pub struct HostExchange {
    completion: Arc<Completion>,
    body: RequestBody,
    response: Response,
    /// Whether the guest was told that the peer asks for the body.
    was_continued: bool,
}

impl std::fmt::Debug for HostExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostExchange")
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}

enum RequestBody {
    None,
    Open {
        body: HostOutgoingBody,
        stream: StreamState,
    },
    Finished,
}

enum StreamState {
    NotTaken,
    Taken(Weak<()>),
}

enum Response {
    Sending(Sending),
    Head(Result<TypedResponse, EgressError>),
    Body(Option<ResponseStream>),
    Failed,
}

impl HostExchange {
    /// Sends `head` on `link`; the body follows through the exchange's stream.
    pub(super) fn start(
        handler: &mut OutgoingHandler,
        link: Link,
        head: RequestHead,
        kind: BodyKind,
    ) -> Result<Self, ErrorCode> {
        let gateway = handler.gateway();
        let size = head.method.len() + head.path.len();
        let fields = head.fields.iter().map(|(n, v)| n.len() + v.len() + 4);
        if head.fields.len() > MAX_FIELDS || size + fields.sum::<usize>() > HEAD_SIZE {
            gateway.malformed_request(&link, &head.method, &head.path);
            let error = EgressError::Limit(Limit::RequestHeadSize);
            return Err(convert::error(error, gateway.bounds()));
        }
        let head = Head {
            method: head.method,
            path: head.path,
            fields: head.fields,
        };
        if let Err(error) = check_head(&head.method, &head.path, &head.fields) {
            gateway.malformed_request(&link, &head.method, &head.path);
            return Err(ErrorCode::Invalid(error.to_string()));
        }
        let body = request_body(kind, gateway.memory());
        let body = gateway.request_within_memory(body, (&link, &head));
        let (body, outgoing, kind) =
            body.map_err(|error| convert::error(error, gateway.bounds()))?;
        let completion = Completion::new();
        let request = Outgoing {
            link,
            head,
            kind,
            completion: Arc::clone(&completion),
            takes_unframed: true,
            between_bytes: None,
        };
        let mut sending = Box::pin(typed::send(handler, request, outgoing));
        // A refusal comes before the first await. A peer that answers at once may end the request
        // as early.
        let begun = with_ambient_tokio_runtime(|| poll_noop(sending.as_mut()));
        let response = match begun {
            Some(Err(error)) if is_refusal(&error) => {
                return Err(convert::error(error, handler.gateway().bounds()));
            }
            Some(ended) => Response::Head(ended),
            None => Response::Sending(spawn(sending)),
        };
        Ok(Self {
            completion,
            body,
            response,
            was_continued: false,
        })
    }

    pub(super) fn completion(&self) -> &Arc<Completion> {
        &self.completion
    }

    fn take_stream(&mut self) -> Result<DynOutputStream, ErrorCode> {
        match &mut self.body {
            RequestBody::None => Err(no_body()),
            RequestBody::Finished => Err(ErrorCode::Closed),
            RequestBody::Open { body, stream } => {
                let inner = body.take_output_stream().ok_or(ErrorCode::Closed)?;
                let alive = Arc::new(());
                *stream = StreamState::Taken(Arc::downgrade(&alive));
                Ok(Box::new(BodyStream {
                    inner,
                    _alive: alive,
                }))
            }
        }
    }

    fn finish(&mut self) -> Result<(), ErrorCode> {
        match std::mem::replace(&mut self.body, RequestBody::Finished) {
            RequestBody::None => {
                self.body = RequestBody::None;
                Err(no_body())
            }
            RequestBody::Finished => Err(ErrorCode::Closed),
            RequestBody::Open {
                body,
                stream: StreamState::Taken(alive),
            } if alive.strong_count() > 0 => {
                self.body = RequestBody::Open {
                    body,
                    stream: StreamState::Taken(alive),
                };
                Err(ErrorCode::Invalid(
                    "drop the body's stream before finishing the body".into(),
                ))
            }
            RequestBody::Open { body, .. } => body.finish(None).map_err(|_| {
                ErrorCode::Invalid("fewer bytes were written than the request announced".into())
            }),
        }
    }

    fn take_continued(&mut self) -> bool {
        let is_new = !self.was_continued && self.completion.is_continued();
        self.was_continued |= is_new;
        is_new
    }

    fn take_head(&mut self, bounds: &Bounds) -> Option<Result<ResponseHead, ErrorCode>> {
        if let Response::Sending(task) = &mut self.response {
            let ended = poll_noop(Pin::new(task)).or_else(|| {
                // Nothing more comes after the connection was closed.
                self.completion.failure().map(Err)
            })?;
            self.response = Response::Head(ended);
        }
        match std::mem::replace(&mut self.response, Response::Failed) {
            Response::Head(Ok(answer)) => {
                let gives = answer.head.as_ref().map_or(Gives::Joined, gives);
                self.response = Response::Body(Some(ResponseStream::new(answer.body, gives)));
                Some(match answer.head {
                    Ok(head) => Ok(convert::response_head(head)),
                    // The exchange continues: what came can still be read.
                    Err(failure) => Err(convert::error(EgressError::Protocol(failure), bounds)),
                })
            }
            Response::Head(Err(error)) => {
                self.completion.fail(error.clone());
                Some(Err(convert::error(error, bounds)))
            }
            taken => {
                self.response = taken;
                Some(Err(ErrorCode::Closed))
            }
        }
    }

    fn take_response_body(&mut self) -> Result<DynInputStream, ErrorCode> {
        match &mut self.response {
            Response::Sending(_) | Response::Head(_) => Err(ErrorCode::Invalid(
                "the response's head comes before its body".into(),
            )),
            Response::Failed => Err(ErrorCode::Closed),
            Response::Body(body) => Ok(Box::new(body.take().ok_or(ErrorCode::Closed)?)),
        }
    }
}

/// How the pieces of this body are given. The chunks of HTTP/1.1 stay apart: clients such as urllib3 and
/// aiohttp show a program where the server has put their ends. In HTTP/2 a list of fields behind them is not
/// taken in before somebody reads on.
fn gives(head: &sandbox_net_egress::ResponseHead) -> Gives {
    let is_chunked = |name: &[u8]| name.eq_ignore_ascii_case(b"transfer-encoding");
    match head.version {
        HttpVersion::Http2 => Gives::One,
        _ if head.fields.iter().any(|(name, _)| is_chunked(name)) => Gives::Apart,
        _ => Gives::Joined,
    }
}

/// Whether the host refused the request before the peer did anything.
fn is_refusal(error: &EgressError) -> bool {
    use EgressError::{Closed, Denied, Invalid, Limit};
    matches!(error, Denied(_) | Invalid(_) | Limit(_) | Closed)
}

fn no_body() -> ErrorCode {
    ErrorCode::Invalid("the request was announced without a body".into())
}

type Parts = (RequestBody, WasiBody, sandbox_net_egress::BodyKind);

/// The two ends of a request's body, with the memory for what is between them.
fn request_body(kind: BodyKind, memory: &HostMemory) -> Result<Parts, EgressError> {
    let (size, kind) = match kind {
        BodyKind::None => {
            let empty = Empty::<Bytes>::new().map_err(|never| match never {});
            return Ok((
                RequestBody::None,
                empty.boxed_unsync(),
                sandbox_net_egress::BodyKind::None,
            ));
        }
        BodyKind::Sized(size) => (Some(size), sandbox_net_egress::BodyKind::Sized(size)),
        BodyKind::Chunked => (None, sandbox_net_egress::BodyKind::Chunked),
    };
    let held = memory.reserve_share(WRITES * SMALLEST_WRITE, WRITES * LARGEST_WRITE);
    let held = held.map_err(EgressError::Limit)?;
    let write_size = held.bytes() / WRITES;
    let (body, outgoing) = HostOutgoingBody::new(StreamContext::Request, size, 1, write_size);
    let outgoing = outgoing.map_frame(move |frame| {
        // Holds the memory for as long as the body.
        let _ = &held;
        frame
    });
    let open = RequestBody::Open {
        body,
        stream: StreamState::NotTaken,
    };
    Ok((open, outgoing.boxed_unsync(), kind))
}

impl Drop for HostExchange {
    fn drop(&mut self) {
        // A body that was not finished must not look complete to the server.
        if let RequestBody::Open { body, .. } =
            std::mem::replace(&mut self.body, RequestBody::Finished)
        {
            body.abort();
        }
        self.completion.cancel();
    }
}

#[async_trait]
impl Pollable for HostExchange {
    async fn ready(&mut self) {
        if let Response::Sending(task) = &mut self.response {
            tokio::select! {
                ended = task => self.response = Response::Head(ended),
                () = self.completion.ended() => {}
                () = self.completion.continued(), if !self.was_continued => {}
            }
        }
    }
}

/// The request body's stream, which tells the exchange when it is dropped.
struct BodyStream {
    inner: DynOutputStream,
    _alive: Arc<()>,
}

#[async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for BodyStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }
}

impl wit::HostExchange for SandboxNetCtxView<'_> {
    fn body(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ErrorCode>> {
        match self.table.get_mut(&exchange)?.take_stream() {
            Ok(stream) => Ok(Ok(self.table.push(stream)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn finish_body(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        Ok(self.table.get_mut(&exchange)?.finish())
    }

    fn subscribe(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, exchange)
    }

    fn continued(&mut self, exchange: Resource<HostExchange>) -> wasmtime::Result<bool> {
        Ok(self.table.get_mut(&exchange)?.take_continued())
    }

    fn head(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Option<Result<ResponseHead, ErrorCode>>> {
        let bounds = self.ctx.gateway().bounds();
        Ok(self.table.get_mut(&exchange)?.take_head(bounds))
    }

    fn response_body(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ErrorCode>> {
        match self.table.get_mut(&exchange)?.take_response_body() {
            Ok(stream) => Ok(Ok(self.table.push(stream)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn trailers(
        &mut self,
        exchange: Resource<HostExchange>,
    ) -> wasmtime::Result<Option<Result<Vec<Field>, ErrorCode>>> {
        let bounds = self.ctx.gateway().bounds();
        let completion = &self.table.get(&exchange)?.completion;
        Ok(completion.is_over().then(|| match completion.failure() {
            None => Ok(completion.trailers()),
            Some(error) => Err(convert::error(error, bounds)),
        }))
    }

    fn failure(
        &mut self,
        exchange: Resource<HostExchange>,
        // The exchange knows without it.
        _error: Option<Resource<IoError>>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self
            .table
            .get(&exchange)?
            .completion
            .failure()
            .map(|error| convert::error(error, self.ctx.gateway().bounds())))
    }

    fn drop(&mut self, exchange: Resource<HostExchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_egress::{Limit, Phase, ProtocolFault};

    #[test]
    fn what_the_peer_did_is_told_where_the_response_would_be() {
        for (error, is_refused) in [
            (EgressError::Closed, true),
            (EgressError::Invalid("a head".into()), true),
            (EgressError::Limit(Limit::Requests), true),
            (EgressError::Reset, false),
            (EgressError::Timeout(Phase::Head), false),
            (EgressError::protocol(ProtocolFault::HeadTooLarge), false),
        ] {
            assert_eq!(is_refusal(&error), is_refused, "{error}");
        }
    }
}
