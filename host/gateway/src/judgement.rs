//! What a request or a tunnel is judged by, now and under a later policy.

use std::net::IpAddr;

use sandbox_net_egress::Machine;
use sandbox_net_policy::{
    Answer, Denial, Endpoint, Origin, Policy, RequestLine, TlsOverrides, overriding,
};

use crate::other_port::OtherPort;
use crate::request::RequestHead;

/// The properties of a request's connection that the policy judges.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(crate) origin: Origin,
    pub(crate) tls: TlsOverrides,
    pub(crate) other_port: Option<OtherPort>,
}

impl RequestContext {
    /// The policy's answer to a request. The connection's TLS settings still have to be granted, and
    /// the port that a hook chose still has to be allowed.
    pub(crate) fn answer(
        &self,
        policy: &Policy,
        method: &[u8],
        path: &[u8],
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Answer<RequestLine>, Denial> {
        if self.tls != TlsOverrides::default() {
            policy.answer_tls(&self.origin.endpoint, None, self.tls)?;
        }
        let answer = policy.answer_request(&self.origin, method, path, fields)?;
        let other_port = self.other_port.as_ref();
        OtherPort::check(other_port, policy, &self.origin.endpoint, answer)
    }
}

/// What something under way was judged by.
pub(crate) enum Judgement {
    Request(JudgedRequest),
    Tunnel(JudgedTunnel),
}

/// A tunnel, and the address that was dialled for it.
pub(crate) struct JudgedTunnel {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: IpAddr,
    pub(crate) machine: Machine,
}

/// What a request on its connection was judged by.
pub(crate) struct JudgedRequest {
    pub(crate) context: RequestContext,
    pub(crate) method: Vec<u8>,
    /// Without its query.
    pub(crate) path: Vec<u8>,
    /// The fields that override method, path or host, without their values.
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Judgement {
    /// The denial by a newer policy. What had to be granted counts as granted.
    pub(crate) fn denial(&self, policy: &Policy) -> Option<Denial> {
        match self {
            Self::Request(request) => request.denial(policy),
            Self::Tunnel(tunnel) => tunnel.denial(policy),
        }
    }
}

impl JudgedTunnel {
    fn denial(&self, policy: &Policy) -> Option<Denial> {
        let answer = match policy.answer_tunnel(self.endpoint.clone()) {
            Ok(answer) => answer,
            Err(denial) => return Some(denial),
        };
        let addresses = answer.addresses();
        let is_permitted = self.machine.permits(&addresses, self.address);
        (!is_permitted).then(|| addresses.denial(Some(self.address)))
    }
}

impl JudgedRequest {
    pub(crate) fn new(context: &RequestContext, head: &RequestHead) -> Self {
        let path = head.path.split(|b| *b == b'?').next().unwrap_or_default();
        let fields = overriding(&head.fields).into_iter();
        Self {
            context: context.clone(),
            method: head.method.clone(),
            path: path.to_vec(),
            fields: fields.map(|name| (name.into(), Vec::new())).collect(),
        }
    }

    fn denial(&self, policy: &Policy) -> Option<Denial> {
        let answer = self
            .context
            .answer(policy, &self.method, &self.path, &self.fields);
        answer.err()
    }
}
