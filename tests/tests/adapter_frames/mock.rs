//! A host that a test controls.
//!
//! It is stricter than a real one: writing to a stream without permission traps, and so does
//! dropping a parent before its children.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::io::error::Error as IoError;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, InputStream, OutputStream, Pollable, StreamError,
    StreamResult, subscribe,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use bindings::sandbox::net::client;
pub use bindings::sandbox::net::types::*;

pub mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "sandbox-net",
        imports: { default: trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "sandbox:net/client.connection": super::Connection,
            "sandbox:net/client.exchange": super::Exchange,
            "sandbox:net/client.lookup": super::Lookup,
        },
        require_store_data_send: true,
    });
}

thread_local! {
    static CALLS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Notes a call of the host. A test has a thread of its own.
fn called(name: &'static str) {
    CALLS.with_borrow_mut(|calls| calls.push(name));
}

/// The calls of the host since the last question: functions of `sandbox:net/client`, and what it asked
/// of streams and pollables.
pub fn take_calls() -> Vec<&'static str> {
    CALLS.take()
}

/// State that the test and the host share, and that a test can wait for.
pub type Shared<T> = Arc<watch::Sender<T>>;

/// A connection, as the test sees it.
#[derive(Default)]
pub struct ConnectionState {
    pub host: String,
    pub port: u16,
    pub timeout: Option<u64>,
    /// What `status` returns.
    pub phase: Option<Result<(), ErrorCode>>,
    /// The arguments of `start-tls`.
    pub asked: Option<(String, TlsOptions)>,
    pub tls: Option<TlsInfo>,
    pub closed: bool,
}

/// A lookup, as the test sees it.
#[derive(Default)]
pub struct LookupState {
    pub host: String,
    /// What `status` returns.
    pub answer: Option<Result<(), ErrorCode>>,
    /// What `addresses` returns.
    pub addresses: Vec<IpAddress>,
    pub closed: bool,
}

/// An exchange, as the test sees it.
#[derive(Default)]
pub struct ExchangeState {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub kind: Option<BodyKind>,
    /// What `head` returns, once.
    pub head: Option<Result<ResponseHead, ErrorCode>>,
    pub head_given: bool,
    /// What `continued` returns, once.
    pub continued: bool,
    /// How many bytes the request's body may take now.
    pub permit: usize,
    pub sent: Vec<u8>,
    pub body_taken: bool,
    pub body_dropped: bool,
    pub finished: bool,
    /// The bytes of the response's body so far.
    pub received: Bytes,
    pub ended: bool,
    pub response_taken: bool,
    /// Whether the end of the response's body was reported.
    pub end_told: bool,
    /// What `trailers` returns behind the end.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether `trailers` does not know yet.
    pub trailers_pending: bool,
    /// What `trailers` fails with.
    pub trailers_failure: Option<ErrorCode>,
    /// What `failure` returns only for the error of a stream.
    pub failure_of_error: Option<ErrorCode>,
    /// Whether the streams fail.
    pub broken: bool,
    pub failure: Option<ErrorCode>,
}

pub struct Connection(Shared<ConnectionState>);
pub struct Exchange(Shared<ExchangeState>);
pub struct Lookup(Shared<LookupState>);
struct RequestBody(Shared<ExchangeState>);
struct ResponseBody(Shared<ExchangeState>);

/// The store's data.
pub struct Host {
    wasi: WasiCtx,
    pub table: ResourceTable,
    /// If set, the next `resolve`, `connect`, `start-tls` or `request` fails with this.
    pub refusal: Option<ErrorCode>,
    pub connections: Vec<Shared<ConnectionState>>,
    pub exchanges: Vec<Shared<ExchangeState>>,
    pub lookups: Vec<Shared<LookupState>>,
}

impl Host {
    pub fn new(wasi: WasiCtx) -> Host {
        Host {
            wasi,
            table: ResourceTable::new(),
            refusal: None,
            connections: Vec::new(),
            exchanges: Vec::new(),
            lookups: Vec::new(),
        }
    }

