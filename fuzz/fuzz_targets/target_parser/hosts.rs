//! A second reading of hosts and addresses, without the policy's own tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use sandbox_net_policy::{AddressClass, Endpoint, Host, Origin, classify};

/// Addresses of many kinds.
static FIXED: LazyLock<[IpAddr; 20]> = LazyLock::new(|| {
    let addresses = [
        "0.0.0.0",
        "8.8.8.8",
        "8.8.4.4",
        "10.0.0.1",
        "10.1.2.3",
        "10.9.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.168.1.2",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2001:4860::8888",
        "fd12::1",
        "fe80::1",
    ];
    addresses.map(|text| text.parse().expect("an address"))
});

/// The fixed addresses, and that of the input.
pub(crate) fn addresses(own: Option<IpAddr>) -> impl Iterator<Item = IpAddr> {
    FIXED.iter().copied().chain(own)
}

/// Checks that a parsed host has one form, which is plain and parses to itself.
pub(crate) fn check_canonical(text: &str) {
    let host = match Host::parse(text) {
        Ok(host) => host,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let canonical = host.to_string();
    assert_eq!(Host::parse(&canonical).as_ref(), Ok(&host));
    let endpoint = Endpoint::new(text, 1).expect("a host that parses");
    assert_eq!(endpoint.host, host);
    let Host::Name(name) = &host else {
        assert_eq!(canonical.parse().map(Host::Ip).as_ref(), Ok(&host));
        return;
    };
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    assert!(name.bytes().all(is_plain) && name.len() <= 253, "{name:?}");
    let mut labels = name.split('.');
    assert!(
        labels.all(|label| (1..=63).contains(&label.len())),
        "{name}"
    );
    assert!(name.parse::<IpAddr>().is_err(), "{name}");
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_decimal = last.bytes().all(|b| b.is_ascii_digit());
    assert!(!is_decimal && !is_hexadecimal(last), "{name}");
    // ASCII keeps its meaning.
    if text.is_ascii() {
        let written = text.strip_suffix('.').unwrap_or(text);
        assert!(written.eq_ignore_ascii_case(name), "{text} is {name}");
    }
}

/// Whether the value of a `Host` field is this origin's host with its port or none, by its letters.
pub(crate) fn names(origin: &Origin, value: &[u8]) -> bool {
    let value = String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase();
    // Zeros before a port change nothing, and such a `Host` is not passed on as written.
    let end = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let (host, port) = match end.strip_suffix(':').filter(|_| end.len() < value.len()) {
        Some(host) => (host, value[end.len()..].parse().ok()),
        None => (&*value, Some(origin.endpoint.port)),
    };
    if port != Some(origin.endpoint.port) {
        return false;
    }
    match &origin.endpoint.host {
        Host::Name(name) => host.strip_suffix('.').unwrap_or(host) == name.as_str(),
        Host::Ip(IpAddr::V4(own)) => host.parse() == Ok(*own),
        Host::Ip(IpAddr::V6(own)) => {
            let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            inside.is_some_and(|host| host.parse() == Ok(*own))
        }
    }
}

/// The numbers that `inet_aton` accepts: `0x` alone counts as 0.
fn is_hexadecimal(label: &str) -> bool {
    let digits = label.strip_prefix("0x");
    digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Checks that each address that the main policy permits for a host has a reason.
pub(crate) fn check_permitted(endpoint: &Endpoint, address: IpAddr) {
    let address = address.to_canonical();
    let name = match &endpoint.host {
        Host::Ip(own) => {
            assert_eq!(own.to_canonical(), address);
            return;
        }
        Host::Name(name) => name.as_str(),
    };
    let is_listed = match name {
        "localhost" => {
            assert!(address.is_loopback(), "localhost at {address}");
            return;
        }
        "lan.test" => is_ten(address) || address == IpAddr::from([192, 168, 1, 1]),
        "both.test" => is_ten(address),
        _ if name.ends_with(".lan.test") => is_ten(address),
        _ if name.ends_with(".mixed.test") => match address {
            IpAddr::V4(address) => address == Ipv4Addr::LOCALHOST,
            IpAddr::V6(address) => address.segments()[..4] == [0xfd12, 0, 0, 0],
        },
        _ => false,
    };
    let is_public = classify(address) == AddressClass::Public;
    assert!(is_listed || is_public, "{name} at {address}");
    assert!(is_listed || !is_internal(address), "{name} at {address}");
    let is_denied = matches!(address, IpAddr::V4(v4) if v4.octets()[..2] == [10, 9]);
    assert!(!is_denied, "{name} at {address}, which a rule denies");
}

fn is_ten(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
}

/// What the standard library knows of addresses that are not public.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_internal_v4(v4),
        IpAddr::V6(v6) => {
            let nat64 = |s: [u16; 8]| (s[..6] == [0x64, 0xff9b, 0, 0, 0, 0]).then_some(last_v4(v6));
            let carried = v6.to_ipv4().or_else(|| nat64(v6.segments()));
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || carried.is_some_and(is_internal_v4)
        }
    }
}

fn is_internal_v4(v4: Ipv4Addr) -> bool {
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
}

fn last_v4(v6: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = v6.octets();
    Ipv4Addr::new(a, b, c, d)
}
