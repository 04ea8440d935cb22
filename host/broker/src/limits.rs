//! What a broker holds and waits for, at most.

use std::time::Duration;

/// How many ended connections, with their errors, a client may still ask about.
pub(crate) const KEPT_ERRORS: usize = 1024;

/// The bounds of a broker. Each is on what one client can make it hold, or on how long it waits.
///
/// ```
/// use sandbox_net_broker::{Broker, BrokerLimits};
///
/// let mut limits = BrokerLimits::default();
/// limits.connections = 16;
/// let broker = Broker::builder().limits(limits).listen("127.0.0.1:0".parse()?).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerLimits {
    /// Client connections of one listener that may be open at once. Each holds about 100 KiB at
    /// most, besides what the policy's `host_memory` counts.
    pub connections: usize,
    /// Bytes of a request's head, and of the trailers of its body.
    pub head: usize,
    /// Fields of a request's head.
    pub fields: usize,
    /// Bytes of a body that a call of the API holds whole, in each direction. The streaming form has
    /// no such bound.
    pub api_body: usize,
    /// From the connection to the end of its first request's head, and from the first byte to the
    /// last one of any other head.
    pub head_time: Duration,
    /// Between two requests on a connection, and between an answered `CONNECT` and what follows.
    pub idle: Duration,
    /// Between two pieces of a body that a client sends or takes.
    pub pause: Duration,
    /// For what is under way to end when the broker shuts down.
    pub drain: Duration,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: 64 << 10,
            fields: 256,
            api_body: 16 << 20,
            head_time: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            pause: Duration::from_secs(120),
            drain: Duration::from_secs(5),
        }
    }
}
