//! A request on a connection that the program already has.

use std::sync::Arc;
use std::time::Duration;

use sandbox_net_egress::BodyKind;

use crate::completion::Completion;
use crate::link::Link;
use crate::request::RequestHead;

/// A request on a connection that the program already has.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The connection.
    pub link: Link,
    /// The head.
    pub head: RequestHead,
    /// How the body is framed.
    pub kind: BodyKind,
    /// The state that its two ends share.
    pub completion: Arc<Completion>,
    /// Whether the program accepts a malformed response as it comes.
    pub takes_unframed: bool,
    /// The longest pause between pieces of the response's body.
    pub between_bytes: Option<Duration>,
}
