//! The one door to the network: every connection and every request, of `sandbox:net` and of
//! `wasi:http` guests alike, is decided, carried out and recorded here.

mod completion;
mod tracked;
mod wasi_http;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpHooks};

pub(crate) use self::completion::Completion;
use self::tracked::tracked;
use self::wasi_http::{disassemble, to_http_error};
use crate::audit::{AuditLog, Stage, Subject};
use crate::egress::{self, BodyKind, Connection, Egress, EgressError, TlsInfo};
use crate::policy::{Denial, Endpoint, Origin, Policy, Scheme};

type HttpError = wasmtime_wasi_http::Error;
type Io = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), HttpError>> + Send>;

/// A connection attempt under way; dropping it ends it.
pub(crate) type Connecting = AbortOnDropJoinHandle<Result<Link, EgressError>>;
/// A TLS handshake under way.
pub(crate) type Handshake = AbortOnDropJoinHandle<Result<(), EgressError>>;

/// The policy, the transport and the audit log of one sandbox.
///
/// It implements [`WasiHttpHooks`], so that an embedder who links `wasi:http` beside
/// `sandbox:net` gives both the same policy, pool and log.
#[derive(Clone)]
pub struct EgressHooks {
    policy: Arc<Policy>,
    egress: Egress,
    audit: AuditLog,
}

/// A connection that was made, and what it may carry.
#[derive(Clone)]
pub(crate) struct Link {
    connection: Arc<Mutex<Connection>>,
    origin: Origin,
    address: Option<SocketAddr>,
    tls: Arc<OnceLock<TlsInfo>>,
}

impl Link {
    pub(crate) fn is_tls(&self) -> bool {
        self.origin.scheme == Scheme::Https
    }

    pub(crate) fn tls_info(&self) -> Option<&TlsInfo> {
        self.tls.get()
    }
}

/// The head of a request as the guest wrote it.
#[derive(Clone)]
pub(crate) struct RequestHead {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) fields: egress::Fields,
}

/// A request of `sandbox:net`, as it travels through [`WasiHttpHooks::send_request`]: `http`'s own
/// types keep neither the spelling nor the order of fields.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) link: Link,
    pub(crate) head: RequestHead,
    pub(crate) kind: BodyKind,
    pub(crate) completion: Arc<Completion>,
}

impl EgressHooks {
    /// Hooks that decide by `policy`, send through `egress` and record in `audit`.
    pub fn new(policy: Policy, egress: Egress, audit: AuditLog) -> Self {
        Self {
            policy: Arc::new(policy),
            egress,
            audit,
        }
    }

    /// The log that the decisions go to.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// The policy that decides.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides, and begins to connect.
    pub(crate) fn connect(
        &self,
        endpoint: Endpoint,
        timeout: Option<Duration>,
    ) -> Result<Connecting, EgressError> {
        let subject = Subject {
            stage: Stage::Connect,
            target: endpoint.to_string(),
            method: None,
        };
        let checked = self.policy.check_connect(endpoint.clone());
        let rule = checked.as_ref().map(|route| route.rule());
        let sequence = self.audit.record(subject, rule);
        let route = checked.map_err(EgressError::Denied)?;
        let this = self.clone();
        Ok(spawn(async move {
            let connected = this.egress.connect(route, timeout).await;
            let connection = connected.inspect_err(|error| this.overruled(sequence, error))?;
            let address = connection.peer();
            if let Some(address) = address {
                this.audit.dialled(sequence, address);
            }
            Ok(Link {
                connection: Arc::new(Mutex::new(connection)),
                origin: Origin {
                    scheme: Scheme::Http,
                    endpoint,
                },
                address,
                tls: Arc::default(),
            })
        }))
    }

    /// Decides, and begins the handshake: the link to use from now on, and its end.
    pub(crate) fn start_tls(
        &self,
        link: &Link,
        server_name: Option<&str>,
        verify: bool,
    ) -> Result<(Link, Handshake), EgressError> {
        let endpoint = &link.origin.endpoint;
        let secured = Link {
            origin: Origin {
                scheme: Scheme::Https,
                endpoint: endpoint.clone(),
            },
            tls: Arc::default(),
            ..link.clone()
        };
        let subject = Subject {
            stage: Stage::Tls,
            target: secured.origin.to_string(),
            method: None,
        };
        let checked = self
            .policy
            .check_tls(endpoint, server_name, verify)
            .and_then(|origin| self.check_address(&secured).map(|()| origin));
        let rule = checked.as_ref().map(|origin| origin.rule());
        let sequence = self.audit.record(subject, rule);
        let origin = checked.map_err(EgressError::Denied)?;
        let (connection, info) = (link.connection.clone(), secured.tls.clone());
        let this = self.clone();
        let handshake = spawn(async move {
            let mut connection = connection.lock().await;
            let settled = connection.start_tls(origin).await;
            let settled = settled.inspect_err(|error| this.overruled(sequence, error))?;
            let settled = settled.clone();
            // Only this handshake writes the cell.
            let _ = info.set(settled);
            Ok(())
        });
        Ok((secured, handshake))
    }

