//! Classifies addresses: which are public, and what the others are for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The purpose of an address, from the IANA special-purpose registries (RFC 6890) and the
/// documentation of the large clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// Globally routed unicast: the only class that a rule for a name opens.
    Public,
    /// `0.0.0.0` and `::`, which many systems dial as this machine.
    Unspecified,
    /// The rest of 0.0.0.0/8 (RFC 1122 section 3.2.1.3).
    ThisNetwork,
    /// This machine.
    Loopback,
    /// RFC 1918.
    Private,
    /// RFC 3927 and RFC 4291 section 2.5.6.
    LinkLocal,
    /// Carrier-grade NAT (RFC 6598).
    SharedNat,
    /// IPv6 for private networks (RFC 4193).
    UniqueLocal,
    /// What unique-local replaced (RFC 3879).
    SiteLocal,
    /// Where a cloud provides machines with credentials and settings.
    Metadata,
    /// RFC 5771 and RFC 4291 section 2.7.
    Multicast,
    /// 255.255.255.255 (RFC 919).
    Broadcast,
    /// Tests of network devices (RFC 2544, RFC 5180).
    Benchmarking,
    /// Examples (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// Everything else that is not assigned for global unicast.
    Reserved,
}

impl AddressClass {
    /// The name of the class in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::ThisNetwork => "this-network",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::SharedNat => "shared-nat",
            Self::UniqueLocal => "unique-local",
            Self::SiteLocal => "site-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Benchmarking => "benchmarking",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Classifies an address. IPv4 carried inside IPv6 counts as that IPv4 address.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

type V4Row = ([u8; 4], u32, AddressClass);
type V6Row = ([u16; 8], u32, AddressClass);

/// IPv4 that is not public: network, prefix length, class. The first row that matches decides.
#[rustfmt::skip]
const V4: &[V4Row] = {
    use AddressClass::*;
    &[
        ([169, 254, 169, 254], 32, Metadata), // AWS, Azure, Google, Oracle, OpenStack and others
        ([169, 254, 170, 2], 32, Metadata),   // AWS ECS task credentials
        ([169, 254, 170, 23], 32, Metadata),  // AWS EKS pod identity
        ([169, 254, 42, 42], 32, Metadata),   // Scaleway
        ([100, 100, 100, 200], 32, Metadata), // Alibaba
        ([192, 0, 0, 192], 32, Metadata),     // Oracle classic
        ([168, 63, 129, 16], 32, Metadata),   // Azure platform: outside every special range
        ([0, 0, 0, 0], 32, Unspecified),
        ([0, 0, 0, 0], 8, ThisNetwork),
        ([10, 0, 0, 0], 8, Private),
        ([100, 64, 0, 0], 10, SharedNat),
        ([127, 0, 0, 0], 8, Loopback),
        ([169, 254, 0, 0], 16, LinkLocal),
        ([172, 16, 0, 0], 12, Private),
        ([192, 0, 0, 0], 24, Reserved),       // IETF protocol assignments (RFC 6890)
        ([192, 0, 2, 0], 24, Documentation),
        ([192, 88, 99, 0], 24, Reserved),     // 6to4 relays, deprecated (RFC 7526)
        ([192, 168, 0, 0], 16, Private),
        ([198, 18, 0, 0], 15, Benchmarking),
        ([198, 51, 100, 0], 24, Documentation),
        ([203, 0, 113, 0], 24, Documentation),
        ([224, 0, 0, 0], 4, Multicast),
        ([255, 255, 255, 255], 32, Broadcast),
        ([240, 0, 0, 0], 4, Reserved),
    ]
};

/// IPv6 proper: network, prefix length, class. The first row that matches decides, and everything
/// else is reserved: global unicast is 2000::/3 only (RFC 4291 section 2.4).
#[rustfmt::skip]
const V6: &[V6Row] = {
    use AddressClass::*;
    &[
        ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, Metadata), // AWS
        ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128, Metadata),  // AWS EKS pod identity
        ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, Metadata),  // Google
        ([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, Metadata),   // Scaleway
        ([0, 0, 0, 0, 0, 0, 0, 0], 128, Unspecified),
        ([0, 0, 0, 0, 0, 0, 0, 1], 128, Loopback),
        ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, UniqueLocal),
        ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LinkLocal),
        ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, SiteLocal),
        ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Multicast),
        ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Benchmarking),
        ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Reserved),          // IETF assignments (RFC 2928)
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Documentation),
        ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Documentation),
        ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, Public),
    ]
};

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let bits = address.to_bits();
    let row = V4.iter().find(|(network, prefix, _)| {
        (bits ^ u32::from_be_bytes(*network)).leading_zeros() >= *prefix
    });
    row.map_or(AddressClass::Public, |(_, _, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(carried) = carried_v4(address) {
        let classes = carried.into_iter().flatten().map(classify_v4);
        let special = classes
            .into_iter()
            .find(|class| *class != AddressClass::Public);
        return special.unwrap_or(AddressClass::Public);
    }
    let row = V6.iter().find(|(network, prefix, _)| {
        let network = Ipv6Addr::from(*network).to_bits();
        (address.to_bits() ^ network).leading_zeros() >= *prefix
    });
    row.map_or(AddressClass::Reserved, |(_, _, class)| *class)
}

/// The addresses inside this one: packets to it can end up at any of them.
pub(crate) fn carried_addresses(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let carried = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => carried_v4(address),
    };
    carried.into_iter().flatten().flatten().map(IpAddr::V4)
}

