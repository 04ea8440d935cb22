//! The text as a tunnel: one host and one port, or refused.

use std::net::IpAddr;

use sandbox_net_policy::{Document, DocumentError, Endpoint, Policy, Rule, TunnelGrant};

use crate::{message, metadata};

/// Checks that a grant means one endpoint and nothing beside it, and is the same in a policy file.
pub(crate) fn check(text: &str, in_document: Result<Document, DocumentError>) {
    let grant = match text.parse::<TunnelGrant>() {
        Ok(grant) => grant,
        Err(error) => {
            message::check(&error.to_string());
            let refused = in_document.expect_err("a document takes what alone is refused");
            message::check(&refused.to_string());
            return;
        }
    };
    let document = in_document.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(document.tunnel, std::slice::from_ref(&grant));
    assert_eq!((grant.as_str(), grant.to_string()), (text, text.to_owned()));
    assert!(
        text.parse::<Rule>().is_ok_and(|rule| !rule.names_head()),
        "{text}"
    );
    let endpoint = grant.endpoint().unwrap_or_else(|| panic!("{text}"));
    let policy = Policy::from(document);
    assert!(
        policy.denies_everything() && policy.covers(&policy),
        "{text}"
    );
    assert!(policy.check_connect(endpoint.clone()).is_err(), "{text}");
    let denial = policy
        .narrow([text])
        .map(|narrow| narrow.check_tunnel(endpoint.clone()));
    assert!(denial.is_ok_and(|it| it.is_err()), "{text}");
    let passes = |endpoint: &Endpoint| policy.check_tunnel(endpoint.clone()).is_ok();
    assert!(passes(&endpoint) && grant.is_for(&endpoint), "{text}");
    // The part before ' to ' is the endpoint as it is written, so nothing is left to interpret.
    let target = text.split(' ').next().unwrap_or_default();
    let (host, port) = target.rsplit_once(':').unwrap_or_else(|| panic!("{text}"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.split('-').next().and_then(|port| port.parse().ok());
    let written = Endpoint::new(host, port.unwrap_or_else(|| panic!("{text}")));
    assert_eq!(written, Ok(endpoint.clone()), "{text}");
    for port in [endpoint.port.wrapping_sub(1), endpoint.port.wrapping_add(1)] {
        let other = Endpoint::new(host, port);
        assert!(!other.is_ok_and(|other| passes(&other)), "{text}: {port}");
    }
    check_addresses(&policy, &endpoint, text);
}

/// Checks that a metadata address is opened by its literal only.
fn check_addresses(policy: &Policy, endpoint: &Endpoint, text: &str) {
    let literals = metadata::literals(text);
    let Ok(route) = policy.check_tunnel(endpoint.clone()) else {
        return;
    };
    for address in metadata::ADDRESSES {
        let address: IpAddr = address.parse().expect("an address");
        let is_literal = literals.contains(&address.to_canonical());
        assert!(!route.permits(address) || is_literal, "{text}: {address}");
    }
}
