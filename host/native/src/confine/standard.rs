//! The standard streams of a program.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use super::spawn_error::SpawnError;

/// Where one of a program's standard streams goes.
#[derive(Debug, Clone, Default)]
pub enum Standard {
    /// Where the caller's goes.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// To this descriptor.
    Descriptor(Arc<OwnedFd>),
}

impl Standard {
    pub(super) fn open(self, inherited: impl AsFd) -> io::Result<OwnedFd> {
        match self {
            Self::Inherit => Ok(rustix::io::fcntl_dupfd_cloexec(inherited, 3)?),
            Self::Null => {
                let nothing = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?;
                Ok(nothing.into())
            }
            Self::Descriptor(descriptor) => Ok(rustix::io::fcntl_dupfd_cloexec(&*descriptor, 3)?),
        }
    }
}

/// Refuses a stream that leads out of the confinement: a socket of the host's network, a directory.
pub(super) fn check_stream(stream: &OwnedFd, name: &'static str) -> Result<(), SpawnError> {
    let refuse = |what: &str| SpawnError::SetUp {
        step: format!("hand over {name}"),
        reason: format!(
            "it is {what}, through which the program could leave its confinement; use a pipe"
        ),
    };
    let kind = rustix::fs::fstat(stream).map_err(|error| SpawnError::Helper(error.into()))?;
    match FileType::from_raw_mode(kind.st_mode) {
        FileType::Directory => Err(refuse("a directory")),
        FileType::Socket => {
            let is_unix = socket_domain(stream).is_ok_and(|domain| domain == AddressFamily::UNIX);
            let is_datagram = socket_type(stream).is_ok_and(|kind| kind == SocketType::DGRAM);
            match is_unix && !is_datagram {
                true => Ok(()),
                false => Err(refuse(
                    "a socket of the network, or one that sends to any other",
                )),
            }
        }
        _ => Ok(()),
    }
}
