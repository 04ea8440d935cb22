//! The functions of `sandbox:net/client`: resolve, connect, request and close.

use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use super::connection::HostConnection;
use super::exchange::HostExchange;
use super::lookup::HostLookup;
use super::types::{BodyKind, ConnectOptions, ErrorCode, RequestHead};
use super::{convert, wit};
use crate::ctx::SandboxNetCtxView;
use sandbox_net_egress::Reuse;
use sandbox_net_gateway::Stage;
use sandbox_net_policy::{Endpoint, Host};

impl wit::Host for SandboxNetCtxView<'_> {
    fn resolve(
        &mut self,
        host: String,
    ) -> wasmtime::Result<Result<Resource<HostLookup>, ErrorCode>> {
        let host = match Host::parse(&host) {
            Ok(host) => host,
            Err(error) => {
                self.ctx.gateway().malformed_lookup(&host);
                return Ok(Err(ErrorCode::Invalid(error.to_string())));
            }
        };
        let gateway = self.ctx.gateway();
        match with_ambient_tokio_runtime(|| gateway.lookup(host)) {
            Ok(looking) => Ok(Ok(self.table.push(HostLookup::new(looking))?)),
            Err(error) => Ok(Err(convert::error(error, self.ctx.gateway().bounds()))),
        }
    }

    fn connect(
        &mut self,
        host: String,
        port: u16,
        options: ConnectOptions,
    ) -> wasmtime::Result<Result<Resource<HostConnection>, ErrorCode>> {
        let endpoint = match Endpoint::new(&host, port) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                let target = format!("{host}:{port}");
                self.ctx.gateway().malformed(Stage::Connect, &target, None);
                return Ok(Err(ErrorCode::Invalid(error.to_string())));
            }
        };
        let timeout = options.timeout.map(Duration::from_nanos);
        let gateway = self.ctx.gateway();
        let begun = with_ambient_tokio_runtime(|| gateway.connect(endpoint, timeout, Reuse::Close));
        match begun {
            Ok(connecting) => Ok(Ok(self.table.push(HostConnection::new(connecting))?)),
            Err(error) => Ok(Err(convert::error(error, self.ctx.gateway().bounds()))),
        }
    }

    fn request(
        &mut self,
        on: Resource<HostConnection>,
        head: RequestHead,
        body: BodyKind,
    ) -> wasmtime::Result<Result<Resource<HostExchange>, ErrorCode>> {
        let connection = self.table.get_mut(&on)?;
        let lease = match connection.lease(self.ctx.gateway().bounds()) {
            Ok(lease) => lease,
            Err(error) => return Ok(Err(error)),
        };
        match HostExchange::start(self.ctx.outgoing_handler(), lease, head, body) {
            Ok(exchange) => {
                connection.lent_to(&exchange);
                Ok(Ok(self.table.push(exchange)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn close(&mut self, connection: Resource<HostConnection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl super::types::Host for SandboxNetCtxView<'_> {}
