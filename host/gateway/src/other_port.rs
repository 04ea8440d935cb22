//! Checks the port that a hook has a connection made to, instead of the one that the guest asked for.

use std::net::IpAddr;

use sandbox_net_egress::Machine;
use sandbox_net_policy::{Answer, Checked, Denial, Endpoint, Policy};

/// Another port of the same host, at an address that the hook has chosen.
#[derive(Clone)]
pub(crate) struct OtherPort {
    port: u16,
    address: IpAddr,
    machine: Machine,
}

impl OtherPort {
    /// `None` if the port is the endpoint's own.
    pub(crate) fn of(
        endpoint: &Endpoint,
        (address, port): (IpAddr, Option<u16>),
        machine: &Machine,
    ) -> Option<Self> {
        let port = port.filter(|port| *port != endpoint.port)?;
        Some(Self {
            port,
            address,
            machine: machine.clone(),
        })
    }

    /// The host at this port, if the policy allows that too, and permits the address there. The hook
    /// chose it, so what a rule asks about is granted.
    pub(crate) fn route(&self, policy: &Policy, endpoint: &Endpoint) -> Option<Checked<Endpoint>> {
        let other = Endpoint {
            port: self.port,
            ..endpoint.clone()
        };
        // A rule for every port is for real ports.
        let answer = (self.port != 0).then(|| policy.answer_connect(other))?;
        let route = match answer.ok()? {
            Answer::Checked(checked) => checked,
            Answer::Ask(asked) => asked.grant(),
        };
        let is_permitted = self.machine.permits(&route.addresses(), self.address);
        is_permitted.then_some(route)
    }

    /// Passes the policy's answer on, unless the policy does not allow this port.
    pub(crate) fn check<T>(
        this: Option<&Self>,
        policy: &Policy,
        endpoint: &Endpoint,
        answer: Answer<T>,
    ) -> Result<Answer<T>, Denial> {
        match this {
            Some(other) if other.route(policy, endpoint).is_none() => {
                Err(answer.hook_denial(NOT_ALLOWED))
            }
            _ => Ok(answer),
        }
    }
}

/// The denial's reason. It names neither the address nor the port, which are the embedder's.
pub(crate) const NOT_ALLOWED: &str =
    "it gave another port, which no rule allows for this host and that address";
