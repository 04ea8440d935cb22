//! What a session's host and guest say to each other. The guest's half is `session_wire.py`, which
//! describes the bytes.
//!
//! The guest is not trusted: whatever is read here is bounded, and wrong bytes are an error.

use std::borrow::Cow;

/// The first byte of a request, with which no source text begins.
const MARK: u8 = 1;
const BEGINS: &[u8; 4] = b"SNTR";
/// The bytes of a reply before its body.
const HEAD: usize = 16;
/// The bytes of the mailbox.
pub(super) const MAILBOX: u32 = 4096;
/// The least that a reply's body may have.
pub(super) const LEAST: u32 = 4096;

/// What the guest is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    /// Tells one byte of the mailbox's address, by its number, as the status.
    Address,
    /// Makes the program, before any turn.
    Start,
    /// Runs a source text.
    Execute,
    /// Lists how a line may go on.
    Complete,
    /// Says whether a source text needs more lines.
    IsComplete,
    /// Ends the program.
    End,
    /// Notes what is open, before a fork.
    Look,
    /// Gives up what is the parent's, in a copy that has just begun.
    Forked,
}

/// Writes `print` at once.
pub(super) const UNBUFFERED: u8 = 1;
/// Writes each line at once.
pub(super) const BY_LINES: u8 = 2;
/// The parent had something open.
pub(super) const HAS_OPEN: u8 = 4;

/// A request to the guest.
pub(super) struct Request<'a> {
    pub(super) operation: Operation,
    pub(super) number: u32,
    /// The most bytes of the reply's body.
    pub(super) most: u32,
    pub(super) flags: u8,
    pub(super) text: &'a str,
}

impl Request<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let operation = match self.operation {
            Operation::Address => b'A',
            Operation::Start => b'S',
            Operation::Execute => b'E',
            Operation::Complete => b'C',
            Operation::IsComplete => b'I',
            Operation::End => b'Q',
            Operation::Look => b'L',
            Operation::Forked => b'F',
        };
        let mut bytes = Vec::with_capacity(11 + self.text.len());
        bytes.extend([MARK, operation]);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.most.to_le_bytes());
        bytes.push(self.flags);
        bytes.extend(self.text.as_bytes());
        bytes
    }
}

/// Why the guest's answer is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoReply {
    #[error("its interpreter does not answer as the shim does")]
    Other,
    #[error("its reply is longer than it may be")]
    TooLong,
    #[error("its reply can't be read")]
    Malformed,
}

/// Where the body of a reply is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body<'a> {
    Here(&'a [u8]),
    /// At an address in the guest's memory, with a length.
    There(u32, u32),
}

/// The body, of at most so many bytes, of the reply to request `number` in the mailbox.
pub(super) fn body(mailbox: &[u8], number: u32, most: u32) -> Result<Body<'_>, NoReply> {
    let word = |at: usize| {
        let bytes = mailbox.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(NoReply::Other)
    };
    if mailbox.get(..4) != Some(BEGINS) || word(4)? != number {
        return Err(NoReply::Other);
    }
    let (length, address) = (word(8)?, word(12)?);
    if length > most.max(LEAST) {
        return Err(NoReply::TooLong);
    }
    if address != 0 {
        return Ok(Body::There(address, length));
    }
    let body = mailbox
        .get(HEAD..)
        .and_then(|rest| rest.get(..length as usize));
    body.map(Body::Here).ok_or(NoReply::Malformed)
}

/// How a reply says that the request went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Done,
    Raised,
    Interrupted,
}

/// A field of a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tag {
    Text,
    Json,
    Mime,
    Data,
    Type,
    Message,
    Traceback,
    Item,
    Truncated,
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'T' => Self::Text,
            b'J' => Self::Json,
            b'M' => Self::Mime,
            b'D' => Self::Data,
            b'N' => Self::Type,
            b'S' => Self::Message,
            b'B' => Self::Traceback,
            b'I' => Self::Item,
            b'U' => Self::Truncated,
            _ => return None,
        })
    }
}

