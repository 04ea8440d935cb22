//! HTTP/1.1 (RFC 9112) as a server, for the broker's clients.
//!
//! It is our own because two things must hold that general-purpose servers do not promise: fields
//! pass byte for byte, with their order, spelling and duplicates; and a request whose end two
//! readers could see in two places is refused.

mod answer;
mod body;
mod chunked;
mod connection;
mod framing;
mod head;
mod reader;
mod upload;
mod version;

pub(crate) use answer::{AnswerHead, Own, without_hops};
pub(crate) use body::BodyFault;
pub(crate) use connection::{Connection, Exchanged, WholeBody};
pub(crate) use head::{Head, HeadFault};
pub(crate) use version::Version;
