//! Writes the head of a response, and knows how its body ends.

use bytes::Bytes;
use sandbox_net_egress::{Fields, HttpVersion, ResponseHead};

use super::framing::options;
use super::head::Head;
use super::version::Version;

/// How a response's body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// There is none.
    None,
    /// As it is, for as long as the head says.
    Length(u64),
    /// In chunks.
    Chunked,
    /// As it is, up to the end of the connection.
    Close,
}

/// The head of a response as it is written, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnswerHead {
    pub(crate) bytes: Vec<u8>,
    pub(crate) coding: Coding,
    /// Whether another request may follow.
    pub(crate) persists: bool,
}

/// An answer of the broker itself, but for its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) status: u16,
    /// The reason phrase, if it is not the usual one of the status.
    pub(crate) phrase: Option<String>,
    pub(crate) fields: Fields,
}

impl Own {
    /// An answer with a body of this type.
    pub(crate) fn new(status: u16, content_type: &str) -> Self {
        Self {
            status,
            phrase: None,
            fields: vec![(b"Content-Type".into(), content_type.into())],
        }
    }

    /// An answer with JSON.
    pub(crate) fn json(status: u16) -> Self {
        Self::new(status, "application/json")
    }

    /// The same with another field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// The same with a sentence for its reason phrase: many programs show it, and not the body.
    pub(crate) fn saying(mut self, sentence: &str) -> Self {
        let shown = |letter: char| match letter {
            ' '..='~' => letter,
            _ => '?',
        };
        self.phrase = Some(sentence.chars().take(MAX_PHRASE).map(shown).collect());
        self
    }
}

/// Characters of a reason phrase.
const MAX_PHRASE: usize = 500;

/// Fields that concern one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes what concerns one connection only, and what `Connection` names.
pub(crate) fn without_hops(fields: &Fields) -> Fields {
    let named: Vec<_> = options(fields).map(<[u8]>::to_ascii_lowercase).collect();
    let is_hop = |name: &[u8]| {
        let own = |hop: &&str| name.eq_ignore_ascii_case(hop.as_bytes());
        HOP_BY_HOP.iter().any(own) || named.contains(&name.to_ascii_lowercase())
    };
    // A `Connection` can't hide what frames the message, or says where it goes.
    let stays = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"host")
    };
    let kept = fields
        .iter()
        .filter(|(name, _)| stays(name) || !is_hop(name));
    kept.cloned().collect()
}

impl AnswerHead {
    /// The head as the server wrote it, but for the framing that this client cannot read.
    pub(crate) fn relayed(head: &ResponseHead, request: &Head) -> Self {
        let coding = coding(head, request);
        let mut fields = head.fields.clone();
        match coding {
            Coding::Close | Coding::Length(_) => drop_field(&mut fields, "transfer-encoding"),
            Coding::Chunked if !has(&fields, "transfer-encoding") => {
                fields.push((b"Transfer-Encoding".into(), b"chunked".into()));
            }
            Coding::Chunked | Coding::None => {}
        }
        let persists = persists(head) && request.keeps_alive && coding != Coding::Close;
        Self {
            bytes: text(head, &fields),
            coding,
            persists,
        }
    }

    /// The head as a proxy passes it on: without the fields of the server's own connection.
    pub(crate) fn proxied(head: &ResponseHead, request: &Head) -> Self {
        let coding = coding(head, request);
        let mut fields = without_hops(&head.fields);
        let persists = request.keeps_alive && coding != Coding::Close;
        if coding == Coding::Chunked {
            fields.push((b"Transfer-Encoding".into(), b"chunked".into()));
        }
        fields.extend(connection(request.version, persists));
        Self {
            bytes: text(head, &fields),
            coding,
            persists,
        }
    }

