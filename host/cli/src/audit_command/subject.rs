//! Reconstructs the subject of a decision from a log.

use sandbox_net::policy::{Endpoint, Host, Origin};

use crate::url;
use sandbox_net::{DecisionRecord, LookupRecord, Stage};

/// A decision's target and method, in the form in which the policy judges them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Connect(Endpoint),
    Tunnel(Endpoint),
    Tls(Origin),
    Request {
        origin: Origin,
        method: Vec<u8>,
        path: Vec<u8>,
    },
}

/// Why a record does not say what was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclear {
    /// The log has only its beginning.
    CutShort,
    /// A policy cannot judge it.
    Malformed,
}

impl Subject {
    pub(super) fn of(record: &DecisionRecord) -> Result<Self, Unclear> {
        let method = record.method.as_deref();
        if [&*record.target, method.unwrap_or_default()]
            .iter()
            .any(|text| text.ends_with('…'))
        {
            return Err(Unclear::CutShort);
        }
        let (target, malformed) = (&*record.target, Unclear::Malformed);
        Ok(match record.stage {
            Stage::Connect => Self::Connect(url::endpoint(target).map_err(|_| malformed)?),
            Stage::Tunnel => Self::Tunnel(url::endpoint(target).map_err(|_| malformed)?),
            Stage::Tls => match url::split(target, None).map_err(|_| malformed)? {
                (origin, "") => Self::Tls(origin),
                _ => return Err(malformed),
            },
            Stage::Request => {
                let (origin, path) = url::split(target, None).map_err(|_| malformed)?;
                Self::Request {
                    origin,
                    method: unescaped(method.unwrap_or_default()).ok_or(malformed)?,
                    path: unescaped(path).ok_or(malformed)?,
                }
            }
        })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Connect(endpoint) | Self::Tunnel(endpoint) => endpoint,
            Self::Tls(origin) | Self::Request { origin, .. } => &origin.endpoint,
        }
    }
}

/// The host that a lookup asked about.
pub(super) fn name(record: &LookupRecord) -> Option<String> {
    let host = Host::parse(&record.name).ok()?;
    Some(host.to_string())
}

/// The host of a target at any stage.
pub(super) fn host(stage: Stage, target: &str) -> Option<String> {
    let endpoint = match stage {
        Stage::Connect | Stage::Tunnel => url::endpoint(target).ok()?,
        Stage::Tls | Stage::Request => url::split(target, None).ok()?.0.endpoint,
    };
    Some(endpoint.host.to_string())
}

/// Undoes [`escape_ascii`](slice::escape_ascii), with which paths and methods are recorded.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            (_, true) => match rest.next()? {
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                plain @ (b'\\' | b'\'' | b'"') => plain,
                b'x' => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    u8::try_from(digit()? * 16 + digit()?).ok()?
                }
                _ => return None,
            },
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_from_a_record() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&all.escape_ascii().to_string()), Some(all));
        for text in ["\\", "\\q", "\\x4", "\\xzz", "\\x+1", "\\u{1b}"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
    }

    #[test]
    fn hosts_are_read_as_the_policy_reads_them() {
        for (stage, target, expected) in [
            (Stage::Connect, "A.test:443", Some("a.test")),
            (Stage::Connect, "[::1]:443", Some("::1")),
            (Stage::Connect, "a.test", None),
            (Stage::Tunnel, "a.test:22", Some("a.test")),
            (Stage::Tls, "https://a.test:8443", Some("a.test")),
            (Stage::Request, "http://a.test/\\xff…", Some("a.test")),
            (Stage::Request, "a.test/", None),
            (Stage::Request, "https://\u{1b}[31m/", None),
        ] {
            assert_eq!(host(stage, target).as_deref(), expected, "{target}");
        }
    }
}
