//! The `connection` resource.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::runtime::{poll_noop, with_ambient_tokio_runtime};

use super::exchange::HostExchange;
use super::types::{ErrorCode, TlsInfo, TlsOptions};
use super::{convert, wit};
use crate::ctx::SandboxNetCtxView;
use sandbox_net_egress::EgressError;
use sandbox_net_gateway::{Bounds, Completion, Connecting, Handshake, Link};

/// The host's side of a `connection`: the phase that it is in, and what it is connected to.
pub struct HostConnection {
    phase: Phase,
    link: Option<Link>,
    speaks_http11: bool,
    exchange: Weak<Completion>,
    used: bool,
}

impl std::fmt::Debug for HostConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostConnection")
            .field("link", &self.link)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

enum Phase {
    Connecting(Connecting),
    Handshake(Handshake),
    Over(Result<(), EgressError>),
}

impl HostConnection {
    pub(super) fn new(connecting: Connecting) -> Self {
        Self {
            phase: Phase::Connecting(connecting),
            link: None,
            speaks_http11: false,
            exchange: Weak::new(),
            used: false,
        }
    }

    /// The connection for one exchange.
    pub(super) fn lease(&mut self, bounds: &Bounds) -> Result<Link, ErrorCode> {
        let link = self.established(bounds)?;
        if self.exchange.upgrade().is_some_and(|e| !e.is_over()) {
            return Err(ErrorCode::Invalid(
                "the connection's previous exchange is not over; requests are not pipelined".into(),
            ));
        }
        Ok(link)
    }

    pub(super) fn lent_to(&mut self, exchange: &HostExchange) {
        self.used = true;
        self.exchange = Arc::downgrade(exchange.completion());
    }

    fn established(&mut self, bounds: &Bounds) -> Result<Link, ErrorCode> {
        match (self.poll_phase(), &self.link) {
            (Some(Ok(())), Some(link)) => Ok(link.for_request()),
            (Some(Err(error)), _) => Err(convert::error(error, bounds)),
            _ => Err(ErrorCode::Invalid(
                "the connection's phase is not over; wait for its status".into(),
            )),
        }
    }

    /// Replaces the connection by its secured one, in the same place.
    fn secured(&mut self, secured: Link) {
        let plain = self.link.take();
        self.link = Some(match plain {
            Some(plain) => secured.in_place_of(&plain),
            None => secured,
        });
    }

    /// How the phase ended, if it has.
    fn poll_phase(&mut self) -> Option<Result<(), EgressError>> {
        let ended = match &mut self.phase {
            Phase::Over(result) => return Some(result.clone()),
            Phase::Connecting(task) => poll_noop(Pin::new(task)).map(|r| self.connected(r)),
            Phase::Handshake(task) => poll_noop(Pin::new(task)),
        }?;
        self.phase = Phase::Over(ended.clone());
        Some(ended)
    }

    fn connected(&mut self, result: Result<Link, EgressError>) -> Result<(), EgressError> {
        result.map(|link| self.link = Some(link))
    }
}

impl Drop for HostConnection {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.upgrade() {
            exchange.cancel();
        }
    }
}

#[async_trait]
impl Pollable for HostConnection {
    async fn ready(&mut self) {
        let ended = match &mut self.phase {
            Phase::Over(_) => return,
            Phase::Connecting(task) => {
                let result = task.await;
                self.connected(result)
            }
            Phase::Handshake(task) => task.await,
        };
        self.phase = Phase::Over(ended);
    }
}

/// The most protocol names that a guest may give. Browsers give two.
const MAX_PROTOCOLS: usize = 1000;

/// What is wrong with a list of protocols: it has too many names, or does not fit an ALPN extension
/// (RFC 7301 section 3.1).
fn fault_of_alpn(names: &[Vec<u8>]) -> Option<&'static str> {
    if names.len() > MAX_PROTOCOLS {
        return Some("the list of protocols has more than 1000 names: give fewer");
    }
    let fits = |name: &Vec<u8>| (1..=usize::from(u8::MAX)).contains(&name.len());
    let bytes = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let is_list = names.iter().all(fits) && bytes <= usize::from(u16::MAX);
    (!is_list).then_some("the list of protocols is longer than RFC 7301 allows")
}

impl wit::HostConnection for SandboxNetCtxView<'_> {
    fn subscribe(
        &mut self,
        connection: Resource<HostConnection>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, connection)
    }

    fn status(
        &mut self,
        connection: Resource<HostConnection>,
    ) -> wasmtime::Result<Option<Result<(), ErrorCode>>> {
        let ended = self.table.get_mut(&connection)?.poll_phase();
        let bounds = self.ctx.gateway().bounds();
        Ok(ended.map(|result| result.map_err(|error| convert::error(error, bounds))))
    }

    fn start_tls(
        &mut self,
        connection: Resource<HostConnection>,
        server_name: String,
        options: TlsOptions,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let connection = self.table.get_mut(&connection)?;
        let link = match connection.established(self.ctx.gateway().bounds()) {
            Ok(link) => link,
            Err(error) => return Ok(Err(error)),
        };
        if connection.used || link.is_tls() {
            let fault = "TLS can only begin once, and before the first request";
            return Ok(Err(ErrorCode::Invalid(fault.into())));
        }
        if let Some(fault) = fault_of_alpn(&options.alpn) {
            return Ok(Err(ErrorCode::Invalid(fault.into())));
        }
        let server_name = Some(server_name.as_str()).filter(|name| !name.is_empty());
        let speaks_http11 = options.alpn.iter().any(|name| name == convert::HTTP11);
        let options = convert::tls_options(options);
        let gateway = self.ctx.gateway();
        let begun = with_ambient_tokio_runtime(|| gateway.start_tls(&link, server_name, &options));
        match begun {
            Ok((secured, handshake)) => {
                connection.secured(secured);
                connection.speaks_http11 = speaks_http11;
                connection.phase = Phase::Handshake(handshake);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(convert::error(error, self.ctx.gateway().bounds()))),
        }
    }

    fn tls(&mut self, connection: Resource<HostConnection>) -> wasmtime::Result<Option<TlsInfo>> {
        let connection = self.table.get_mut(&connection)?;
        let done = matches!(connection.poll_phase(), Some(Ok(())));
        let info = connection.link.as_ref().filter(|_| done);
        let info = info.and_then(Link::tls_info);
        Ok(info.map(|info| convert::tls_info(info, connection.speaks_http11)))
    }

    fn drop(&mut self, connection: Resource<HostConnection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_protocols_is_bounded_in_names_and_in_bytes() {
        let name = |length| vec![b'x'; length];
        for (names, is_right) in [
            (vec![], true),
            (vec![name(2), name(8)], true),
            (vec![name(0)], false),
            (vec![name(255); 255], true),
            (vec![name(256)], false),
            (vec![name(255); 256], false),
            (vec![name(1); 1000], true),
            (vec![name(1); 1001], false),
            (vec![name(1); 32_000], false),
        ] {
            assert_eq!(fault_of_alpn(&names).is_none(), is_right, "{}", names.len());
        }
    }
}
