//! The target of a request: scheme, endpoint, origin.

use std::fmt;

use crate::host::Host;
use crate::host_error::HostError;

/// A scheme of HTTP (RFC 9110 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Both schemes.
    pub const ALL: [Self; 2] = [Self::Http, Self::Https];

    /// The scheme as in a URL, without `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL of this scheme that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The target of a connection: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Parses the host, without brackets around IPv6, and takes the port.
    ///
    /// # Errors
    ///
    /// What [`Host::parse`] refuses, and port 0.
    pub fn new(host: &str, port: u16) -> Result<Self, HostError> {
        if port == 0 {
            return Err(HostError::PortZero);
        }
        Ok(Self {
            host: Host::parse(host)?,
            port,
        })
    }
}

/// `host:port`, with IPv6 in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.in_authority(), self.port)
    }
}

/// An origin (RFC 6454): the scheme, host and port that requests on a connection are for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host and port.
    pub endpoint: Endpoint,
}

impl Origin {
    /// The value of `Host` and `:authority` for this origin; the default port is omitted.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.endpoint.port == self.scheme.default_port() {
            self.endpoint.host.in_authority()
        } else {
            self.endpoint.to_string()
        }
    }
}

/// `scheme://host[:port]`; the default port is omitted.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_leaves_out_only_its_own_schemes_default_port() {
        for (scheme, host, port, authority) in [
            (Scheme::Http, "Example.com", 80, "example.com"),
            (Scheme::Http, "example.com", 443, "example.com:443"),
            (Scheme::Https, "example.com", 443, "example.com"),
            (Scheme::Https, "example.com", 80, "example.com:80"),
            (Scheme::Https, "::1", 443, "[::1]"),
            (Scheme::Https, "::1", 8443, "[::1]:8443"),
            (Scheme::Http, "127.0.0.1", 8080, "127.0.0.1:8080"),
        ] {
            let origin = Origin {
                scheme,
                endpoint: Endpoint::new(host, port).unwrap(),
            };
            assert_eq!(origin.authority(), authority);
            assert_eq!(origin.to_string(), format!("{scheme}://{authority}"));
        }
    }

    #[test]
    fn an_endpoint_always_shows_its_port() {
        assert_eq!(Endpoint::new("::1", 80).unwrap().to_string(), "[::1]:80");
        assert_eq!(
            Endpoint::new("a.test", 443).unwrap().to_string(),
            "a.test:443"
        );
    }

    #[test]
    fn port_zero_is_refused() {
        assert_eq!(Endpoint::new("a.test", 0), Err(HostError::PortZero));
    }
}
