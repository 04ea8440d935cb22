//! The layout of the head of an HTTP/1.1 request.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use crate::body_kind::BodyKind;
use crate::fields::Fields;
use sandbox_net_policy::Origin;

/// The order of a request's field lines, and the spelling of those that the host sends itself:
/// `Host`, framing fields, and `Connection`. Their values are the host's own, except for
/// `Connection`, which has two known values, and a `Host` without a port. HTTP/2 uses none of this.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The names of all lines, in order.
    names: Vec<Vec<u8>>,
    /// `close` or `keep-alive`, as the guest spelled it.
    connection: Option<Vec<u8>>,
    /// The value of the first `Host`, which the policy has not checked yet.
    host: Option<Vec<u8>>,
}

/// A line of a head, and whether it is the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Cow<'a, [u8]>,
    is_own: bool,
}

impl<'a> Line<'a> {
    /// A line that the host sends itself.
    pub(crate) fn own(name: &'static [u8], value: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            name,
            value: value.into(),
            is_own: true,
        }
    }

    /// A line of the guest.
    pub(crate) fn of_guest(name: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            name,
            value: value.into(),
            is_own: false,
        }
    }

    /// Its bytes in HTTP/1.1.
    pub(crate) fn size(&self) -> usize {
        self.name.len() + self.value.len() + ": \r\n".len()
    }
}

impl Layout {
    /// The layout of a head as the guest wrote it. Removes from `fields` what the host sends itself:
    /// a `Content-Length` or `Transfer-Encoding` (RFC 9112 section 6) that agrees with `kind`, and a
    /// `Connection` (RFC 9110 section 7.6.1) with `close` or `keep-alive`. Any other one stays, for
    /// the policy to refuse.
    #[must_use]
    pub fn take(fields: &mut Fields, kind: BodyKind) -> Self {
        let names = fields.iter().map(|(name, _)| name.clone()).collect();
        let host = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        let host = host.map(|(_, value)| value.trim_ascii().to_vec());
        take_only(fields, "content-length", |value| match kind {
            BodyKind::Sized(length) => number(value) == Some(length),
            BodyKind::None | BodyKind::Chunked => false,
        });
        take_only(fields, "transfer-encoding", |value| {
            kind == BodyKind::Chunked && value.eq_ignore_ascii_case(b"chunked")
        });
        let connection = take_only(fields, "connection", |value| {
            value.eq_ignore_ascii_case(b"close") || value.eq_ignore_ascii_case(b"keep-alive")
        });
        Self {
            names,
            connection,
            host,
        }
    }

    /// The value of `Host`: as the guest wrote it if that is the origin's host alone, because many
    /// programs omit the port; else the origin's authority.
    pub(crate) fn host(&self, origin: &Origin) -> Vec<u8> {
        let alone = origin.endpoint.host.in_authority();
        let written = self.host.as_deref();
        let written = written.filter(|value| value.eq_ignore_ascii_case(alone.as_bytes()));
        written.map_or_else(|| origin.authority().into_bytes(), <[u8]>::to_vec)
    }

    /// What it requests for the connection: `close`, `keep-alive`, or nothing.
    pub(crate) fn connection(&self) -> Option<&[u8]> {
        self.connection.as_deref()
    }

    /// Whether the connection is to be closed after the response (RFC 9112 section 9.6).
    pub(crate) fn closes(&self) -> bool {
        self.connection()
            .is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
    }

    /// Orders the lines. A line without a place goes to the beginning if it is `Host`, and to the
    /// end otherwise.
    pub(crate) fn arrange<'a>(&'a self, lines: Vec<Line<'a>>) -> Vec<Line<'a>> {
        let mut places: HashMap<Vec<u8>, VecDeque<usize>> = HashMap::new();
        for (place, name) in self.names.iter().enumerate() {
            let places = places.entry(name.to_ascii_lowercase()).or_default();
            places.push_back(place);
        }
        let mut placed: Vec<_> = lines
            .into_iter()
            .map(|line| {
                let places = places.get_mut(&line.name.to_ascii_lowercase());
                let place = places.and_then(VecDeque::pop_front);
                let name = match place {
                    Some(place) if line.is_own => &self.names[place],
                    _ => line.name,
                };
                let is_first = place.is_none() && line.is_own && line.name == b"Host";
                let rank = (!is_first).then(|| place.unwrap_or(usize::MAX));
                (rank, Line { name, ..line })
            })
            .collect();
        placed.sort_by_key(|(rank, _)| *rank);
        placed.into_iter().map(|(_, line)| line).collect()
    }
}

/// Removes the only field of a name, which is in lower case, if its value is a known one.
pub fn take_only(
    fields: &mut Fields,
    name: &str,
    is_known: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let is_one = |(own, _): &(Vec<u8>, Vec<u8>)| own.eq_ignore_ascii_case(name.as_bytes());
    let place = fields.iter().position(is_one)?;
    let is_only = !fields[place + 1..].iter().any(is_one);
    (is_only && is_known(&fields[place].1)).then(|| fields.remove(place).1)
}

