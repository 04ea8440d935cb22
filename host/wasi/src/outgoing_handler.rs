//! The one handler of outgoing requests, both those of `wasi:http` and the typed ones of
//! `sandbox:net`.

use sandbox_net_gateway::{Gateway, Request, Stage};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::typed::Typed;
use crate::wasi_http::{Io, Sent, disassemble, no_io, outgoing, response, to_http_error};

/// Carries out every request of a guest through a [`Gateway`].
///
/// It implements [`WasiHttpHooks`], so that an embedder who links `wasi:http` beside `sandbox:net`
/// gives both the same policy, pool and log: both call [`Gateway::send`].
///
/// ```
/// use sandbox_net_wasi::OutgoingHandler;
/// use wasmtime::component::ResourceTable;
/// use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
///
/// /// A host for components that know `wasi:http` only.
/// struct State {
///     table: ResourceTable,
///     http: WasiHttpCtx,
///     handler: OutgoingHandler,
/// }
///
/// impl WasiHttpView for State {
///     fn http(&mut self) -> WasiHttpCtxView<'_> {
///         WasiHttpCtxView {
///             ctx: &mut self.http,
///             table: &mut self.table,
///             hooks: &mut self.handler,
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OutgoingHandler {
    gateway: Gateway,
}

impl OutgoingHandler {
    /// A handler whose guest reaches what `gateway` allows.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Returns the gateway that it sends through.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Sends a request of a `wasi:http` guest: it names its own origin, which is decided like any
    /// other.
    fn plain(&self, request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
        let gateway = self.gateway.clone();
        let options = options.unwrap_or_default();
        Box::new(async move {
            let uri = request.uri().to_string();
            let (origin, head, kind, body) = disassemble(request).inspect_err(|_| {
                let end = uri.find('?').filter(|_| !gateway.audit().has_queries());
                gateway.malformed(Stage::Request, &uri[..end.unwrap_or(uri.len())], None);
            })?;
            let mut request = Request::new(origin, head, kind);
            request.timeouts.connect = options.connect_timeout;
            request.timeouts.first_byte = options.first_byte_timeout;
            request.timeouts.between_bytes = options.between_bytes_timeout;
            let answer = gateway.fetch(request, outgoing(body)).await;
            let answer = answer.map_err(|error| to_http_error(&error))?;
            let head = answer.head.map_err(|_| Error::HttpProtocolError)?;
            Ok((response(&head, answer.body), no_io()))
        })
    }
}

impl WasiHttpHooks for OutgoingHandler {
    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Sent {
        match request.extensions_mut().remove::<Typed>() {
            Some(typed) => typed.carry_out(&self.gateway, request.into_body()),
            None => self.plain(request, options),
        }
    }
}
