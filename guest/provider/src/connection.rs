//! Connections: a name and a port, and what was said about TLS.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::bindings::client::GuestConnection;
use crate::bindings::types::{
    ConnectOptions, DenyReason, ErrorCode, TlsInfo, TlsOptions, TlsVersions, Verification,
};
use crate::bindings::{Pollable, policy};
use crate::decision::{decide, refused};
use crate::exchange::Progress;
use crate::{host, ready};

/// The protocol that a guest speaks here (RFC 7301 section 6): the host translates it.
const HTTP11: &[u8] = b"http/1.1";
/// The most protocols that a guest names: as our own host.
const MOST_PROTOCOLS: usize = 1000;

/// A connection. Nothing is dialled for it: `wasi:http` dials for each request.
pub(crate) struct Connection {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The guest's deadline for connecting, in nanoseconds.
    pub(crate) timeout: Option<u64>,
    /// Once TLS was begun: whether the guest offers to speak HTTP/1.1.
    tls: Cell<Option<bool>>,
    /// The request that was sent last.
    last: RefCell<Weak<Progress>>,
    was_used: Cell<bool>,
}

impl Connection {
    pub(crate) fn to(
        host: &str,
        port: u16,
        options: ConnectOptions,
    ) -> Result<Connection, ErrorCode> {
        let host = host::canonical(host)?;
        if port == 0 {
            return Err(ErrorCode::Invalid("the port is 0".to_owned()));
        }
        decide(&policy::Question::Connect(policy::Endpoint {
            host: host.clone(),
            port,
        }))?;
        Ok(Connection {
            host,
            port,
            timeout: options.timeout,
            tls: Cell::new(None),
            last: RefCell::default(),
            was_used: Cell::new(false),
        })
    }

    pub(crate) fn endpoint(&self) -> policy::Endpoint {
        policy::Endpoint {
            host: self.host.clone(),
            port: self.port,
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.get().is_some()
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        let last = self.last.borrow().upgrade();
        last.is_some_and(|progress| !progress.is_over())
    }

    /// Notes the request that was sent.
    pub(crate) fn carries(&self, progress: &Rc<Progress>) {
        *self.last.borrow_mut() = Rc::downgrade(progress);
        self.was_used.set(true);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(progress) = self.last.borrow().upgrade() {
            progress.close();
        }
    }
}

impl GuestConnection for Connection {
    fn subscribe(&self) -> Pollable {
        ready()
    }

    fn status(&self) -> Option<Result<(), ErrorCode>> {
        Some(Ok(()))
    }

    fn start_tls(&self, server_name: String, options: TlsOptions) -> Result<(), ErrorCode> {
        if self.was_used.get() || self.is_tls() {
            let fault = "TLS can only begin once, and before the first request";
            return Err(ErrorCode::Invalid(fault.to_owned()));
        }
        if !server_name.is_empty() && host::canonical(&server_name)? != self.host {
            let why = "the TLS server name is not the connection's host";
            return Err(refused(DenyReason::HostMismatch, why));
        }
        if !is_list(&options.alpn) {
            let fault = "the list of protocols is longer than RFC 7301 allows";
            return Err(ErrorCode::Invalid(fault.to_owned()));
        }
        if let Some(why) = beyond_wasi_http(&options) {
            return Err(refused(DenyReason::TlsOptions, why));
        }
        decide(&policy::Question::StartTls(self.endpoint()))?;
        let speaks_http11 = options.alpn.iter().any(|name| name == HTTP11);
        self.tls.set(Some(speaks_http11));
        Ok(())
    }

    fn tls(&self) -> Option<TlsInfo> {
        self.tls.get().map(|speaks_http11| TlsInfo {
            version: None,
            cipher: None,
            alpn: if speaks_http11 { HTTP11 } else { b"" }.to_vec(),
            certificates: Vec::new(),
        })
    }
}

/// Whether the names fit an ALPN extension (RFC 7301 section 3.1), and are not too many.
fn is_list(names: &[Vec<u8>]) -> bool {
    let fits = |name: &Vec<u8>| (1..=usize::from(u8::MAX)).contains(&name.len());
    let bytes = names.iter().map(|name| name.len() + 1).sum::<usize>();
    names.len() <= MOST_PROTOCOLS && names.iter().all(fits) && bytes <= usize::from(u16::MAX)
}

/// What is asked of TLS that `wasi:http` cannot be told, where leaving it out would trust more than the
/// guest does, or promise what nobody checks.
fn beyond_wasi_http(options: &TlsOptions) -> Option<&'static str> {
    if options.verification != Verification::Full {
        return Some(
            "this host verifies every certificate (wasi:http has no setting for it): leave the \
             verification on",
        );
    }
    if options.client_certificate.is_some() {
        return Some(
            "this host cannot show a client certificate (wasi:http has no setting for it)",
        );
    }
    if !options.host_roots {
        return Some(
            "this host trusts its own roots (wasi:http has no setting for others): use the default \
             ones",
        );
    }
    if options.versions != TlsVersions::All {
        return Some(
            "this host chooses the version of TLS (wasi:http has no setting for it): allow all of \
             them",
        );
    }
    None
}