    /// The head of an answer of the broker itself.
    pub(crate) fn own(
        own: Own,
        length: Option<usize>,
        request: Option<&Head>,
        persists: bool,
    ) -> Self {
        let Own {
            status,
            phrase,
            mut fields,
        } = own;
        let version = request.map_or(Version::Http11, |request| request.version);
        let answers_head = request.is_some_and(|request| request.method == b"HEAD");
        let coding = match (length, version) {
            (Some(length), _) => {
                let value = length.to_string().into_bytes();
                fields.push((b"Content-Length".into(), value));
                Coding::Length(length as u64)
            }
            (None, Version::Http11) => {
                fields.push((b"Transfer-Encoding".into(), b"chunked".into()));
                Coding::Chunked
            }
            (None, Version::Http10) => Coding::Close,
        };
        let asks = request.is_none_or(|request| request.keeps_alive);
        let persists = persists && asks && coding != Coding::Close;
        fields.extend(connection(version, persists));
        let phrase = phrase.unwrap_or_else(|| reason(status).to_owned());
        let mut bytes = format!("HTTP/1.1 {status} {phrase}\r\n").into_bytes();
        put(&mut bytes, &fields);
        Self {
            bytes,
            coding: if answers_head { Coding::None } else { coding },
            persists,
        }
    }
}

/// What the broker says about its own connection, where the version's default does not say it.
fn connection(version: Version, persists: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    let option = match (version, persists) {
        (_, false) => "close",
        (Version::Http10, true) => "keep-alive",
        (Version::Http11, true) => return None,
    };
    Some((b"Connection".into(), option.into()))
}

fn text(head: &ResponseHead, fields: &Fields) -> Vec<u8> {
    let version = match head.version {
        HttpVersion::Http10 => "HTTP/1.0",
        HttpVersion::Http11 | HttpVersion::Http2 => "HTTP/1.1",
    };
    let mut bytes = format!("{version} {} ", head.status).into_bytes();
    match head.version {
        HttpVersion::Http2 => bytes.extend_from_slice(reason(head.status).as_bytes()),
        _ => bytes.extend_from_slice(&head.reason),
    }
    bytes.extend_from_slice(b"\r\n");
    put(&mut bytes, fields);
    bytes
}

/// Writes the field lines and the blank line after them.
fn put(bytes: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields {
        for part in [name.as_slice(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
}

/// The trailer fields of a chunked body, after its last chunk.
pub(super) fn last_chunk(trailers: &Fields) -> Bytes {
    let mut bytes = b"0\r\n".to_vec();
    put(&mut bytes, trailers);
    bytes.into()
}

/// How the body of a server's response is written to the client. The server's own framing was
/// checked when it was read.
fn coding(head: &ResponseHead, request: &Head) -> Coding {
    if request.method == b"HEAD" || matches!(head.status, 100..=199 | 204 | 304) {
        return Coding::None;
    }
    let chunked = match request.version {
        Version::Http11 => Coding::Chunked,
        Version::Http10 => Coding::Close,
    };
    if let Some(value) = first(&head.fields, "transfer-encoding") {
        let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        return match codings.any(|one| one.eq_ignore_ascii_case(b"chunked")) {
            true => chunked,
            false => Coding::Close,
        };
    }
    let length = first(&head.fields, "content-length");
    // Several equal ones were accepted.
    let length = length.and_then(|value| value.split(|byte| *byte == b',').next());
    let length = length.and_then(|digits| std::str::from_utf8(digits.trim_ascii()).ok());
    match length.and_then(|digits| digits.parse().ok()) {
        Some(length) => Coding::Length(length),
        None if head.version == HttpVersion::Http2 => chunked,
        None => Coding::Close,
    }
}

/// Whether the server keeps its connection (RFC 9112 section 9.3).
fn persists(head: &ResponseHead) -> bool {
    let says = |option: &[u8]| options(&head.fields).any(|one| one.eq_ignore_ascii_case(option));
    match head.version {
        HttpVersion::Http10 => says(b"keep-alive") && !says(b"close"),
        HttpVersion::Http11 => !says(b"close"),
        HttpVersion::Http2 => true,
    }
}

fn first<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    let is_it = |(own, _): &&(Vec<u8>, Vec<u8>)| own.eq_ignore_ascii_case(name.as_bytes());
    fields.iter().find(is_it).map(|(_, value)| value.as_slice())
}

fn has(fields: &Fields, name: &str) -> bool {
    first(fields, name).is_some()
}

fn drop_field(fields: &mut Fields, name: &str) {
    fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name.as_bytes()));
}

/// The reason phrase of a status (RFC 9110 section 15); empty for one that has none.
fn reason(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or_default()
}
