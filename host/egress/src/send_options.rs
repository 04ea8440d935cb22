//! How a request is sent, beyond what the policy decides on.

use std::sync::Arc;

use tokio::sync::watch;

use crate::layout::Layout;

/// Reports that the peer asks for a request's body: a sender of `Expect: 100-continue` (RFC 9110
/// section 10.1.1) waits here for `true`, for a while, before it writes the body.
pub type Continued = Arc<watch::Sender<bool>>;

/// How a request is sent, beyond what the policy decided on.
#[derive(Debug, Clone, Default)]
pub struct SendOptions {
    /// The layout of its head in HTTP/1.1.
    pub layout: Layout,
    /// If set, the request has `Expect: 100-continue`, and the answer is reported here. Over
    /// HTTP/2, where a peer ends an upload that it does not want, the report comes at once.
    pub continued: Option<Continued>,
    /// Whether an ambiguous response is returned as it comes, too, if malformed ones are.
    pub ambiguous_as_it_comes: bool,
}