    fn refuse(&mut self) -> Result<(), ErrorCode> {
        self.refusal.take().map_or(Ok(()), Err)
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

async fn until<T>(state: &Shared<T>, ready: impl FnMut(&T) -> bool) {
    // Tokio makes a task that polled often enough wait for its next turn, ready or not.
    let _ = tokio::task::unconstrained(state.subscribe().wait_for(ready)).await;
}

#[wasmtime_wasi::async_trait]
impl Pollable for Connection {
    async fn ready(&mut self) {
        until(&self.0, |state| state.phase.is_some()).await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        until(&self.0, |state| state.answer.is_some()).await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Exchange {
    async fn ready(&mut self) {
        until(&self.0, |state| {
            state.head.is_some() || state.head_given || state.broken || state.continued
        })
        .await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for RequestBody {
    async fn ready(&mut self) {
        until(&self.0, |state| state.permit > 0 || state.broken).await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for ResponseBody {
    async fn ready(&mut self) {
        until(&self.0, |state| {
            !state.received.is_empty() || state.ended || state.broken
        })
        .await;
    }
}

fn broken() -> StreamError {
    StreamError::LastOperationFailed(wasmtime::format_err!("broken"))
}

impl OutputStream for RequestBody {
    fn check_write(&mut self) -> StreamResult<usize> {
        called("check-write");
        let state = self.0.borrow();
        if state.broken {
            Err(broken())
        } else {
            Ok(state.permit)
        }
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        called("write");
        if bytes.len() > self.0.borrow().permit {
            return Err(StreamError::trap("written without permission"));
        }
        self.0.send_modify(|state| {
            state.permit -= bytes.len();
            state.sent.extend(&bytes);
        });
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.body_dropped = true);
    }
}

impl InputStream for ResponseBody {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        called("read");
        let mut result = Ok(Bytes::new());
        self.0.send_modify(|state| {
            let count = size.min(state.received.len());
            result = match (state.broken, count) {
                (true, _) => Err(broken()),
                (false, 0) if state.ended => {
                    state.end_told = true;
                    Err(StreamError::Closed)
                }
                (false, _) => Ok(state.received.split_to(count)),
            }
        });
        result
    }
}

impl client::HostConnection for Host {
    fn subscribe(&mut self, this: Resource<Connection>) -> Result<Resource<DynPollable>> {
        subscribe(&mut self.table, this)
    }

    fn status(&mut self, this: Resource<Connection>) -> Result<Option<Result<(), ErrorCode>>> {
        Ok(self.table.get(&this)?.0.borrow().phase.clone())
    }

    fn start_tls(
        &mut self,
        this: Resource<Connection>,
        name: String,
        options: TlsOptions,
    ) -> Result<Result<(), ErrorCode>> {
        let state = self.table.get(&this)?.0.clone();
        state.send_modify(|state| state.asked = Some((name, options)));
        Ok(self.refuse())
    }

    fn tls(&mut self, this: Resource<Connection>) -> Result<Option<TlsInfo>> {
        Ok(self.table.get(&this)?.0.borrow().tls.clone())
    }

    fn drop(&mut self, this: Resource<Connection>) -> Result<()> {
        let connection = self.table.delete(this)?;
        connection.0.send_modify(|state| state.closed = true);
        Ok(())
    }
}

impl client::HostLookup for Host {
    fn subscribe(&mut self, this: Resource<Lookup>) -> Result<Resource<DynPollable>> {
        subscribe(&mut self.table, this)
    }

    fn status(&mut self, this: Resource<Lookup>) -> Result<Option<Result<(), ErrorCode>>> {
        Ok(self.table.get(&this)?.0.borrow().answer.clone())
    }

    fn addresses(&mut self, this: Resource<Lookup>) -> Result<Vec<IpAddress>> {
        Ok(self.table.get(&this)?.0.borrow().addresses.clone())
    }

    fn drop(&mut self, this: Resource<Lookup>) -> Result<()> {
        let lookup = self.table.delete(this)?;
        lookup.0.send_modify(|state| state.closed = true);
        Ok(())
    }
}

impl client::HostExchange for Host {
    fn body(
        &mut self,
        this: Resource<Exchange>,
    ) -> Result<Result<Resource<DynOutputStream>, ErrorCode>> {
        called("body");
        let state = self.table.get(&this)?.0.clone();
        if let Some(BodyKind::None) = state.borrow().kind {
            return Ok(Err(ErrorCode::Invalid("no body".to_owned())));
        }
        if state.borrow().body_taken {
            return Ok(Err(ErrorCode::Closed));
        }
        state.send_modify(|state| state.body_taken = true);
        let stream: DynOutputStream = Box::new(RequestBody(state));
        Ok(Ok(self.table.push_child(stream, &this)?))
    }

    fn finish_body(&mut self, this: Resource<Exchange>) -> Result<Result<(), ErrorCode>> {
        called("finish-body");
        let state = self.table.get(&this)?.0.clone();
        if state.borrow().finished {
            return Ok(Err(ErrorCode::Closed));
        }
        assert!(!state.borrow().body_taken || state.borrow().body_dropped);
        state.send_modify(|state| state.finished = true);
        Ok(Ok(()))
    }

    fn subscribe(&mut self, this: Resource<Exchange>) -> Result<Resource<DynPollable>> {
        called("subscribe");
        subscribe(&mut self.table, this)
    }

    fn head(
        &mut self,
        this: Resource<Exchange>,
    ) -> Result<Option<Result<ResponseHead, ErrorCode>>> {
        called("head");
        let state = self.table.get(&this)?.0.clone();
        if state.borrow().head_given {
            return Ok(Some(Err(ErrorCode::Closed)));
        }
        let mut head = None;
        state.send_modify(|state| {
            head = state.head.take();
            state.head_given = head.is_some();
        });
        Ok(head)
    }

    fn response_body(
        &mut self,
        this: Resource<Exchange>,
    ) -> Result<Result<Resource<DynInputStream>, ErrorCode>> {
        called("response-body");
        let state = self.table.get(&this)?.0.clone();
        if !state.borrow().head_given {
            return Ok(Err(ErrorCode::Invalid("before the head".to_owned())));
        }
        if state.borrow().response_taken {
            return Ok(Err(ErrorCode::Closed));
        }
        state.send_modify(|state| state.response_taken = true);
        let stream: DynInputStream = Box::new(ResponseBody(state));
        Ok(Ok(self.table.push_child(stream, &this)?))
    }

    fn continued(&mut self, this: Resource<Exchange>) -> Result<bool> {
        called("continued");
        let state = &self.table.get(&this)?.0;
        assert!(!state.borrow().head_given);
        let mut continued = false;
        state.send_modify(|state| continued = std::mem::take(&mut state.continued));
        Ok(continued)
    }

    fn trailers(
        &mut self,
        this: Resource<Exchange>,
    ) -> Result<Option<Result<Vec<Field>, ErrorCode>>> {
        called("trailers");
        let state = self.table.get(&this)?.0.borrow();
        assert!(state.end_told, "they come behind the end");
        Ok(match &state.trailers_failure {
            _ if state.trailers_pending => None,
            Some(error) => Some(Err(error.clone())),
            None => Some(Ok(state.trailers.clone())),
        })
    }

    fn failure(
        &mut self,
        this: Resource<Exchange>,
        error: Option<Resource<IoError>>,
    ) -> Result<Option<ErrorCode>> {
        called("failure");
        let known = match error {
            Some(error) => {
                // The host traps for an error that is gone.
                self.table.get(&error)?;
                self.table.get(&this)?.0.borrow().failure_of_error.clone()
            }
            None => None,
        };
        Ok(known.or_else(|| self.table.get(&this).ok()?.0.borrow().failure.clone()))
    }

    fn drop(&mut self, this: Resource<Exchange>) -> Result<()> {
        called("drop");
        self.table.delete(this)?;
        Ok(())
    }
}

impl client::Host for Host {
    fn resolve(&mut self, host: String) -> Result<Result<Resource<Lookup>, ErrorCode>> {
        if let Err(error) = self.refuse() {
            return Ok(Err(error));
        }
        let state = LookupState {
            host,
            ..Default::default()
        };
        let state = Arc::new(watch::Sender::new(state));
        self.lookups.push(state.clone());
        Ok(Ok(self.table.push(Lookup(state))?))
    }

    fn connect(
        &mut self,
        host: String,
        port: u16,
        options: ConnectOptions,
    ) -> Result<Result<Resource<Connection>, ErrorCode>> {
        if let Err(error) = self.refuse() {
            return Ok(Err(error));
        }
        let timeout = options.timeout;
        let state = ConnectionState {
            host,
            port,
            timeout,
            ..Default::default()
        };
        let state = Arc::new(watch::Sender::new(state));
        self.connections.push(state.clone());
        Ok(Ok(self.table.push(Connection(state))?))
    }

    fn request(
        &mut self,
        on: Resource<Connection>,
        head: RequestHead,
        body: BodyKind,
    ) -> Result<Result<Resource<Exchange>, ErrorCode>> {
        called("request");
        self.table.get(&on)?;
        if let Err(error) = self.refuse() {
            return Ok(Err(error));
        }
        let state = Arc::new(watch::Sender::new(ExchangeState {
            method: head.method,
            path: head.path,
            fields: head.fields,
            kind: Some(body),
            ..Default::default()
        }));
        self.exchanges.push(state.clone());
        Ok(Ok(self.table.push(Exchange(state))?))
    }

    fn close(&mut self, connection: Resource<Connection>) -> Result<()> {
        client::HostConnection::drop(self, connection)
    }
}
