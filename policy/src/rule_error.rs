//! The errors for texts that are not rules.

use crate::host_error::HostError;
use crate::name::DnsName;
use crate::path::PathPatternError;

/// Why a text is not a rule. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The text is empty.
    #[error("the rule is empty: write a host, such as 'example.com' or 'https://example.com:8443'")]
    Empty,
    /// Longer than 4096 bytes.
    #[error("the rule is longer than 4096 bytes")]
    TooLong,
    /// Words before the host that are not methods, or after it without `to`.
    #[error(
        "a rule is '[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]', with one space between its parts"
    )]
    Words,
    /// Something before the host that is not a list of methods.
    #[error(
        "'{}' is not a list of methods: write them in capitals, such as 'GET,HEAD example.com'",
        .0.escape_debug()
    )]
    Methods(String),
    /// A method that is never sent, so that no rule can allow it.
    #[error("sandbox-net never sends the method {0}: remove it")]
    NeverSent(&'static str),
    /// A scheme other than http and https.
    #[error(
        "unknown scheme '{}': write 'http://' or 'https://', or remove the scheme to mean both",
        .0.escape_debug()
    )]
    Scheme(String),
    /// User information before the host.
    #[error("a rule cannot contain user information{}", instead(.0.as_deref()))]
    Userinfo(Option<String>),
    /// A query or fragment.
    #[error("a rule cannot contain a query or a fragment{}", instead(.0.as_deref()))]
    Query(Option<String>),
    /// A path that ends where the host does.
    #[error(
        "'/' alone matches only that one path: write '{0}/**' for every path, or remove the path"
    )]
    Slash(String),
    /// A path that is not a valid pattern.
    #[error(transparent)]
    Path(#[from] PathPatternError),
    /// A network whose address has bits beyond its prefix.
    #[error(
        "'{0}' has bits beyond its prefix: write '{1}' for the network (or a port before the path, as in '192.0.2.1:80/8')"
    )]
    NetworkBits(String, String),
    /// An invalid prefix length.
    #[error("'{}' is not a network: write it as '10.0.0.0/8' or '[fd00::/8]'", .0.escape_debug())]
    Network(String),
    /// A network that covers most of the internet.
    #[error(
        "'{0}' is a large part of all addresses: name smaller networks (IPv4 from /8, IPv6 from /7 on), or write 'any' for every name and public address"
    )]
    LargeNetwork(String),
    /// The host is missing.
    #[error("the rule has no host: write one, such as 'example.com'")]
    NoHost,
    /// `*`, which would allow everything.
    #[error(
        "'*' would allow every host: name the hosts, such as 'example.com' or '*.example.com', or write 'any' for every name and public address"
    )]
    Everything,
    /// `*.com` or `*.co.uk`, under which anybody can have a name.
    #[error(
        "'*.{0}' would allow a whole public suffix, where anybody can register a name: write a \
         longer domain, such as '*.example.{0}'"
    )]
    TooBroad(DnsName),
    /// A star that is not the whole first label, or does not precede a name.
    #[error("'*' can only stand for the labels before a domain{}", instead(.0.as_deref()))]
    Wildcard(Option<String>),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets: write '[{0}]' or '[{0}]:8080'")]
    BareIpv6(String),
    /// A port that is not a number from 1 to 65535.
    #[error(
        "'{}' is not a port: write a number from 1 to 65535 without leading zeros, or a range such as '8000-8099'",
        .0.escape_debug()
    )]
    Port(String),
    /// A `to` list with something that is not an address.
    #[error("'{}' is not an address: after 'to' come addresses, networks, and 'public', with commas between them", .0.escape_debug())]
    To(String),
    /// A `to` list for a host that is an address itself.
    #[error("'to' limits the addresses of a name, and {0} is not a name: remove it")]
    ToWithoutName(&'static str),
    /// A host that does not parse.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The second half of a message: what to write instead.
fn instead(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |text| format!(": write '{text}'"))
}
