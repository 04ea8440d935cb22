//! Proves in types what was checked: the transport accepts nothing else.

mod answer;

use std::net::IpAddr;
use std::ops::Deref;

use crate::decide::judge;
use crate::denial::Denial;
use crate::denial_target::Target;
use crate::fields;
use crate::filter::{AddressFilter, Leads};
use crate::layer::LayerVerdict;
use crate::operation::Operation;
use crate::path::Readings;
use crate::policy::Policy;
use crate::query::{Head, Query};
use crate::secret::Secret;
use crate::syntax;
use crate::target::{Endpoint, Origin, Scheme};
use crate::tls::TlsOverrides;
use crate::tunnel_grant::TunnelEndpoint;

pub use answer::{Answer, Asked};

/// A value that the policy allowed, with the addresses at which its host may be dialled. Only the
/// `check_` and `answer_` functions of [`Policy`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<T> {
    value: T,
    rule: String,
    filter: AddressFilter,
    reported: Option<Denial>,
    /// The requested scheme, for later denials.
    asked_scheme: Option<Scheme>,
    asked_endpoint: Endpoint,
    is_tunnel: bool,
}

/// The addresses at which the host of a checked value may be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    filter: AddressFilter,
    denial: Denial,
    own_denial: Denial,
}

impl Addresses {
    /// Whether the address may be dialled, like [`Checked::permits`].
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.filter.permits(address, Leads::Elsewhere)
    }

    /// Whether the address may be dialled, like [`Checked::permits_own`].
    #[must_use]
    pub fn permits_own(&self, address: IpAddr) -> bool {
        self.filter.permits(address, Leads::Here)
    }

    /// The denial if no address is permitted; `refused` is the first of them. The message names
    /// none of them.
    #[must_use]
    pub fn denial(&self, refused: Option<IpAddr>) -> Denial {
        // An address that would be permitted on another machine was refused because it leads to
        // this one.
        let denial = match refused {
            Some(address) if self.permits(address) => &self.own_denial,
            _ => &self.denial,
        };
        Denial {
            address: refused,
            ..denial.clone()
        }
    }
}

impl<T> Checked<T> {
    /// The name of the rule that allowed it, as the operator wrote it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The denial that would apply if the policy's mode were not `report`.
    #[must_use]
    pub fn reported(&self) -> Option<&Denial> {
        self.reported.as_ref()
    }

    /// The value, without the proof that it was checked.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The address filter: whether the host may be dialled at this address.
    ///
    /// A host that is an address is permitted at that address. `localhost` is permitted at loopback
    /// addresses only. Any other name is permitted at public addresses, or at those in the `to`
    /// list of the rules that allow this request. A rule that denies an address denies it under
    /// every name.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.filter.permits(address, Leads::Elsewhere)
    }

    /// The filter for an address of the machine that would dial it, whatever its network: such an
    /// address is permitted as loopback addresses are. A name may lead there only by a `to` list,
    /// and `any` does not include the address.
    #[must_use]
    pub fn permits_own(&self, address: IpAddr) -> bool {
        self.filter.permits(address, Leads::Here)
    }

    /// Returns the address filter alone.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            filter: self.filter.clone(),
            denial: self.address_denial(),
            own_denial: self.target().own_address(&self.rule),
        }
    }

    /// The denial for an address that [`permits`](Self::permits) refuses, or allows only because
    /// the policy's mode is `report`. It does not name the address.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Denial> {
        self.check(address, Leads::Elsewhere, Self::address_denial)
    }

    /// Does the same check for [`permits_own`](Self::permits_own).
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_own_address(&self, address: IpAddr) -> Result<(), Denial> {
        self.check(address, Leads::Here, |it| it.target().own_address(&it.rule))
    }

    fn check(
        &self,
        address: IpAddr,
        leads: Leads,
        denial: impl FnOnce(&Self) -> Denial,
    ) -> Result<(), Denial> {
        match self.filter.opens(address, leads) {
            true => Ok(()),
            false => Err(Denial {
                address: Some(address),
                ..denial(self)
            }),
        }
    }

    /// The denial for a host none of whose addresses is permitted. It does not name them.
    #[must_use]
    pub fn address_denial(&self) -> Denial {
        self.target().address(&self.rule)
    }

    /// The denial if the host cannot record what it would do.
    #[must_use]
    pub fn audit_denial(&self) -> Denial {
        self.target().audit()
    }

    /// The denial by an embedder's hook, with its reason.
    #[must_use]
    pub fn hook_denial(&self, why: &str) -> Denial {
        self.target().hook(&self.rule, why)
    }

    fn target(&self) -> Target<'_> {
        Target {
            scheme: self.asked_scheme,
            endpoint: &self.asked_endpoint,
            is_tunnel: self.is_tunnel,
        }
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A request as it goes onto the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// The origin. `Host`, `:authority` and SNI come from here alone.
    pub origin: Origin,
    /// The method.
    pub method: Vec<u8>,
    /// The path and query, in origin form.
    pub path: Vec<u8>,
    /// The guest's fields in their order and spelling, without its `Host`.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Omits query and fields, which may carry secrets.