    /// Corrects the record where the address filter refused what the rules had allowed: a pooled
    /// connection may have to be dialled anew, at any stage.
    fn overruled(&self, sequence: u64, error: &EgressError) {
        if let EgressError::Denied(denial) = error {
            self.audit.overruled(sequence, denial);
        }
    }

    /// Asks again about the address, now that the scheme is known.
    fn check_address(&self, link: &Link) -> Result<(), Denial> {
        match link.address {
            Some(address) => self.policy.check_address(&link.origin, address.ip()),
            None => Ok(()),
        }
    }

    /// Decides on a request and sends it; a refusal is there before the first await.
    fn exchange(&self, outgoing: Outgoing, body: WasiBody, between: Option<Duration>) -> Sent {
        let Outgoing {
            link,
            head,
            kind,
            completion,
        } = outgoing;
        let RequestHead {
            method,
            path,
            fields,
        } = head;
        let subject = request_subject(&link.origin, &method, &path);
        let checked = self
            .policy
            .check_exchange(&link.origin, &method, &path, &fields)
            .and_then(|request| self.check_address(&link).map(|()| request));
        let sequence = self
            .audit
            .record(subject, checked.as_ref().map(|c| c.rule()));
        let request = match checked {
            Ok(request) => request,
            Err(denial) => {
                completion.fail(EgressError::Denied(denial));
                return Box::new(async { Err(HttpError::HttpRequestDenied) });
            }
        };
        if let Some(address) = link.address {
            self.audit.dialled(sequence, address);
        }
        let this = self.clone();
        Box::new(async move {
            let sent = link.connection.lock().await.send(request, kind, body).await;
            match sent {
                Ok(response) => {
                    this.audit.dialled(sequence, response.peer);
                    this.audit.answered(sequence, response.head.status);
                    Ok((tracked(response, completion, between), no_io()))
                }
                Err(error) => {
                    this.overruled(sequence, &error);
                    let reported = to_http_error(&error);
                    completion.fail(error);
                    Err(reported)
                }
            }
        })
    }

    /// A request of a `wasi:http` guest: it names its own origin, which is decided like any other.
    fn whole(&self, request: http::Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
        let this = self.clone();
        let options = options.unwrap_or_default();
        let timeout = options.connect_timeout;
        Box::new(async move {
            let (origin, head, kind, body) = disassemble(request)?;
            let completion = Completion::new();
            let failed = |error: EgressError| to_http_error(&error);
            let endpoint = origin.endpoint.clone();
            let mut link = this
                .connect(endpoint, timeout)
                .map_err(failed)?
                .await
                .map_err(failed)?;
            if origin.scheme == Scheme::Https {
                let (secured, handshake) = this.start_tls(&link, None, true).map_err(failed)?;
                handshake.await.map_err(failed)?;
                link = secured;
            }
            let outgoing = Outgoing {
                link,
                head,
                kind,
                completion,
            };
            let between = options.between_bytes_timeout;
            let answer = Pin::from(this.exchange(outgoing, body, between));
            match options.first_byte_timeout {
                Some(limit) => tokio::time::timeout(limit, answer)
                    .await
                    .unwrap_or(Err(HttpError::ConnectionReadTimeout)),
                None => answer.await,
            }
        })
    }
}

impl WasiHttpHooks for EgressHooks {
    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Sent {
        match request.extensions_mut().remove::<Outgoing>() {
            Some(outgoing) => self.exchange(outgoing, request.into_body(), None),
            None => self.whole(request, options),
        }
    }
}

fn no_io() -> Io {
    Box::new(async { Ok(()) })
}

fn request_subject(origin: &Origin, method: &[u8], path: &[u8]) -> Subject {
    let path = path.split(|b| *b == b'?').next().unwrap_or_default();
    Subject {
        stage: Stage::Request,
        target: format!("{origin}{}", path.escape_ascii()),
        method: Some(method.escape_ascii().to_string()),
    }
}
