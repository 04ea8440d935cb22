//! Frames and replies, as `adapter/FRAMES.md` describes them.

/// The commands' numbers.
pub mod command {
    pub const CONNECT: u8 = 1;
    pub const STATUS: u8 = 2;
    pub const START_TLS: u8 = 3;
    pub const TLS_INFO: u8 = 4;
    pub const REQUEST: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const FINISH: u8 = 7;
    pub const HEAD: u8 = 8;
    pub const READ: u8 = 9;
    pub const POLL: u8 = 10;
    pub const CLOSE: u8 = 11;
    pub const RESOLVE: u8 = 12;
}

/// The body ends with these bytes.
pub const WHOLE: u32 = 256;
/// Bits of the `value` of a reply: the bytes are the last ones, and the exchange is closed.
pub const LAST: u32 = 2;
pub const CLOSED: u32 = 4;

/// The adapter's own errors.
pub mod fault {
    pub const FRAME: u8 = 128;
    pub const VERSION: u8 = 129;
    pub const COMMAND: u8 = 130;
    pub const HANDLE: u8 = 131;
    pub const HANDLES: u8 = 132;
    pub const SIZE: u8 = 133;
    pub const MEMORY: u8 = 134;
}

/// The interests of a poll entry.
pub const PROGRESS: u8 = 1;
pub const READABLE: u8 = 2;
pub const WRITABLE: u8 = 4;
pub const FOREVER: u64 = u64::MAX;

/// A whole frame.
pub fn frame(command: u8, id: u32, arg: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, command, 0, 0];
    for number in [id, arg, payload.len() as u32] {
        frame.extend(number.to_le_bytes());
    }
    frame.extend(payload);
    frame
}

/// The payload of a `connect`.
pub fn connect(timeout: u64, host: &[u8]) -> Vec<u8> {
    [&timeout.to_le_bytes()[..], host].concat()
}

/// What a `start-tls` requests besides its verification.
#[derive(Clone, Copy, Default)]
pub struct Tls<'a> {
    pub name: &'a [u8],
    pub alpn: &'a [&'a [u8]],
    pub roots: &'a [&'a [u8]],
    pub certificates: &'a [&'a [u8]],
    pub key: &'a [u8],
}

impl Tls<'_> {
    /// The payload of the frame.
    pub fn payload(&self) -> Vec<u8> {
        let mut names = Vec::new();
        for protocol in self.alpn {
            names.push(protocol.len() as u8);
            names.extend(*protocol);
        }
        let mut payload = Vec::new();
        for text in [self.name, &names] {
            payload.extend((text.len() as u16).to_le_bytes());
            payload.extend(text);
        }
        for list in [self.roots, self.certificates] {
            payload.extend((list.len() as u16).to_le_bytes());
            list.iter().for_each(|der| put_der(&mut payload, der));
        }
        put_der(&mut payload, self.key);
        payload
    }
}

fn put_der(payload: &mut Vec<u8>, der: &[u8]) {
    payload.extend((der.len() as u32).to_le_bytes());
    payload.extend(der);
}

/// The payload of a `start-tls` without certificates.
pub fn start_tls(name: &[u8], alpn: &[&[u8]]) -> Vec<u8> {
    let tls = Tls {
        name,
        alpn,
        ..Tls::default()
    };
    tls.payload()
}

/// The payload of a `request`.
pub fn request(size: u64, method: &[u8], path: &[u8], fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut payload = size.to_le_bytes().to_vec();
    payload.extend((method.len() as u16).to_le_bytes());
    payload.extend(method);
    payload.extend((path.len() as u32).to_le_bytes());
    payload.extend(path);
    payload.extend((fields.len() as u16).to_le_bytes());
    for (name, value) in fields {
        payload.extend((name.len() as u16).to_le_bytes());
        payload.extend((value.len() as u32).to_le_bytes());
        payload.extend(*name);
        payload.extend(*value);
    }
    payload
}

/// The payload of a `poll`.
pub fn poll(timeout: u64, entries: &[(u32, u8)]) -> Vec<u8> {
    let mut payload = timeout.to_le_bytes().to_vec();
    for (id, interests) in entries {
        payload.extend(id.to_le_bytes());
        payload.extend([*interests, 0, 0, 0]);
    }
    payload
}

/// The contents of a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    Ok {
        value: u32,
        payload: Vec<u8>,
    },
    Pending,
    /// The peer requests the body of the request.
    Continue,
    Error {
        code: u8,
        detail: u8,
        payload: Vec<u8>,
    },
}

impl Reply {
    /// Reads a whole reply, and checks what holds for every reply.
    pub fn parse(bytes: &[u8]) -> Reply {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let payload = bytes[16..].to_vec();
        assert_eq!(bytes[0], 1, "version");
        assert_eq!(number(8), 0, "extra");
        assert_eq!(number(12) as usize, payload.len(), "length");
        match *bytes {
            [_, 0, 0, 0, ..] => Reply::Ok {
                value: number(4),
                payload,
            },
            [_, 1, 0, 0, ..] if number(4) == 0 && payload.is_empty() => Reply::Pending,
            [_, 1, 0, 0, ..] if number(4) == 1 && payload.is_empty() => Reply::Continue,
            [_, 2, code, detail, ..] if number(4) == 0 => Reply::Error {
                code,
                detail,
                payload,
            },
            _ => panic!("not a reply: {:x?}", &bytes[..16]),
        }
    }

    /// A reply with only a number.
    pub fn value(value: u32) -> Reply {
        Reply::Ok {
            value,
            payload: Vec::new(),
        }
    }

    /// A reply with only bytes.
    pub fn bytes(payload: &[u8]) -> Reply {
        Reply::Ok {
            value: 0,
            payload: payload.to_vec(),
        }
    }

    /// One of the adapter's own errors.
    pub fn fault(code: u8) -> Reply {
        Reply::Error {
            code,
            detail: 0,
            payload: Vec::new(),
        }
    }

    /// An error of the host: its text, and the bytes after it.
    pub fn error(code: u8, detail: u8, text: &str, rest: &[u8]) -> Reply {
        let length = (text.len() as u32).to_le_bytes();
        let payload = [&length[..], text.as_bytes(), rest].concat();
        Reply::Error {
            code,
            detail,
            payload,
        }
    }

    /// The complete end of a body, followed by these fields.
    pub fn trailers(fields: &[(&[u8], &[u8])]) -> Reply {
        let payload = request(0, b"", b"", fields).split_off(14);
        Reply::Ok { value: 1, payload }
    }

    /// The id in a reply to `connect`, `request` or `resolve`.
    pub fn id(&self) -> u32 {
        match self {
            Reply::Ok { value, payload } if payload.is_empty() && *value != 0 => *value,
            other => panic!("no id: {other:?}"),
        }
    }
}
