//! Starts a connection of the guest on the network of its sandbox.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::connection::Connection;
use crate::dial_scope::{DialScope, Pinned};
use crate::error::EgressError;
use crate::h1::Reuse;
use sandbox_net_policy::{Checked, Endpoint, Host};

impl Client {
    /// Resolves the route's host and connects, within `timeout` and the configured one. With
    /// `pinned` the host is not resolved, and that address is dialled if the route permits it. If a
    /// [`lookup`](Self::lookup) has found its addresses already, the host is not resolved either.
    ///
    /// If the client already has something usable to the same endpoint (an HTTP/2 session, or an
    /// idle connection if this one is to be kept `afterwards`), nothing happens yet: it is used if
    /// the next operation fits it, and otherwise the connection is made then.
    ///
    /// # Errors
    ///
    /// `Denied` if the name resolves only to addresses that the route does not permit; `Dns`,
    /// `Refused`, `Unreachable`, `Reset`, `Timeout`, `Limit`.
    pub async fn connect(
        &self,
        route: Checked<Endpoint>,
        timeout: Option<Duration>,
        pinned: Option<Pinned>,
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
