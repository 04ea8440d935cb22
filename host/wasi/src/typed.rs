//! Typed requests of `sandbox:net` on their way through the handler of `wasi:http`.
//!
//! `http`'s own types keep neither the spelling nor the order of fields, and `wasi:http`'s errors say
//! less than the gateway's. So both travel beside them: the request as an extension, the answer in a
//! slot that its sender reads.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use sandbox_net_egress::{EgressError, ProtocolFailure, ResponseHead};
use sandbox_net_gateway::{Gateway, Outgoing};
use wasmtime_wasi_http::{WasiBody, WasiHttpHooks};

use crate::outgoing_handler::{OutgoingHandler, Sent, no_io};
use crate::wasi_http::{incoming, outgoing, to_http_error};

/// The head of an answer, or what is wrong with it.
type Head = Result<ResponseHead, ProtocolFailure>;

/// What a typed request is answered with.
pub(crate) struct TypedAnswer {
    pub(crate) head: Head,
    pub(crate) body: WasiBody,
}

/// The extension of a typed request.
#[derive(Clone)]
pub(crate) struct Typed {
    outgoing: Outgoing,
    answer: Arc<OnceLock<Result<Head, EgressError>>>,
}

impl Typed {
    /// Carries the request out. What is refused at once is refused before the first await.
    pub(crate) fn carry_out(self, gateway: &Gateway, body: WasiBody) -> Sent {
        let Self {
            outgoing: request,
            answer,
        } = self;
        let sent = gateway.send(request, outgoing(body));
        Box::new(async move {
            match sent.await {
                Ok(answered) => {
                    let _ = answer.set(Ok(answered.head));
                    Ok((http::Response::new(incoming(answered.body)), no_io()))
                }
                Err(error) => {
                    let reported = to_http_error(&error);
                    let _ = answer.set(Err(error));
                    Err(reported)
                }
            }
        })
    }
}

/// Sends a typed request by the handler that carries out those of `wasi:http`.
pub(crate) fn send(
    handler: &mut OutgoingHandler,
    outgoing: Outgoing,
    body: WasiBody,
) -> impl Future<Output = Result<TypedAnswer, EgressError>> + Send + use<> {
    let answer = Arc::new(OnceLock::new());
    let mut request = http::Request::new(body);
    request.extensions_mut().insert(Typed {
        outgoing,
        answer: Arc::clone(&answer),
    });
    let sent = handler.send_request(request, None, no_io());
    async move {
        let sent = Pin::from(sent).await;
        // The handler fills the slot before it ends.
        let head = answer.get().cloned().unwrap_or(Err(EgressError::Closed))?;
        let (response, _) = sent.map_err(|_| EgressError::Closed)?;
        Ok(TypedAnswer {
            head,
            body: response.into_body(),
        })
    }
}
