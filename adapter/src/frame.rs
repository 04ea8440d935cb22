//! Reads frames: the header, and the parts of a payload.

use crate::errors::Fault;
pub(crate) use crate::numbers::{HEADER, VERSION};
use crate::numbers::{MOST_PAYLOAD, command};

/// The size of a timeout, which is all that some payloads have.
const TIMEOUT: usize = size_of::<u64>();

/// The command of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    Connect,
    Status,
    StartTls,
    TlsInfo,
    Request,
    Write,
    Finish,
    Head,
    Read,
    Poll,
    Close,
    Resolve,
}

impl Command {
    fn new(number: u8) -> Result<Command, Fault> {
        Ok(match number {
            command::CONNECT => Command::Connect,
            command::STATUS => Command::Status,
            command::START_TLS => Command::StartTls,
            command::TLS_INFO => Command::TlsInfo,
            command::REQUEST => Command::Request,
            command::WRITE => Command::Write,
            command::FINISH => Command::Finish,
            command::HEAD => Command::Head,
            command::READ => Command::Read,
            command::POLL => Command::Poll,
            command::CLOSE => Command::Close,
            command::RESOLVE => Command::Resolve,
            _ => return Err(Fault::Command),
        })
    }

    /// Refuses a payload of a size that the command does not take.
    fn check_size(self, payload: usize) -> Result<(), Fault> {
        let fits = match self {
            Command::Write => true,
            Command::Connect
            | Command::StartTls
            | Command::Request
            | Command::Poll
            | Command::Resolve => payload <= MOST_PAYLOAD,
            Command::Head | Command::Read => matches!(payload, 0 | TIMEOUT),
            Command::Status | Command::TlsInfo | Command::Finish | Command::Close => payload == 0,
        };
        match fits {
            true => Ok(()),
            false if payload > MOST_PAYLOAD => Err(Fault::Size),
            false => Err(Fault::Frame),
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) command: Command,
    pub(crate) id: u32,
    pub(crate) arg: u32,
}

impl Header {
    /// Reads the header of a frame with `payload` bytes after it.
    pub(crate) fn parse(bytes: &[u8; HEADER], payload: usize) -> Result<Header, Fault> {
        let mut fields = Fields(bytes);
        let (version, command, flags) = (fields.u8()?, fields.u8()?, fields.u16()?);
        let (id, arg, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
        if version != VERSION {
            return Err(Fault::Version);
        }
        if flags != 0 || size as usize != payload {
            return Err(Fault::Frame);
        }
        let command = Command::new(command)?;
        command.check_size(payload)?;
        Ok(Header { command, id, arg })
    }

    /// Refuses an id if the command has none.
    pub(crate) fn no_id(self) -> Result<(), Fault> {
        zero(self.id)
    }

    /// Refuses an argument if the command has none.
    pub(crate) fn no_arg(self) -> Result<(), Fault> {
        zero(self.arg)
    }
}

fn zero(value: u32) -> Result<(), Fault> {
    if value == 0 {
        Ok(())
    } else {
        Err(Fault::Frame)
    }
}

/// Bytes that are still to be read. Each method consumes what it returns; missing or unsuitable
/// bytes are [`Fault::Frame`].
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Fault::Frame)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// The timeout that is the whole payload; `None` if there is no payload.
    pub(crate) fn timeout(mut self) -> Result<Option<u64>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let timeout = self.u64()?;
        self.end()?;
        Ok(Some(timeout))
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Frame)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Fails if anything is left.
    pub(crate) fn end(self) -> Result<(), Fault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Fault::Frame)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Fields, HEADER, Header, MOST_PAYLOAD};
    use crate::errors::Fault;

    fn header(version: u8, command: u8, flags: u16, size: u32) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = version;
        bytes[1] = command;
        bytes[2..4].copy_from_slice(&flags.to_le_bytes());
        bytes[4..8].copy_from_slice(&7_u32.to_le_bytes());
        bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
        bytes[12..].copy_from_slice(&size.to_le_bytes());
        bytes
    }

    #[test]
    fn a_header_gives_command_id_and_argument() {
        let parsed = Header::parse(&header(1, 10, 0, 3), 3);
        let expected = Header {
            command: Command::Poll,
            id: 7,
            arg: 9,
        };
        assert_eq!(parsed, Ok(expected));
    }

    #[test]
    fn a_wrong_header_is_refused_with_its_fault() {
        let large = MOST_PAYLOAD as u32 + 1;
        for (bytes, payload, fault) in [
            (header(0, 1, 0, 0), 0, Fault::Version),
            (header(2, 99, 1, 5), 0, Fault::Version),
            (header(1, 1, 1, 0), 0, Fault::Frame),
            (header(1, 1, 0, 1), 0, Fault::Frame),
            (header(1, 1, 0, 1), 2, Fault::Frame),
            (header(1, 0, 0, 0), 0, Fault::Command),
            (header(1, 13, 0, 0), 0, Fault::Command),
            (header(1, 2, 0, 1), 1, Fault::Frame),
            (header(1, 2, 0, large), large, Fault::Size),
            (header(1, 1, 0, large), large, Fault::Size),
        ] {
            assert_eq!(Header::parse(&bytes, payload as usize), Err(fault));
        }
    }

    #[test]
    fn only_a_write_may_be_large() {
        let large = MOST_PAYLOAD as u32 + 1;
        let parsed = Header::parse(&header(1, 6, 0, large), large as usize);
        assert_eq!(parsed.map(|header| header.command), Ok(Command::Write));
    }

    #[test]
    fn fields_that_are_not_there_are_refused() {
        let mut fields = Fields(&[1, 2, 3]);
        assert_eq!(fields.u16(), Ok(0x0201));
        assert_eq!(fields.u16(), Err(Fault::Frame));
        assert_eq!(fields.bytes(2), Err(Fault::Frame));
        assert_eq!(fields.end(), Err(Fault::Frame));
        assert_eq!(fields.bytes(1), Ok(&[3][..]));
        assert_eq!(fields.end(), Ok(()));
    }
}
