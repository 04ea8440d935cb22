//! Sends one request on a connection, in the version of HTTP that its transport speaks.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Connection, Sending};
use crate::body::ResponseBody;
use crate::body_kind::BodyKind;
use crate::error::{EgressError, Phase};
use crate::failure::{Delivery, Failure};
use crate::h1;
use crate::h2::{self, H2Body, StreamPlace};
use crate::protocol_failure::ProtocolFailure;
use crate::received::{Received, Unframed};
use crate::request_body::RequestBody;
use crate::response::{Response, ResponseHead};
use sandbox_net_policy::RequestLine;

/// In how many forms a response's head is held: as it was sent, and in the types of `http`.
const FORMS: usize = 2;

impl Connection {
    pub(super) async fn send_h2(
        &mut self,
        slot: StreamPlace,
        request: &RequestLine,
        kind: BodyKind,
        body: &mut Option<RequestBody>,
        phase: &mut Phase,
    ) -> Result<(ResponseHead, H2Body), Failure> {
        let session = Arc::clone(slot.session());
        self.session = Some(Arc::clone(&session));
        let bounds = (self.egress.config().max_response_head, self.egress.memory());
        let result = h2::send(slot, (request, kind), body, bounds, phase).await;
        if result
            .as_ref()
            .is_err_and(|it| it.delivery == Delivery::Nothing)
        {
            session.retire();
        }
        result.map_err(|failure| match session.is_limited() {
            true => Failure::last(session.limited(failure.error)),
            false => failure,
        })
    }

    pub(super) fn h1_request<'a>(
        &'a self,
        head: &'a [u8],
        sending: Sending<'a>,
    ) -> h1::ReadyRequest<'a> {
        let config = self.egress.config();
        h1::ReadyRequest {
            head,
            kind: sending.kind,
            continued: sending.options.continued.as_ref(),
            closes: sending.options.layout.closes(),
            answers_head: sending.request.method == b"HEAD",
            max_response_head: config.max_response_head,
            accept_tls_truncation: config.accept_tls_truncation,
            takes_unframed: sending.takes_unframed,
            takes_ambiguous: sending.options.ambiguous_as_it_comes,
            memory: self.egress.memory(),
            return_slot: Arc::clone(&self.return_slot),
        }
    }

    /// The response, with the memory of its head.
    pub(super) fn answered(
        &self,
        head: Result<ResponseHead, ProtocolFailure>,
        body: ResponseBody,
        (peer, reused): (SocketAddr, bool),
    ) -> Result<Received, EgressError> {
        let tls = self.tls.as_ref().map(|info| info.version);
        let head = match head {
            Ok(head) => head,
            Err(failure) => {
                return Ok(Received::Unframed(Unframed {
                    failure,
                    body,
                    peer,
                    tls,
                }));
            }
        };
        let held = self.egress.memory().reserve(FORMS * head.cost());
        Ok(Received::Framed(Response {
            head,
            body,
            peer,
            tls,
            reused,
            held: held.map_err(EgressError::Limit)?,
        }))
    }
}