/// The IPv4 addresses inside an IPv6 address of a transition mechanism; packets to it can end up
/// at any of them.
fn carried_v4(address: Ipv6Addr) -> Option<[Option<Ipv4Addr>; 2]> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let last = v4(s[6], s[7]);
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None, // unspecified and loopback
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] => Some([Some(last), None]), // compatible, mapped
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some([Some(last), None]), // NAT64 (RFC 6052)
        [0x2002, ..] => Some([Some(v4(s[1], s[2])), None]), // 6to4 (RFC 3056)
        // Teredo (RFC 4380): the server, and the client with its bits inverted.
        [0x2001, 0, ..] => Some([Some(v4(!s[6], !s[7])), Some(v4(s[2], s[3]))]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges by their first address; each ends just before the next one.
    fn check_ranges(ranges: &[(&str, Option<AddressClass>)], before: fn(IpAddr) -> IpAddr) {
        let first = |row: &(&str, _)| row.0.parse::<IpAddr>().unwrap();
        for (index, row) in ranges.iter().enumerate() {
            // Skip ranges that carry IPv4: their classes are those of IPv4.
            let Some(class) = row.1 else { continue };
            assert_eq!(classify(first(row)), class, "first of {}", row.0);
            if let Some(next) = ranges.get(index + 1) {
                let last = before(first(next));
                assert!(last >= first(row), "{} is out of order", row.0);
                assert_eq!(classify(last), class, "{last}, last of {}", row.0);
            }
        }
    }

    #[test]
    fn every_range_of_ipv4_begins_and_ends_where_it_should() {
        use AddressClass::*;
        let ranges = [
            ("0.0.0.0", Unspecified),
            ("0.0.0.1", ThisNetwork),
            ("1.0.0.0", Public),
            ("10.0.0.0", Private),
            ("11.0.0.0", Public),
            ("100.64.0.0", SharedNat),
            ("100.128.0.0", Public),
            ("127.0.0.0", Loopback),
            ("128.0.0.0", Public),
            ("169.254.0.0", LinkLocal),
            ("169.255.0.0", Public),
            ("172.16.0.0", Private),
            ("172.32.0.0", Public),
            ("192.0.0.0", Reserved),
            ("192.0.1.0", Public),
            ("192.0.2.0", Documentation),
            ("192.0.3.0", Public),
            ("192.88.99.0", Reserved),
            ("192.88.100.0", Public),
            ("192.168.0.0", Private),
            ("192.169.0.0", Public),
            ("198.18.0.0", Benchmarking),
            ("198.20.0.0", Public),
            ("198.51.100.0", Documentation),
            ("198.51.101.0", Public),
            ("203.0.113.0", Documentation),
            ("203.0.114.0", Public),
            ("224.0.0.0", Multicast),
            ("240.0.0.0", Reserved),
            ("255.255.255.255", Broadcast),
        ];
        check_ranges(
            &ranges.map(|(first, class)| (first, Some(class))),
            |next| match next {
                IpAddr::V4(next) => Ipv4Addr::from_bits(next.to_bits() - 1).into(),
                IpAddr::V6(_) => unreachable!(),
            },
        );
    }

    #[test]
    fn every_range_of_ipv6_begins_and_ends_where_it_should() {
        use AddressClass::*;
        let ranges = [
            ("::", Some(Unspecified)),
            ("::1", Some(Loopback)),
            ("::2", None), // IPv4-compatible
            ("::1:0:0", Some(Reserved)),
            ("::ffff:0:0", None), // IPv4-mapped
            ("::1:0:0:0", Some(Reserved)),
            ("64:ff9b::", None), // NAT64
            ("64:ff9b::1:0:0", Some(Reserved)),
            ("2000::", Some(Public)),
            ("2001::", None), // Teredo
            ("2001:1::", Some(Reserved)),
            ("2001:2::", Some(Benchmarking)),
            ("2001:2:1::", Some(Reserved)),
            ("2001:200::", Some(Public)),
            ("2001:db8::", Some(Documentation)),
            ("2001:db9::", Some(Public)),
            ("2002::", None), // 6to4
            ("2003::", Some(Public)),
            ("3fff::", Some(Documentation)),
            ("3fff:1000::", Some(Public)),
            ("4000::", Some(Reserved)),
            ("fc00::", Some(UniqueLocal)),
            ("fe00::", Some(Reserved)),
            ("fe80::", Some(LinkLocal)),
            ("fec0::", Some(SiteLocal)),
            ("ff00::", Some(Multicast)),
        ];
        check_ranges(&ranges, |next| match next {
            IpAddr::V6(next) => Ipv6Addr::from_bits(next.to_bits() - 1).into(),
            IpAddr::V4(_) => unreachable!(),
        });
        assert_eq!(classify(Ipv6Addr::from_bits(u128::MAX).into()), Multicast);
    }

    #[test]
    fn single_addresses_have_their_own_class() {
        use AddressClass::*;
        for (text, class) in [
            ("0.0.0.0", Unspecified),
            ("::", Unspecified),
            ("::1", Loopback),
            ("255.255.255.255", Broadcast),
            ("169.254.169.254", Metadata),
            ("169.254.169.253", LinkLocal),
            ("169.254.169.255", LinkLocal),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("168.63.129.17", Public),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::255", UniqueLocal),
            ("fd20:ce::254", Metadata),
            ("100::1", Reserved),             // discard (RFC 6666)
            ("5f00::1", Reserved),            // segment routing (RFC 9602)
            ("64:ff9b:1::808:808", Reserved), // NAT64 for local use (RFC 8215)
            ("::ffff:0:8.8.8.8", Reserved),   // IPv4-translated (RFC 2765)
            ("8.8.8.8", Public),
            ("2606:4700::1111", Public),
        ] {
            assert_eq!(classify(text.parse().unwrap()), class, "{text}");
        }
    }

    #[test]
    fn ipv4_inside_ipv6_counts_as_the_ipv4_it_carries() {
        use AddressClass::*;
        for (v4, class) in [
            ("127.0.0.1", Loopback),
            ("10.1.2.3", Private),
            ("169.254.169.254", Metadata),
            ("100.64.0.1", SharedNat),
            ("255.255.255.255", Broadcast),
            ("8.8.8.8", Public),
        ] {
            let [a, b, c, d] = v4.parse::<Ipv4Addr>().unwrap().octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for text in [
                format!("::ffff:{v4}"),
                format!("::{v4}"),
                format!("64:ff9b::{v4}"),
                format!("2002:{high:x}:{low:x}::1"),
                format!("2001:0:808:808::{:x}:{:x}", !high, !low),
                format!("2001:0:{high:x}:{low:x}::f7f7:f7f7"),
            ] {
                assert_eq!(classify(text.parse().unwrap()), class, "{text}");
            }
        }
    }
}
