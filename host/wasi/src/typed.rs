//! Passes typed requests of `sandbox:net` through the handler of `wasi:http`.
//!
//! `http`'s own types keep neither the spelling nor the order of fields, and `wasi:http`'s errors say
//! less than the gateway's. So both travel beside them: the request as an extension, the answer in a
//! slot that its sender reads.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use sandbox_net_egress::{EgressError, ProtocolFailure, ResponseHead};
use sandbox_net_gateway::{Gateway, Outgoing};
use wasmtime_wasi_http::{WasiBody, WasiHttpHooks};

use crate::wasi_http::{Sent, incoming, no_io, outgoing, to_http_error};

/// The head of an answer, or what is wrong with it.
type Head = Result<ResponseHead, ProtocolFailure>;

/// The answer to a typed request.
pub(crate) struct TypedResponse {
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
    /// Carries the request out. What is refused immediately is refused before the first await.
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

/// Sends a typed request through the handler of `wasi:http` requests.
pub(crate) fn send<H: WasiHttpHooks>(
    handler: &mut H,
    outgoing: Outgoing,
    body: WasiBody,
) -> impl Future<Output = Result<TypedResponse, EgressError>> + Send + use<H> {
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
        Ok(TypedResponse {
            head,
            body: response.into_body(),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty};
    use sandbox_net_egress::test_support::{Server, config};
    use sandbox_net_egress::{BodyKind, Reuse};
    use sandbox_net_gateway::{AuditLog, Completion, RequestHead, Stage};
    use sandbox_net_policy::{Origin, Policy};
    use wasmtime_wasi_http::{Error, RequestOptions};

    use super::*;
    use crate::outgoing_handler::OutgoingHandler;

    /// The handler, counting its calls.
    struct Counted {
        handler: OutgoingHandler,
        calls: usize,
    }

    impl WasiHttpHooks for Counted {
        fn send_request(
            &mut self,
            request: http::Request<WasiBody>,
            options: Option<RequestOptions>,
            processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
        ) -> Sent {
            self.calls += 1;
            self.handler.send_request(request, options, processed)
        }
    }

    fn nothing() -> WasiBody {
        Empty::<Bytes>::new()
            .map_err(|never| match never {})
            .boxed_unsync()
    }

    async fn typed(
        counted: &mut Counted,
        origin: &Origin,
        path: &str,
    ) -> Result<Head, EgressError> {
        let gateway = counted.handler.gateway().clone();
        let connecting = gateway.connect(origin.endpoint.clone(), None, Reuse::Close)?;
        let outgoing = Outgoing {
            link: connecting.await?,
            head: RequestHead {
                method: b"GET".to_vec(),
                path: path.into(),
                fields: Vec::new(),
            },
            kind: BodyKind::None,
            completion: Completion::new(),
            takes_unframed: true,
            between_bytes: None,
        };
        send(counted, outgoing, nothing()).await.map(|it| it.head)
    }

    #[tokio::test]
    async fn typed_requests_and_those_of_wasi_http_arrive_at_the_same_handler() {
        let server = Server::echo().await;
        let origin = server.http();
        let rule = format!("GET {origin}/allowed");
        let audit = AuditLog::new();
        let policy = Policy::allow([rule.parse().unwrap()]);
        let mut counted = Counted {
            handler: OutgoingHandler::new(Gateway::new(policy, config(), audit.clone())),
            calls: 0,
        };
        for (path, is_allowed) in [("/allowed", true), ("/denied", false)] {
            let answer = typed(&mut counted, &origin, path).await;
            assert_eq!(
                answer.map(|head| head.unwrap().status).ok(),
                is_allowed.then_some(200)
            );

            let request = http::Request::get(format!("{origin}{path}"));
            let sent = counted.send_request(request.body(nothing()).unwrap(), None, no_io());
            let answer = Pin::from(sent).await;
            let status = answer.map(|(response, _)| response.status().as_u16());
            assert_eq!(status.ok(), is_allowed.then_some(200));
        }
        assert_eq!(counted.calls, 4);
        let requests = audit.decisions().into_iter();
        let requests = requests.filter(|decision| decision.stage == Stage::Request);
        let requests: Vec<_> = requests
            .map(|it| (it.target, it.verdict, it.rule))
            .collect();
        // Both are recorded alike.
        assert_eq!(requests.len(), 4);
        assert_eq!(requests[0], requests[1]);
        assert_eq!(requests[2], requests[3]);
    }
}
