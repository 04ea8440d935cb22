//! Gives a guest `sandbox:net` on a host that has `wasi:http` alone.
//!
//! A connection is a name here, and nothing is dialled before its first request: what was wrong with it is
//! told by the request's head. Each step is decided by `sandbox:net/policy` as soon as the guest asks for
//! it. What `wasi:http` cannot say is refused with an error that says so, unless leaving it out only makes
//! the connection stricter.

mod bindings;
mod connection;
mod decision;
mod errors;
mod exchange;
mod fields;
mod host;
mod lookup;
mod request;

use bindings::client::{self, ConnectionBorrow, Guest};
use bindings::types::{BodyKind, ConnectOptions, ErrorCode, RequestHead};
use bindings::{Pollable, monotonic_clock};
use connection::Connection;
use exchange::Exchange;
use lookup::Lookup;

struct Provider;

bindings::export!(Provider);

impl Guest for Provider {
    type Connection = Connection;
    type Lookup = Lookup;
    type Exchange = Exchange;

    fn resolve(host: String) -> Result<client::Lookup, ErrorCode> {
        let lookup = Lookup::of(&host)?;
        Ok(client::Lookup::new(lookup))
    }

    fn connect(
        host: String,
        port: u16,
        options: ConnectOptions,
    ) -> Result<client::Connection, ErrorCode> {
        let connection = Connection::to(&host, port, options)?;
        Ok(client::Connection::new(connection))
    }

    fn request(
        on: ConnectionBorrow<'_>,
        head: RequestHead,
        body: BodyKind,
    ) -> Result<client::Exchange, ErrorCode> {
        let exchange = request::send(on.get::<Connection>(), head, body)?;
        Ok(client::Exchange::new(exchange))
    }

    fn close(connection: client::Connection) {
        drop(connection);
    }
}

/// What is ready at once.
fn ready() -> Pollable {
    monotonic_clock::subscribe_duration(0)
}
