//! What was checked, as types: the transport takes nothing else.

use std::net::IpAddr;
use std::ops::Deref;

use crate::address::{AddressClass, classify};
use crate::decide::{Decision, Policy, Request, decide};
use crate::denial::{Denial, Target};
use crate::fields;
use crate::host::Host;
use crate::target::{Endpoint, Origin, Scheme};

/// A value that the policy allowed. Only the `check_` functions of [`Policy`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked<T> {
    value: T,
    rule: String,
}

impl<T> Checked<T> {
    /// The name of the rule that allowed it, as the operator wrote it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The value, without the proof that it was checked.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// What may be dialled: an endpoint, and which of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The host to resolve, and the port.
    pub endpoint: Endpoint,
    opened: Vec<IpAddr>,
    rule: String,
}

impl Route {
    /// The address filter: whether the endpoint may be dialled at this address.
    ///
    /// An address that is its own host is permitted. `localhost` is permitted at loopback addresses
    /// only. Any other name is permitted at public addresses, and at those which a rule names
    /// literally with the same port and a scheme that is allowed for this host too.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        permits(&self.endpoint.host, address, &self.opened)
    }

    /// The denial for a host that has addresses, but none that is permitted. It names none of them.
    #[must_use]
    pub fn address_denial(&self) -> Denial {
        Target::from(&self.endpoint).address(&self.rule)
    }
}

/// A request as it goes onto the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Policy {
    /// Checks a connection, before its name is resolved.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows this endpoint under any scheme.
    pub fn check_connect(&self, endpoint: Endpoint) -> Result<Checked<Route>, Denial> {
        let rule = self.ask(&Request::Connect {
            endpoint: &endpoint,
        })?;
        let opened = self.opened(&Scheme::ALL, &endpoint);
        Ok(Checked {
            value: Route {
                endpoint,
                opened,
                rule: rule.clone(),
            },
            rule,
        })
    }

    /// Checks that a connection may speak TLS.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows https there, or for the settings.
    pub fn check_tls(
        &self,
        endpoint: &Endpoint,
        server_name: Option<&str>,
        verify: bool,
    ) -> Result<Checked<Origin>, Denial> {
        let rule = self.ask(&Request::StartTls {
            endpoint,
            server_name,
            verify,
        })?;
        let value = Origin {
            scheme: Scheme::Https,
            endpoint: endpoint.clone(),
        };
        Ok(Checked { value, rule })
    }

    /// Checks a request. Its `Host` field, once found to be right, is left out of the result.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows the origin, or for the method or a field.
    pub fn check_exchange(
        &self,
        origin: &Origin,
        method: &[u8],
        path: &[u8],
        fields: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Checked<RequestLine>, Denial> {
        let rule = self.ask(&Request::Exchange {
            origin,
            method,
            path,
            fields,
        })?;
        let without_host = fields.iter().filter(|(name, _)| !fields::is_host(name));
        let value = RequestLine {
            origin: origin.clone(),
            method: method.to_vec(),
            path: path.to_vec(),
            fields: without_host.cloned().collect(),
        };
        Ok(Checked { value, rule })
    }

    /// Checks an address against the scheme that a connection turned out to have. A [`Route`] was
    /// filtered when the scheme was still open; where rules open an address for one scheme only,
    /// this is the stricter answer.
    ///
    /// # Errors
    ///
    /// The [`Denial`], if no rule allows the origin, or none opens this address for it.
    pub fn check_address(&self, origin: &Origin, address: IpAddr) -> Result<(), Denial> {
        let target = Target::from(origin);
        let Some(rule) = self.rule_for(origin.scheme, &origin.endpoint) else {
            return Err(target.no_rule());
        };
        let opened = self.opened(&[origin.scheme], &origin.endpoint);
        if permits(&origin.endpoint.host, address, &opened) {
            Ok(())
        } else {
            Err(target.address(rule.as_str()))
        }
    }

    fn ask(&self, request: &Request<'_>) -> Result<String, Denial> {
        match decide(request, self) {
            Decision::Allow { rule } => Ok(rule),
            Decision::Deny(denial) => Err(denial),
        }
    }

    /// The addresses that rules name literally with this port, under those of these schemes that
    /// are allowed for the endpoint.
    fn opened(&self, schemes: &[Scheme], endpoint: &Endpoint) -> Vec<IpAddr> {
        let allowed = schemes
            .iter()
            .filter(|s| self.rule_for(**s, endpoint).is_some());
        let literals = allowed.flat_map(|scheme| {
            let port = endpoint.port;
            self.rules()
                .iter()
                .filter_map(move |rule| rule.literal_address(*scheme, port))
        });
        literals.collect()
    }
}