/// A reply, whose fields are those bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reply<'a> {
    pub(super) kind: Kind,
    fields: &'a [u8],
}

impl<'a> Reply<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, NoReply> {
        let (&kind, fields) = body.split_first().ok_or(NoReply::Malformed)?;
        let kind = match kind {
            0 => Kind::Done,
            1 => Kind::Raised,
            3 => Kind::Interrupted,
            _ => return Err(NoReply::Malformed),
        };
        let reply = Self { kind, fields };
        let mut rest = fields;
        while !rest.is_empty() {
            (_, rest) = field(rest).ok_or(NoReply::Malformed)?;
        }
        Ok(reply)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        let mut rest = self.fields;
        std::iter::from_fn(move || {
            let (found, left) = field(rest)?;
            rest = left;
            Some(found)
        })
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.fields().any(|(one, _)| one == tag)
    }

    /// The first text with this tag.
    pub(super) fn text(&self, tag: Tag) -> Option<Cow<'a, str>> {
        let mut fields = self.fields();
        let (_, bytes) = fields.find(|(one, _)| *one == tag)?;
        Some(String::from_utf8_lossy(bytes))
    }
}

/// A field: its tag and its bytes.
type Field<'a> = (Tag, &'a [u8]);

/// The first field, and what comes after it.
fn field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some(((Tag::of(tag)?, field), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mailbox(number: u32, length: u32, address: u32) -> Vec<u8> {
        let words = [number, length, address].map(u32::to_le_bytes).concat();
        [BEGINS.as_slice(), &words, b"body"].concat()
    }

    #[test]
    fn a_reply_to_another_request_and_one_that_is_too_long_are_none() {
        let found = |bytes: &[u8]| match body(bytes, 7, LEAST) {
            Ok(Body::Here(bytes)) => Ok((bytes.to_vec(), 0)),
            Ok(Body::There(address, length)) => Ok((Vec::new(), address + length)),
            Err(error) => Err(error),
        };
        assert_eq!(found(&mailbox(7, 3, 0)), Ok((b"bod".to_vec(), 0)));
        assert_eq!(found(&mailbox(7, 5, 0)), Err(NoReply::Malformed));
        assert_eq!(found(&mailbox(7, LEAST, 1)), Ok((Vec::new(), LEAST + 1)));
        assert_eq!(found(&mailbox(6, 3, 0)), Err(NoReply::Other));
        for length in [LEAST + 1, u32::MAX] {
            assert_eq!(found(&mailbox(7, length, 9)), Err(NoReply::TooLong));
        }
        assert_eq!(found(&mailbox(7, 3, 0)[..15]), Err(NoReply::Other));
        assert_eq!(found(&[b'X'; 32]), Err(NoReply::Other));
    }

    #[test]
    fn fields_are_read_in_order_and_one_that_is_cut_short_makes_the_reply_none() {
        let body = b"\0T\x02\0\0\0hiJ\x04\0\0\0null";
        let reply = Reply::parse(body).unwrap();
        assert_eq!(reply.kind, Kind::Done);
        assert_eq!(reply.text(Tag::Json).unwrap(), "null");
        assert_eq!(reply.text(Tag::Text).unwrap(), "hi");
        assert!(!reply.has(Tag::Truncated));
        for end in 1..body.len() {
            let cut = Reply::parse(&body[..end]);
            assert!(
                end == 1 || end == 8 || cut == Err(NoReply::Malformed),
                "{end}"
            );
        }
        assert_eq!(Reply::parse(b""), Err(NoReply::Malformed));
        assert_eq!(Reply::parse(b"\x09"), Err(NoReply::Malformed));
        assert_eq!(Reply::parse(b"\0?\0\0\0\0"), Err(NoReply::Malformed));
        let endless = b"\0T\xff\xff\xff\xffx";
        assert_eq!(Reply::parse(endless), Err(NoReply::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_guest_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), number: u32) {
            let _ = body(&bytes, number, LEAST);
            if let Ok(reply) = Reply::parse(&bytes) {
                let _ = (reply.text(Tag::Text), reply.fields().count());
            }
        }
    }
}