impl std::fmt::Debug for RequestLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.split(|b| *b == b'?').next().unwrap_or_default();
        f.debug_struct("RequestLine")
            .field("origin", &self.origin)
            .field("method", &self.method.escape_ascii().to_string())
            .field("path", &path.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl Checked<RequestLine> {
    /// Changes path and fields after the decision, for example to insert a secret or a field of the
    /// host. The path up to its query must not change, and the head must stay valid HTTP.
    ///
    /// # Errors
    ///
    /// The [`Denial`] if the policy does not allow the changed request, which then stays as it was.
    pub fn amend<R>(
        &mut self,
        change: impl FnOnce(&mut Vec<u8>, &mut Vec<(Vec<u8>, Vec<u8>)>) -> R,
    ) -> Result<R, Denial> {
        let target = Target::from(&self.value.origin);
        let (mut path, mut fields) = (self.value.path.clone(), self.value.fields.clone());
        let result = change(&mut path, &mut fields);
        syntax::check_head(&self.value.method, &path, &fields)
            .map_err(|error| target.malformed(&error))?;
        let before_query = |path: &[u8]| path.iter().position(|b| *b == b'?');
        let is_same = path[..before_query(&path).unwrap_or(path.len())]
            == self.value.path[..before_query(&self.value.path).unwrap_or(self.value.path.len())];
        if !is_same {
            return Err(target.malformed(&syntax::HeadError::PathStart));
        }
        fields::check(&self.value.origin, &fields).map_err(|fault| target.field_fault(fault))?;
        if fields.iter().any(|(name, _)| fields::is_host(name)) {
            return Err(target.host_field());
        }
        (self.value.path, self.value.fields) = (path, fields);
        Ok(result)
    }

    /// The denial for a request with a secret that is not meant for it.
    #[must_use]
    pub fn secret_denial(&self, secret: &str) -> Denial {
        Target::from(&self.value.origin).secret(secret)
    }

    /// The denial for a secret in a request on a connection whose server the host itself has not
    /// verified.
    #[must_use]
    pub fn unverified_secret_denial(&self, secret: &str) -> Denial {
        Target::from(&self.value.origin).unverified_secret(secret)
    }

    /// The denial for a secret that has no value, for this reason.
    #[must_use]
    pub fn secret_value_denial(&self, secret: &str, why: &str) -> Denial {
        Target::from(&self.value.origin).secret_value(secret, why)
    }

    /// The denial for a range of a response that may contain a secret.
    #[must_use]
    pub fn range_denial(&self, secret: &str) -> Denial {
        Target::from(&self.value.origin).range(secret)
    }

    /// The denial for a response that could not be searched for secrets.
    #[must_use]
    pub fn coding_denial(&self) -> Denial {
        Target::from(&self.value.origin).coding()
    }

    /// Whether a secret's own rule matches this request.
    #[must_use]
    pub fn is_for(&self, secret: &Secret) -> bool {
        let origin = &self.value.origin;
        let is_protected = origin.scheme == Scheme::Https || secret.plain_http;
        // Check cheap conditions first: reading the path is the expensive part.
        if !is_protected || !secret.rule.allows(origin.scheme, &origin.endpoint) {
            return false;
        }
        let readings = Readings::of(&self.value.path);
        let query = Query {
            scheme: origin.scheme,
            endpoint: &origin.endpoint,
            head: Some(Head {
                method: &self.value.method,
                readings: &readings,
                path: &self.value.path,
            }),
        };
        secret.rule.grants(&query).is_ok()
    }
}

impl Policy {
    /// Judges a connection, before its name is resolved.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows this endpoint under any scheme.
    pub fn answer_connect(&self, endpoint: Endpoint) -> Result<Answer<Endpoint>, Denial> {
        let request = Operation::Connect {
            endpoint: &endpoint,
        };
        let judged = judge(&request, self)?;
        let target = Target::from(&endpoint);
        answer(judged, target, endpoint.clone())
    }

    /// Judges whether a connection may speak TLS.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows https there, or for the settings.
    pub fn answer_tls(
        &self,
        endpoint: &Endpoint,
        server_name: Option<&str>,
        tls: TlsOverrides,
    ) -> Result<Answer<Origin>, Denial> {
        let request = Operation::Tls {
            endpoint,
            server_name,
            tls,
        };
        let judged = judge(&request, self)?;
        let value = Origin {
            scheme: Scheme::Https,
            endpoint: endpoint.clone(),
        };
        answer(judged, Target::from(&value), value.clone())
    }

    /// Judges a request. The result omits its `Host` field after it was checked.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows it, or for the method or a field.
    pub fn answer_request(
        &self,
        origin: &Origin,
        method: &[u8],
        path: &[u8],
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Answer<RequestLine>, Denial> {
        let request = Operation::Request {
            origin,
            method,
            path,
            fields,
        };
        let judged = judge(&request, self)?;
        let without_host = fields.iter().filter(|(name, _)| !fields::is_host(name));
        let value = RequestLine {
            origin: origin.clone(),
            method: method.to_vec(),
            path: path.to_vec(),
            fields: without_host.cloned().collect(),
        };
        answer(judged, Target::from(origin), value)
    }

    /// Judges a tunnel, before its name is resolved. Only the policy's `tunnel` list grants one: no
    /// rule and no mode does. Rules that deny deny it, whatever it might carry.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if an author does not grant it, or a rule denies it.
    pub fn answer_tunnel(&self, endpoint: Endpoint) -> Result<Answer<TunnelEndpoint>, Denial> {
        let request = Operation::Tunnel {
            endpoint: &endpoint,
        };
        let judged = judge(&request, self)?;
        let target = Target::tunnel(&endpoint);
        answer(judged, target, TunnelEndpoint::new(endpoint.clone()))
    }

    /// Does [`answer_connect`](Self::answer_connect) without a hook to ask.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_connect(&self, endpoint: Endpoint) -> Result<Checked<Endpoint>, Denial> {
        self.answer_connect(endpoint)?.without_asking()
    }

    /// Does [`answer_tls`](Self::answer_tls) without a hook to ask.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_tls(
        &self,
        endpoint: &Endpoint,
        server_name: Option<&str>,
        tls: TlsOverrides,
    ) -> Result<Checked<Origin>, Denial> {
        let answer = self.answer_tls(endpoint, server_name, tls)?;
        answer.without_asking()
    }

    /// Does [`answer_request`](Self::answer_request) without a hook to ask.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_request(
        &self,
        origin: &Origin,
        method: &[u8],
        path: &[u8],
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Checked<RequestLine>, Denial> {
        let answer = self.answer_request(origin, method, path, fields)?;
        answer.without_asking()
    }

    /// Does [`answer_tunnel`](Self::answer_tunnel) without a hook to ask.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check_tunnel(&self, endpoint: Endpoint) -> Result<Checked<TunnelEndpoint>, Denial> {
        self.answer_tunnel(endpoint)?.without_asking()
    }
}

/// `target` names the request in a denial for its addresses.
fn answer<T>(
    judged: (LayerVerdict<'_>, AddressFilter),
    target: Target<'_>,
    value: T,
) -> Result<Answer<T>, Denial> {
    let (verdict, filter) = judged;
    let (rule, reported, asked) = match verdict {
        LayerVerdict::Allow(rule) => (rule.as_str().to_owned(), None, None),
        LayerVerdict::Report(denial) => (denial.rule.clone(), Some(denial), None),
        LayerVerdict::Ask(rule, denial) => (rule.to_owned(), None, Some(denial)),
        LayerVerdict::Deny(denial) => return Err(denial),
    };
    let checked = Checked {
        value,
        rule,
        filter,
        reported,
        asked_scheme: target.scheme,
        asked_endpoint: target.endpoint.clone(),
        is_tunnel: target.is_tunnel,
    };
    Ok(match asked {
        Some(denial) => Answer::Ask(Asked { checked, denial }),
        None => Answer::Checked(checked),
    })
}

#[cfg(test)]
mod tests;