fn permits(host: &Host, address: IpAddr, opened: &[IpAddr]) -> bool {
    // An IPv4-mapped IPv6 address is dialled as the IPv4 address, so the two are one.
    let is_same = |other: &IpAddr| other.to_canonical() == address.to_canonical();
    match host {
        Host::Ip(own) => is_same(own),
        host if host.is_localhost() => address.to_canonical().is_loopback(),
        Host::Name(_) => classify(address) == AddressClass::Public || opened.iter().any(is_same),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denial::DenyReason;

    fn policy(rules: &[&str]) -> Policy {
        Policy::allow(rules.iter().map(|rule| rule.parse().unwrap()))
    }

    fn origin(scheme: Scheme, host: &str, port: u16) -> Origin {
        Origin {
            scheme,
            endpoint: Endpoint::new(host, port).unwrap(),
        }
    }

    #[test]
    #[rustfmt::skip] // one row a line
    fn an_address_that_is_not_public_is_dialled_only_where_a_rule_names_it() {
        for (rules, host, port, address, permitted) in [
            (&["api.test:8080"][..], "api.test", 8080, "93.184.216.34", true),
            (&["api.test:8080"], "api.test", 8080, "127.0.0.1", false),
            (&["api.test:8080"], "api.test", 8080, "10.0.0.1", false),
            (&["api.test:8080"], "api.test", 8080, "169.254.169.254", false),
            (&["api.test:8080"], "api.test", 8080, "::ffff:10.0.0.1", false),
            (&["api.test:8080"], "api.test", 8080, "fd00::1", false),
            (&["api.test:8080", "127.0.0.1:8080"], "api.test", 8080, "127.0.0.1", true),
            (&["api.test:8080", "127.0.0.1:8080"], "api.test", 8080, "::ffff:127.0.0.1", true),
            (&["api.test:8080", "127.0.0.1:8080"], "api.test", 8080, "64:ff9b::127.0.0.1", false),
            (&["api.test:8080", "127.0.0.1:8080"], "api.test", 8080, "127.0.0.2", false),
            (&["api.test:8080", "127.0.0.1:8080"], "api.test", 8080, "::1", false),
            (&["api.test:8080", "127.0.0.1"], "api.test", 8080, "127.0.0.1", false),
            (&["api.test", "127.0.0.1"], "api.test", 80, "127.0.0.1", true),
            (&["http://api.test:80", "https://127.0.0.1:80"], "api.test", 80, "127.0.0.1", false),
            (&["*.api.test:8080", "[fd00::1]:8080"], "a.api.test", 8080, "fd00::1", true),
            (&["127.0.0.1:8080"], "127.0.0.1", 8080, "127.0.0.1", true),
            (&["127.0.0.1:8080", "127.0.0.2:8080"], "127.0.0.1", 8080, "127.0.0.2", false),
            (&["8.8.8.8"], "8.8.8.8", 443, "8.8.4.4", false),
        ] {
            let endpoint = Endpoint::new(host, port).unwrap();
            let route = policy(rules).check_connect(endpoint).unwrap();
            let address = address.parse().unwrap();
            assert_eq!(
                route.permits(address),
                permitted,
                "{rules:?} {host}:{port} {address}"
            );
        }
    }

    #[test]
    fn localhost_means_the_loopback_addresses_and_no_other_name_does() {
        let policy = policy(&["localhost:8080", "a.localhost:8080", "api.test:8080"]);
        for (host, address, permitted) in [
            ("localhost", "127.0.0.1", true),
            ("LOCALHOST.", "127.8.9.10", true),
            ("localhost", "::1", true),
            ("localhost", "::ffff:127.0.0.1", true),
            ("localhost", "10.0.0.1", false),
            ("localhost", "8.8.8.8", false),
            ("localhost", "0.0.0.0", false),
            ("a.localhost", "127.0.0.1", false),
            ("api.test", "127.0.0.1", false),
        ] {
            let route = policy
                .check_connect(Endpoint::new(host, 8080).unwrap())
                .unwrap();
            assert_eq!(
                route.permits(address.parse().unwrap()),
                permitted,
                "{host} {address}"
            );
        }
    }

    #[test]
    fn an_address_is_judged_again_once_the_scheme_is_known() {
        let policy = policy(&["api.test:8080", "http://127.0.0.1:8080"]);
        let loopback = "127.0.0.1".parse().unwrap();
        let http = origin(Scheme::Http, "api.test", 8080);
        assert!(
            policy
                .check_connect(http.endpoint.clone())
                .unwrap()
                .permits(loopback)
        );
        assert_eq!(policy.check_address(&http, loopback), Ok(()));
        let https = origin(Scheme::Https, "api.test", 8080);
        let denial = policy.check_address(&https, loopback).unwrap_err();
        assert_eq!(
            (denial.reason, &*denial.rule),
            (DenyReason::Address, "api.test:8080")
        );
        let other = origin(Scheme::Https, "other.test", 8080);
        let denial = policy.check_address(&other, loopback).unwrap_err();
        assert_eq!(denial.reason, DenyReason::NoRule);
    }

    #[test]
    fn a_denial_for_addresses_names_none_of_them() {
        let policy = policy(&["api.test:8080", "127.0.0.1:9"]);
        let endpoint = Endpoint::new("api.test", 8080).unwrap();
        let denial = policy.check_connect(endpoint).unwrap().address_denial();
        assert_eq!(
            denial.message,
            "sandbox-net denied api.test:8080: it has only addresses that its rule does not open \
             (reason address, rule api.test:8080); to allow it, add a rule for its address \
             itself, 'ADDRESS:8080'"
        );
    }

    #[test]
    fn what_was_checked_carries_the_rule_and_goes_without_the_guests_host_field() {
        let policy = policy(&["*.api.test"]);
        let origin = origin(Scheme::Https, "a.api.test", 443);
        let route = policy.check_connect(origin.endpoint.clone()).unwrap();
        assert_eq!(
            (route.rule(), &route.endpoint),
            ("*.api.test", &origin.endpoint)
        );
        let tls = policy
            .check_tls(&origin.endpoint, Some("a.api.test"), true)
            .unwrap();
        assert_eq!(tls.into_inner(), origin);
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let fields = [
            field("B", "1"),
            field("hOST", "a.api.test"),
            field("a", "2"),
            field("B", "3"),
        ];
        let line = policy
            .check_exchange(&origin, b"GET", b"/x?y", &fields)
            .unwrap();
        assert_eq!(line.rule(), "*.api.test");
        assert_eq!((&*line.method, &*line.path), (&b"GET"[..], &b"/x?y"[..]));
        assert_eq!(
            line.fields,
            [field("B", "1"), field("a", "2"), field("B", "3")]
        );
        assert_eq!(line.origin, origin);
    }
}
