//! The meaning of a frame, and its possible replies, by `FRAMES.md` alone.

/// A frame in its parts.
pub(crate) struct Frame<'a> {
    pub(crate) command: u8,
    pub(crate) id: u32,
    pub(crate) arg: u32,
    pub(crate) payload: &'a [u8],
}

pub(crate) const CONNECT: u8 = 1;
pub(crate) const START_TLS: u8 = 3;
pub(crate) const REQUEST: u8 = 5;
pub(crate) const WRITE: u8 = 6;
pub(crate) const HEAD: u8 = 8;
pub(crate) const READ: u8 = 9;
pub(crate) const POLL: u8 = 10;
pub(crate) const CLOSE: u8 = 11;
pub(crate) const RESOLVE: u8 = 12;
/// The bit of `arg` for a body that ends with the frame.
pub(crate) const WHOLE: u32 = 256;

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b))
}

impl<'a> Frame<'a> {
    /// The parts, or the code of the error that the header alone causes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, u8> {
        if bytes.len() < 16 {
            return Err(128);
        }
        let (header, payload) = bytes.split_at(16);
        if header[0] != 1 {
            return Err(129);
        }
        if header[2..4] != [0, 0] || number(&header[12..]) as usize != payload.len() {
            return Err(128);
        }
        let command = header[1];
        match command {
            WRITE | 1 | 3 | 5 | 10 | 12 => {}
            HEAD | READ if payload.len() == 8 => {}
            2 | 4 | 7 | 8 | 9 | 11 if payload.is_empty() => {}
            2 | 4 | 7 | 8 | 9 | 11 => return Err(128),
            _ => return Err(130),
        }
        Ok(Self {
            command,
            id: number(&header[4..8]),
            arg: number(&header[8..12]),
            payload,
        })
    }

    /// Whether the command needs an id.
    pub(crate) fn has_id(&self) -> bool {
        !matches!(self.command, CONNECT | POLL | RESOLVE)
    }

    /// Whether everything that the command ignores is 0, and the rest is in range.
    pub(crate) fn is_plain(&self) -> bool {
        match self.command {
            CONNECT => self.id == 0 && self.arg <= 0xFFFF,
            START_TLS => self.arg < 128 && self.arg & 3 != 3 && self.arg & 24 != 24,
            REQUEST => self.arg <= 2 || matches!(self.arg, 257 | 258),
            WRITE => matches!(self.arg, 0 | WHOLE),
            HEAD => self.arg == 0 || self.has_timeout(),
            READ => self.arg != 0,
            RESOLVE => self.id == 0 && self.arg == 0,
            POLL => self.id == 0 && self.arg == 0 && self.payload.len().is_multiple_of(8),
            _ => self.arg == 0,
        }
    }

    /// Whether it is a `head` or `read` that waits.
    pub(crate) fn has_timeout(&self) -> bool {
        matches!(self.command, HEAD | READ) && self.payload.len() == 8
    }

    /// Whether it is a request with its body.
    pub(crate) fn has_body(&self) -> bool {
        self.command == REQUEST && self.arg & WHOLE != 0
    }

    /// Checks what the host learned of the frame, of the commands that it sees entirely. Returns what was
    /// not told: a body.
    pub(crate) fn check_told<'t>(&'t self, told: &[u8]) -> &'t [u8] {
        assert!(matches!(
            self.command,
            CONNECT | START_TLS | REQUEST | RESOLVE
        ));
        let arg = if self.has_body() {
            self.arg & !WHOLE
        } else {
            self.arg
        };
        let told = told.strip_prefix(&arg.to_le_bytes()).expect("the argument");
        let rest = self
            .payload
            .strip_prefix(told)
            .expect("what the frame says");
        assert!(self.has_body() || rest.is_empty());
        rest
    }
}

/// A reply in its parts.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u8,
    pub(crate) code: u8,
    pub(crate) detail: u8,
    pub(crate) value: u32,
    pub(crate) payload: Vec<u8>,
}

impl Reply {
    /// Parses a whole reply; every reply has this form.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let (header, payload) = bytes.split_at(16);
        let reply = Self {
            status: header[1],
            code: header[2],
            detail: header[3],
            value: number(&header[4..8]),
            payload: payload.to_vec(),
        };
        assert_eq!((header[0], number(&header[8..12])), (1, 0), "{reply:?}");
        assert_eq!(number(&header[12..]) as usize, payload.len());
        match reply.status {
            0 => assert_eq!((reply.code, reply.detail), (0, 0)),
            // 1: the peer requests the body of the request.
            1 => assert!(matches!(
                (reply.code, reply.detail, reply.value),
                (0, 0, 0 | 1)
            )),
            2 => assert!(matches!(reply.code, 1..=11 | 128..=134), "{reply:?}"),
            _ => panic!("{reply:?}"),
        }
        let has_payload = matches!(reply.status, 0) || matches!(reply.code, 1..=11);
        assert!(has_payload || payload.is_empty(), "{reply:?}");
        if matches!(reply.code, 1..=11) {
            reply.text();
        }
        reply
    }

    /// The text of an error of the host, and the bytes after it.
    pub(crate) fn text(&self) -> (&str, &[u8]) {
        let (size, rest) = self.payload.split_at(4);
        let (text, rest) = rest.split_at(number(size) as usize);
        (std::str::from_utf8(text).expect("a text"), rest)
    }
}
