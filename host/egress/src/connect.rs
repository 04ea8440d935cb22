//! Begins a connection of the guest on the network of its sandbox.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::connection::Connection;
use crate::dial_scope::DialScope;
use crate::error::EgressError;
use crate::h1::Reuse;
use sandbox_net_policy::{Checked, Endpoint, Host};

impl Client {
    /// Resolves the route's host and connects, within `timeout` and the configured one. With
    /// `pinned` the host is not resolved, and that address is dialled if the route permits it; nor
    /// is it where a [`lookup`](Self::lookup) has found its addresses already.
    ///
    /// Where the client has something to the same endpoint that it may use (an HTTP/2 session, and
    /// an idle connection where it is to be kept `afterwards`), nothing happens yet: that is used if
    /// what is asked next fits it, and otherwise the connecting is done then.
    ///
    /// # Errors
    ///
    /// `Denied` where the name resolves only to addresses that the route does not permit; `Dns`,
    /// `Refused`, `Unreachable`, `Reset`, `Timeout`, `Limit`.
    pub async fn connect(
        &self,
        route: Checked<Endpoint>,
        timeout: Option<Duration>,
        pinned: Option<IpAddr>,
        reuse: Reuse,
    ) -> Result<Connection, EgressError> {
        let started = Instant::now();
        let found = match &route.host {
            Host::Name(name) => self.generation().answers().take(name),
            Host::Ip(_) => None,
        };
        let machine = self.machine().clone();
        let reach = DialScope::new(route, pinned, machine).with_found(found);
        let mut connection = Connection::new(self.clone(), reach, reuse);
        if !connection.has_pooled() {
            connection.dial(timeout).await?;
            connection.count(started);
        }
        Ok(connection)
    }
}
