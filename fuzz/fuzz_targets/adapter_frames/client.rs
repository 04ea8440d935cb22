//! Connections, lookups and exchanges of the host.

use std::cell::Cell;
use std::rc::Rc;

use crate::host::{Call, Resource, fail, give, next, outcome, record, text};
use crate::streams::{Error, InputStream, OutputStream, Pollable};
use crate::types::*;

pub(crate) struct Connection(Resource);

pub(crate) struct Lookup(Resource);

pub(crate) struct Exchange {
    resource: Resource,
    has_request_body: Cell<bool>,
    has_response_body: Cell<bool>,
    /// Shared with the stream of the request's body while that exists.
    writing: Rc<()>,
}

/// A length or a count before bytes, as in frames.
fn sized<const N: usize>(out: &mut Vec<u8>, number: usize) {
    let bytes = (number as u64).to_le_bytes();
    assert!(bytes[N..].iter().all(|b| *b == 0), "{number} in {N} bytes");
    out.extend_from_slice(&bytes[..N]);
}

pub(crate) fn connect(
    host: &str,
    port: u16,
    options: ConnectOptions,
) -> Result<Connection, ErrorCode> {
    assert!(std::str::from_utf8(host.as_bytes()).is_ok(), "not UTF-8");
    let timeout = options.timeout.unwrap_or(0);
    let mut told = u32::from(port).to_le_bytes().to_vec();
    told.extend_from_slice(&timeout.to_le_bytes());
    told.extend_from_slice(host.as_bytes());
    record(Call::Told(told));
    outcome().map(|()| Connection(Resource::new(None)))
}

pub(crate) fn resolve(host: &str) -> Result<Lookup, ErrorCode> {
    assert!(std::str::from_utf8(host.as_bytes()).is_ok(), "not UTF-8");
    let told = [&0_u32.to_le_bytes(), host.as_bytes()].concat();
    record(Call::Told(told));
    outcome().map(|()| Lookup(Resource::new(None)))
}

impl Lookup {
    pub(crate) fn subscribe(&self) -> Pollable {
        Pollable::of(&self.0)
    }

    pub(crate) fn status(&self) -> Option<Result<(), ErrorCode>> {
        record(Call::Asked);
        (next() & 3 != 3).then(outcome)
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddress> {
        record(Call::Asked);
        let address = |number: u8| match number & 1 {
            0 => IpAddress::Ipv4((number, next(), 0, 1)),
            _ => IpAddress::Ipv6((number.into(), next().into(), 0, 0, 0, 0, 0, 1)),
        };
        (0..next() & 3).map(|_| address(next())).collect()
    }
}

pub(crate) fn close(connection: Connection) {
    record(Call::Asked);
    drop(connection);
}

impl Connection {
    pub(crate) fn subscribe(&self) -> Pollable {
        Pollable::of(&self.0)
    }

    pub(crate) fn status(&self) -> Option<Result<(), ErrorCode>> {
        record(Call::Asked);
        (next() & 3 != 3).then(outcome)
    }

    pub(crate) fn start_tls(&self, name: &str, options: TlsOptions<'_>) -> Result<(), ErrorCode> {
        assert!(std::str::from_utf8(name.as_bytes()).is_ok(), "not UTF-8");
        let verification = match options.verification {
            Verification::None => 0,
            Verification::Full => 1,
            Verification::NameUnchecked => 2,
        };
        let versions = match options.versions {
            TlsVersions::All => 0,
            TlsVersions::V12 => 1,
            TlsVersions::V13 => 2,
        };
        let checks = match options.checks {
            ChainChecks::Usual => 0,
            ChainChecks::Strict => 1,
            ChainChecks::Partial => 2,
            ChainChecks::StrictPartial => 3,
        };
        let roots = u32::from(options.host_roots);
        let settings: u32 = verification | roots << 2 | versions << 3 | checks << 5;
        let mut told = settings.to_le_bytes().to_vec();
        sized::<2>(&mut told, name.len());
        told.extend_from_slice(name.as_bytes());
        let names: usize = options.alpn.iter().map(|name| 1 + name.len()).sum();
        sized::<2>(&mut told, names);
        for protocol in options.alpn {
            assert!(!protocol.is_empty(), "RFC 7301 section 3.1");
            sized::<1>(&mut told, protocol.len());
            told.extend_from_slice(protocol);
        }
        ders(&mut told, options.roots);
        let (certificates, key) = match options.client_certificate {
            Some(client) => {
                assert!(!client.certificates.is_empty() && !client.key.is_empty());
                (client.certificates, client.key)
            }
            None => Default::default(),
        };
        ders(&mut told, certificates);
        sized::<4>(&mut told, key.len());
        told.extend_from_slice(key);
        record(Call::Told(told));
        outcome()
    }

