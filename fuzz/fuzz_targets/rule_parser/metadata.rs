//! Addresses where clouds hand out credentials, and addresses that embed them: no rule allows one by
//! accident.

use std::net::IpAddr;

use sandbox_net_policy::{Endpoint, Policy, Scheme};

use crate::reading::Reading;

/// Metadata addresses, and IPv6 addresses that embed the first one, or 10.0.0.1.
pub(crate) const ADDRESSES: [&str; 10] = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "64:ff9b::a00:1",
    "2002:a00:1::",
];

/// Checks that the policy of this one rule allows none of the addresses, neither as a host nor for a
/// name, unless the rule's text has the address.
pub(crate) fn check(policy: &Policy, text: &str) {
    let reading = Reading::of(text);
    let literals = literals(text);
    let ports = Scheme::ALL.map(|scheme| reading.ports_around(scheme));
    let addresses = ADDRESSES.map(|address| address.parse::<IpAddr>().expect("an address"));
    for port in ports.into_iter().flatten() {
        let hosts = addresses.iter().map(ToString::to_string);
        for host in hosts.chain(reading.host()) {
            let Ok(endpoint) = Endpoint::new(&host, port) else {
                continue;
            };
            let Ok(route) = policy.check_connect(endpoint) else {
                continue;
            };
            for address in addresses {
                let is_literal = literals.contains(&address.to_canonical());
                assert!(!route.permits(address) || is_literal, "{text}: {address}");
            }
        }
    }
}

/// The addresses in the text.
pub(crate) fn literals(text: &str) -> Vec<IpAddr> {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let runs = text.split(|c| !is_part(c));
    // A port may follow an IPv4 address.
    let texts = runs.flat_map(|run| [Some(run), run.split_once(':').map(|(host, _)| host)]);
    let addresses = texts.flatten().filter_map(|t| t.parse::<IpAddr>().ok());
    addresses
        .map(|address: IpAddr| address.to_canonical())
        .collect()
}
