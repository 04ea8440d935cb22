//! Messages between the parent, the helper and the program's first steps, in `postcard`'s form, with descriptors.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most descriptors that one message carries.
const MOST_DESCRIPTORS: usize = 4;
/// The longest message. Arguments and environment have at most 2 MiB, and the run's own files some 100 KiB.
const LONGEST: usize = 16 * 1024 * 1024;

/// One end of a connection between processes that trust each other.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    /// A connection's two ends.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self(one), Self(other)))
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Sends a message.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let body = postcard::to_allocvec(message).map_err(io::Error::other)?;
        let head = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("too many descriptors in a message"));
        }
        // The descriptors travel with the head, whose four bytes arrive as one.
        let head = head.to_be_bytes();
        let sent = sendmsg(
            &self.0,
            &[IoSlice::new(&head)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        if sent != head.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (&self.0).write_all(&body)
    }

    /// Receives a message; `None` at the connection's end.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut head = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let parts = &mut [IoSliceMut::new(&mut head)];
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
            match recvmsg(&self.0, parts, &mut ancillary, flags) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?.bytes,
            }
        };
        let descriptors = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        match received {
            0 => return Ok(None),
            4 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let length = usize::try_from(u32::from_be_bytes(head)).map_err(io::Error::other)?;
        if length > LONGEST {
            return Err(io::Error::other("a message is too long"));
        }
        let mut body = vec![0; length];
        (&self.0).read_exact(&mut body)?;
        let message = postcard::from_bytes(&body).map_err(io::Error::other)?;
        Ok(Some((message, descriptors)))
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0.into()
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptors() {
        let (one, other) = Channel::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        one.send(&("text", 7_u8), &[far.as_fd()]).unwrap();
        one.send(&vec![0_u8; 1 << 16], &[]).unwrap();
        drop((one, far));
        let (message, descriptors): ((String, u8), _) = other.receive().unwrap().unwrap();
        assert_eq!((message.0.as_str(), message.1), ("text", 7));
        let mut far = UnixStream::from(descriptors.into_iter().next().unwrap());
        far.write_all(b"x").unwrap();
        near.read_exact(&mut [0]).unwrap();
        let (long, none): (Vec<u8>, _) = other.receive().unwrap().unwrap();
        assert_eq!((long.len(), none.len()), (1 << 16, 0));
        assert!(other.receive::<u8>().unwrap().is_none());
    }
}