    pub(crate) fn tls(&self) -> Option<TlsInfo> {
        record(Call::Asked);
        let count = usize::from(next());
        if count & 7 == 7 {
            return None;
        }
        let is_known = count & 8 == 0;
        let info = TlsInfo {
            version: is_known.then(|| u16::from(next())),
            cipher: is_known.then(text),
            alpn: give(usize::from(next()) * 2),
            certificates: (0..count & 7).map(|_| give(usize::from(next()))).collect(),
        };
        let mut gave = info.version.unwrap_or(0).to_le_bytes().to_vec();
        let cipher = info.cipher.as_deref().unwrap_or_default();
        if info.alpn.len() < 256 {
            sized::<1>(&mut gave, cipher.len());
            gave.extend_from_slice(cipher.as_bytes());
            sized::<1>(&mut gave, info.alpn.len());
            gave.extend_from_slice(&info.alpn);
            sized::<2>(&mut gave, info.certificates.len());
            for der in &info.certificates {
                sized::<4>(&mut gave, der.len());
                gave.extend_from_slice(der);
            }
            record(Call::Gave(gave));
        }
        Some(info)
    }
}

pub(crate) fn request(
    on: &Connection,
    head: RequestHead<'_>,
    body: BodyKind,
) -> Result<Exchange, ErrorCode> {
    assert!(on.0.is_alone());
    let (kind, size) = match body {
        BodyKind::None => (0, 0),
        BodyKind::Sized(size) => (1, size),
        BodyKind::Chunked => (2, 0),
    };
    let mut told = u32::to_le_bytes(kind).to_vec();
    told.extend_from_slice(&size.to_le_bytes());
    sized::<2>(&mut told, head.method.len());
    told.extend_from_slice(head.method);
    sized::<4>(&mut told, head.path.len());
    told.extend_from_slice(head.path);
    fields(&mut told, head.fields.iter().copied());
    record(Call::Told(told));
    outcome().map(|()| Exchange {
        resource: Resource::new(None),
        has_request_body: Cell::new(false),
        has_response_body: Cell::new(false),
        writing: Rc::default(),
    })
}

fn ders(out: &mut Vec<u8>, list: &[&[u8]]) {
    sized::<2>(out, list.len());
    for der in list {
        sized::<4>(out, der.len());
        out.extend_from_slice(der);
    }
}

fn fields<'a>(out: &mut Vec<u8>, list: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>) {
    sized::<2>(out, list.len());
    for (name, value) in list {
        sized::<2>(out, name.len());
        sized::<4>(out, value.len());
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }
}

impl Exchange {
    pub(crate) fn body(&self) -> Result<OutputStream, ErrorCode> {
        outcome()?;
        assert!(!self.has_request_body.replace(true), "the stream was taken");
        Ok(OutputStream::new(&self.resource, &self.writing))
    }

    pub(crate) fn finish_body(&self) -> Result<(), ErrorCode> {
        let owners = Rc::strong_count(&self.writing);
        assert_eq!(owners, 1, "the stream is still there");
        record(Call::Asked);
        outcome()
    }

    pub(crate) fn subscribe(&self) -> Pollable {
        Pollable::of(&self.resource)
    }

    pub(crate) fn head(&self) -> Option<Result<ResponseHead, ErrorCode>> {
        record(Call::Asked);
        let choice = next();
        if choice & 7 == 7 {
            return None;
        }
        if let Err(error) = outcome() {
            return Some(Err(error));
        }
        let reason = if choice == 100 { 70_000 } else { next().into() };
        let head = ResponseHead {
            status: u16::from(next()) * 4,
            version: match choice & 3 {
                0 => HttpVersion::Http10,
                1 => HttpVersion::Http11,
                2 => HttpVersion::Http2,
                _ => HttpVersion::Unknown,
            },
            reason: give(reason),
            fields: (0..choice >> 3)
                .map(|_| (give(next().into()), give(usize::from(next()) * 64)))
                .collect(),
        };
        let mut gave = head.status.to_le_bytes().to_vec();
        gave.extend([[10, 11, 20, 0][usize::from(choice & 3)], 0]);
        if reason < 70_000 {
            sized::<2>(&mut gave, reason);
            gave.extend_from_slice(&head.reason);
            let list = head.fields.iter();
            fields(&mut gave, list.map(|(name, value)| (&name[..], &value[..])));
            record(Call::Gave(gave));
        }
        Some(Ok(head))
    }

    pub(crate) fn response_body(&self) -> Result<InputStream, ErrorCode> {
        outcome()?;
        assert!(
            !self.has_response_body.replace(true),
            "the stream was taken"
        );
        Ok(InputStream::of(&self.resource))
    }

    pub(crate) fn continued(&self) -> bool {
        record(Call::Asked);
        next() & 1 == 1
    }

    pub(crate) fn trailers(&self) -> Option<Result<Vec<FieldResult>, ErrorCode>> {
        let count = usize::from(next());
        match count {
            0xF0.. => return None,
            0xE0.. => {
                record(Call::Trailers(Vec::new()));
                return Some(Err(fail()));
            }
            _ => {}
        }
        let fields: Vec<FieldResult> = (0..count & 7)
            .map(|_| (give(next().into()), give(usize::from(next()) * 64)))
            .collect();
        let mut gave = Vec::new();
        if !fields.is_empty() {
            let list = fields.iter();
            self::fields(&mut gave, list.map(|(name, value)| (&name[..], &value[..])));
        }
        record(Call::Trailers(gave));
        Some(Ok(fields))
    }

    pub(crate) fn failure(&self, _error: Option<&Error>) -> Option<ErrorCode> {
        (next() & 3 != 3).then(fail)
    }
}
