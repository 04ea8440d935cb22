//! Parses hosts: the one parser that rules, dialling, SNI and `Host` fields share.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host_error::HostError;
use crate::name::DnsName;

/// The host of an endpoint: a name for DNS, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name, in its one canonical form.
    Name(DnsName),
    /// An address. IPv4 inside IPv6 stays the IPv6 address that was written.
    Ip(IpAddr),
}

impl Host {
    /// Parses a host without port and without brackets.
    ///
    /// A spelling that some parser somewhere reads differently is refused rather than normalised:
    /// short, octal, hexadecimal and single-number IPv4, zone identifiers, brackets, user
    /// information, percent-encoding, and characters that IDNA would map to other ones.
    ///
    /// # Errors
    ///
    /// A [`HostError`] that says what is wrong, on one line.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.chars().find(|c| "[]@%".contains(*c)) {
            Some('[' | ']') => return Err(HostError::Brackets),
            Some('@') => return Err(HostError::Userinfo),
            Some('%') if text.contains(':') => return Err(HostError::ZoneId),
            Some(_) => return Err(HostError::PercentEncoding),
            None => {}
        }
        if text.contains(':') {
            let address = text.parse::<Ipv6Addr>().map_err(|_| HostError::Ipv6)?;
            return Ok(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(address.into()));
        }
        DnsName::parse(text).map(Self::Name)
    }

    /// Whether this is the name `localhost`, which means this machine (RFC 6761 section 6.3).
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name.as_str() == "localhost")
    }

    /// The host as written in an authority: IPv6 in brackets (RFC 3986 section 3.2.2).
    #[must_use]
    pub fn in_authority(&self) -> String {
        match self {
            Self::Ip(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        }
    }
}

/// The name, `192.0.2.1`, or `2001:db8::1` without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_canonical_form() {
        for (text, canonical) in [
            ("example.com", "example.com"),
            ("EXAMPLE.Com", "example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("r3---sn-4g5e6nsz.example", "r3---sn-4g5e6nsz.example"),
            ("1.2.3.example", "1.2.3.example"),
            ("1e100.net", "1e100.net"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("straße.example", "xn--strae-oqa.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ] {
            let host = Host::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(host.to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn a_spelling_that_could_mean_two_things_is_refused() {
        use HostError::*;
        for (text, error) in [
            ("", Empty),
            (".", Empty),
            ("2130706433", Ipv4),
            ("0x7f000001", Ipv4),
            ("0x7f.1", Ipv4),
            ("127.1", Ipv4),
            ("0177.0.0.1", Ipv4),
            ("127.0.0.01", Ipv4),
            ("1.2.3.4.", Ipv4),
            ("1.2.3.4.5", Ipv4),
            ("256.0.0.1", Ipv4),
            ("example.0x", Ipv4),
            ("example.7", Ipv4),
            ("fe80::1%eth0", ZoneId),
            ("fe80::1%25eth0", ZoneId),
            ("[::1]", Brackets),
            ("[::1]x", Brackets),
            ("::1.", Ipv6),
            (":::1", Ipv6),
            ("example.com:80", Ipv6),
            ("::ffff:0177.0.0.1", Ipv6),
            ("user@example.com", Userinfo),
            ("example.com\\@other.test", Userinfo),
            ("example.com\\other", Character('\\')),
            ("example%2ecom", PercentEncoding),
            ("a..b", EmptyLabel),
            (".example.com", EmptyLabel),
            ("example.com..", EmptyLabel),
            ("exa mple.com", Character(' ')),
            ("example.com\r\n", Character('\r')),
            ("example.com\0", Character('\0')),
            ("example.com/", Character('/')),
            ("*.example.com", Character('*')),
            ("-example.com", Hyphen),
            ("example-.com", Hyphen),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn characters_that_idna_would_map_to_others_are_refused() {
        for text in [
            // full-width letters
            "\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
            // full-width digits and dots
            "\u{ff11}\u{ff12}\u{ff17}\u{ff0e}\u{ff10}\u{ff0e}\u{ff10}\u{ff0e}\u{ff11}",
            "127\u{3002}0\u{3002}0\u{3002}1", // ideographic full stops
            "example\u{3002}com",             // the same in a name
            "\u{2460}\u{2461}\u{2466}.0.0.1", // circled digits
            "\u{212a}elvin.test",             // the Kelvin sign maps to k
            "exam\u{ad}ple.com",              // a soft hyphen maps to nothing
            "exam\u{200b}ple.com",
            "bu\u{308}cher.example", // decomposed
            "BÜCHER.example",        // not the lower-case form
            "℀.example",             // maps to "a/c"
            "xn--example-.com",      // decodes to ASCII
            "xn--.com",
            "127\u{ff0e}0.0.1",
            "127.0.0.\u{661}",
            "xn--a-\u{fc}.com",
            "xn--zzzzzzzzz99999.com",
        ] {
            assert!(
                matches!(Host::parse(text), Err(HostError::Idna)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_length_limits_of_dns_hold_to_the_character() {
        let label = "a".repeat(63);
        assert!(Host::parse(&format!("{label}.test")).is_ok());
        assert_eq!(
            Host::parse(&format!("{label}a.test")),
            Err(HostError::LabelTooLong)
        );
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(Host::parse(&longest).is_ok());
        assert!(Host::parse(&format!("{longest}.")).is_ok());
        assert_eq!(Host::parse(&format!("{longest}b")), Err(HostError::TooLong));
        assert_eq!(Host::parse(&"ü".repeat(100_000)), Err(HostError::TooLong));
    }

    #[test]
    fn error_texts_stay_on_one_line() {
        assert_eq!(
            Host::parse("a\nb").unwrap_err().to_string(),
            "'\\n' cannot be part of a host name"
        );
    }
}