fn number(value: &[u8]) -> Option<u64> {
    let is_decimal = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_decimal)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::{Endpoint, Scheme};

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let line = |(name, value): &(&str, &str)| (name.as_bytes().into(), value.as_bytes().into());
        lines.iter().map(line).collect()
    }

    #[test]
    fn only_what_the_host_would_say_too_is_its_own_to_say() {
        let sized = BodyKind::Sized(5);
        let big = BodyKind::Sized(u64::MAX);
        for (kind, lines, is_taken) in [
            (sized, &[("content-LENGTH", "5")][..], true),
            (sized, &[("Content-Length", "005")], true),
            (BodyKind::Sized(0), &[("Content-Length", "0")], true),
            (big, &[("Content-Length", "18446744073709551615")], true),
            (big, &[("Content-Length", "18446744073709551616")], false),
            (sized, &[("Content-Length", "6")], false),
            (sized, &[("Content-Length", "+5")], false),
            (sized, &[("Content-Length", "5, 5")], false),
            (sized, &[("Content-Length", "")], false),
            (
                sized,
                &[("Content-Length", "5"), ("content-length", "5")],
                false,
            ),
            (BodyKind::None, &[("Content-Length", "0")], false),
            (BodyKind::Chunked, &[("Content-Length", "5")], false),
            (BodyKind::Chunked, &[("transfer-encoding", "Chunked")], true),
            (
                BodyKind::Chunked,
                &[("Transfer-Encoding", "gzip, chunked")],
                false,
            ),
            (
                BodyKind::Chunked,
                &[("Transfer-Encoding", "xchunked")],
                false,
            ),
            (sized, &[("Transfer-Encoding", "chunked")], false),
            (BodyKind::None, &[("Transfer-Encoding", "chunked")], false),
            (sized, &[("Connection", "close")], true),
            (BodyKind::None, &[("connection", "Keep-Alive")], true),
            (sized, &[("Connection", "close, te")], false),
            (sized, &[("Connection", "Authorization")], false),
            (
                sized,
                &[("Connection", "close"), ("Connection", "x-a")],
                false,
            ),
            (sized, &[("Keep-Alive", "timeout=5")], false),
            (sized, &[("Host", "a.test")], false),
        ] {
            let mut left = fields(lines);
            let layout = Layout::take(&mut left, kind);
            let expected = if is_taken { fields(&[]) } else { fields(lines) };
            assert_eq!(left, expected, "{kind:?}");
            assert_eq!(layout.names.len(), lines.len());
        }
    }

    #[test]
    fn a_connection_is_closed_where_the_guest_says_so() {
        for (value, closes) in [("close", true), ("CLOSE", true), ("keep-alive", false)] {
            let layout = Layout::take(&mut fields(&[("Connection", value)]), BodyKind::None);
            assert_eq!(layout.closes(), closes);
            assert_eq!(layout.connection(), Some(value.as_bytes()));
        }
        assert!(!Layout::default().closes());
    }

    #[test]
    fn a_host_is_sent_as_it_was_written_only_where_that_is_the_origins_host_alone() {
        for (host, port, value, sent) in [
            ("a.test", 8080, "a.test", "a.test"),
            ("a.test", 8080, " A.test\t", "A.test"),
            ("a.test", 8080, "a.test:8080", "a.test:8080"),
            ("a.test", 8080, "a.test:08080", "a.test:8080"),
            ("a.test", 8080, "a.test.", "a.test:8080"),
            ("a.test", 80, "a.test:80", "a.test"),
            ("a.test", 8080, "b.test", "a.test:8080"),
            ("a.test", 8080, "a.test\r\nX: y", "a.test:8080"),
            ("::1", 8080, "[::1]", "[::1]"),
            ("::1", 8080, "::1", "[::1]:8080"),
        ] {
            let layout = Layout::take(&mut fields(&[("hOST", value)]), BodyKind::None);
            let origin = Origin {
                scheme: Scheme::Http,
                endpoint: Endpoint::new(host, port).unwrap(),
            };
            let own = layout.host(&origin);
            assert_eq!(
                String::from_utf8(own).unwrap(),
                sent,
                "{host}:{port} {value:?}"
            );
        }
    }

    #[test]
    fn lines_stand_where_the_guest_put_them_and_new_ones_behind() {
        let mut left = fields(&[("A", "1"), ("host", "x"), ("b", "2"), ("a", "3")]);
        let layout = Layout::take(&mut left, BodyKind::None);
        let line = |name: &'static str, value: &'static str, is_own| Line {
            name: name.as_bytes(),
            value: value.as_bytes().into(),
            is_own,
        };
        let lines = vec![
            line("Host", "h.test", true),
            line("X-New", "4", false),
            line("B", "2", false),
            line("A", "1", false),
            line("a", "3", false),
            line("A", "5", false),
            line("Content-Length", "0", true),
        ];
        let arranged = layout.arrange(lines.clone());
        let expected = [
            line("A", "1", false),
            line("host", "h.test", true),
            line("B", "2", false),
            line("a", "3", false),
            line("X-New", "4", false),
            line("A", "5", false),
            line("Content-Length", "0", true),
        ];
        assert_eq!(arranged, expected);
        assert_eq!(Layout::default().arrange(lines.clone()), lines);
    }
}
