//! The errors for texts that are not hosts.

/// Why a text is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The text is empty.
    #[error("the host is empty")]
    Empty,
    /// Longer than 253 characters (RFC 1035 section 3.1, without the root's dot).
    #[error("the host name is longer than 253 characters")]
    TooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("the host name has an empty label (two dots in a row, or a dot at its start)")]
    EmptyLabel,
    /// A label longer than 63 characters (RFC 1035 section 2.3.4).
    #[error("a label of the host name is longer than 63 characters")]
    LabelTooLong,
    /// A label that begins or ends with a hyphen (RFC 952, RFC 1123 section 2.1).
    #[error("a label of the host name begins or ends with a hyphen")]
    Hyphen,
    /// A character that host names cannot have.
    #[error("{0:?} cannot be part of a host name")]
    Character(char),
    /// A name that IDNA does not know as a valid name in its final form (UTS 46, RFC 5891).
    #[error("not a valid internationalised name: write it in lower case, or in its 'xn--' form")]
    Idna,
    /// User information (`user@host`).
    #[error("'@' cannot be part of a host: remove the user information")]
    Userinfo,
    /// Percent-encoding.
    #[error("'%' cannot be part of a host: write the characters without percent-encoding")]
    PercentEncoding,
    /// An IPv6 zone identifier (RFC 4007).
    #[error("IPv6 zone identifiers ('%eth0') are not accepted")]
    ZoneId,
    /// Brackets, which belong to an authority and not to a host.
    #[error("brackets are misplaced: they go around an IPv6 address only")]
    Brackets,
    /// It ends in a number like an IPv4 address, but does not have its only accepted form.
    #[error("not an IPv4 address in its standard form: four decimal numbers, as in '192.0.2.1'")]
    Ipv4,
    /// It has a colon like an IPv6 address, but is not one.
    #[error("not an IPv6 address, and names have no colon")]
    Ipv6,
    /// Port 0, to which nothing can connect.
    #[error("port 0 cannot be connected to")]
    PortZero,
}
