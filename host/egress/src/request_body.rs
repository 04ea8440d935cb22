//! The body of a request, from any source.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::error::EgressError;

/// A request body to send, from any source.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, EgressError>;

/// Boxes a request body and translates its errors.
pub fn erase<B>(body: B) -> RequestBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    body.map_err(|error| {
        let error = error.into();
        match error.downcast_ref::<EgressError>() {
            Some(own) => own.clone(),
            None => EgressError::Invalid(format!("the request body failed: {error}")),
        }
    })
    .boxed_unsync()
}
