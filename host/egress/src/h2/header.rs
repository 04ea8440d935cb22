//! The header of a frame.

/// The header of a frame (RFC 9113 section 4.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Header {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const PUSH_PROMISE: u8 = 5;
    pub(super) const CONTINUATION: u8 = 9;

    pub(super) fn read([a, b, c, kind, flags, stream @ ..]: [u8; 9]) -> Self {
        Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            // The first bit is reserved.
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn frame(self) -> Frame {
        match self.kind {
            Self::DATA if self.length > 0 => Frame::Data(self.length),
            Self::HEADERS => Frame::Headers,
            _ => Frame::Other,
        }
    }
}

/// The type of a frame, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// DATA with this many bytes, at least one.
    Data(usize),
    Headers,
    Other,
}
