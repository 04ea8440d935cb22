//! A request on a connection that the program has.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_egress::BodyKind;

use crate::completion::Completion;
use crate::link::Link;
use crate::request::RequestHead;

/// A request on a connection that the program has.
#[derive(Clone)]
pub struct Outgoing {
    /// The connection.
    pub link: Link,
    /// The head.
    pub head: RequestHead,
    /// How the body is framed.
    pub kind: BodyKind,
    /// What its two ends know of one another.
    pub completion: Arc<Completion>,
    /// Whether the program takes an answer that is no HTTP as it comes.
    pub takes_unframed: bool,
    /// The longest that the response's body may have nothing to give.
    pub between_bytes: Option<Duration>,
}
