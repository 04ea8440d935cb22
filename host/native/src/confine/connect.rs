//! The supervisor of `connect`: does the program's connects in its place, with a copy of the address.
//!
//! The kernel cannot filter the path of a Unix socket: it is in the program's memory, where another thread can
//! change it after the check, as it can put another socket under the same descriptor. So no call is ever let
//! through. For each the supervisor
//!
//! 1. copies the address out of the program's memory, once,
//! 2. takes the very socket out of the program's table (`pidfd_getfd`),
//! 3. asks the kernel whether the caller still waits, so that both came from it and not from a later process
//!    with its PID,
//! 4. asks the socket itself which family it has,
//! 5. decides about the copy, and connects that socket to that copy.
//!
//! A Unix path is resolved to an inode once, and the connect goes to that inode: only if it is on the run's own
//! file system in memory, where only the run makes sockets. Connects of the internet go nowhere but to this
//! network namespace. A connect that may wait has a thread of its own.

mod caller;
mod waiting;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

use self::caller::Process;
use self::waiting::{Answer, Interrupted, Waiting, WaitingCalls};
use super::sys::notification::{Call, Listener};
use super::sys::raw_connect;

const STACK: usize = 64 * 1024;

/// What the program may connect to.
#[derive(Debug, Clone)]
pub(super) enum Reach {
    /// Everything in its network namespace, and Unix sockets on the file system with this number.
    Own { device: u64 },
    /// One address, and Unix sockets below these directories' file system paths.
    Only {
        address: Option<SocketAddr>,
        directories: Vec<PathBuf>,
    },
}

/// Answers the calls of one listener.
pub(super) struct Supervisor {
    listener: Arc<Listener>,
    reach: Reach,
    waiting: RefCell<WaitingCalls>,
    interrupted: Arc<Interrupted>,
}

impl Supervisor {
    pub(super) fn new(listener: Listener, reach: Reach) -> Self {
        Self {
            listener: Arc::new(listener),
            reach,
            waiting: RefCell::default(),
            interrupted: Arc::default(),
        }
    }

    /// Readable when a call waits.
    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Takes the next call, if one waits, and answers it now or later.
    ///
    /// # Errors
    ///
    /// No process has the filter any more.
    pub(super) fn serve(&self) -> io::Result<()> {
        if let Some(call) = self.listener.next()? {
            if call.number == libc::SYS_listen {
                let listened = self.listen(&call).map_err(|error| number(&error));
                self.listener.answer(&call, listened);
                return Ok(());
            }
            match self.prepare(&call) {
                Ok(connect) => self.perform(call, connect),
                Err(error) => {
                    self.listener.answer(&call, Err(number(&error)));
                }
            }
        }
        Ok(())
    }

    /// Lets only Unix sockets listen: the network is the host's.
    fn listen(&self, call: &Call) -> io::Result<()> {
        let [descriptor, backlog, ..] = call.arguments;
        let process = Process::of(call.thread)?;
        let socket = process.socket(i32::from_ne_bytes(low(descriptor)));
        if !self.listener.is_waiting(call) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let socket = socket?;
        match socket_domain(&socket)? {
            AddressFamily::UNIX => {
                let backlog = i32::from_ne_bytes(low(backlog));
                Ok(rustix::net::listen(&socket, backlog)?)
            }
            _ => Err(denied()),
        }
    }

    /// Steps 1 to 5, up to the connect itself.
    fn prepare(&self, call: &Call) -> io::Result<Connect> {
        let [descriptor, address, length, ..] = call.arguments;
        let process = Process::of(call.thread)?;
        let descriptor = i32::from_ne_bytes(low(descriptor));
        let length = i32::from_ne_bytes(low(length));
        // In the kernel's order: the descriptor first, then the address.
        let socket = process.socket(descriptor);
        let address = process.address(address, length);
        if !self.listener.is_waiting(call) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (socket, address) = (socket?, address?);
        let allowed = match socket_domain(&socket)? {
            AddressFamily::INET | AddressFamily::INET6 => self.internet(address)?,
            AddressFamily::UNIX => self.unix(&process, address)?,
            _ => return Err(denied()),
        };
        Ok(Connect { socket, allowed })
    }

    fn internet(&self, address: Vec<u8>) -> io::Result<Allowed> {
        match &self.reach {
            Reach::Own { .. } => Ok(Allowed::Address(address)),
            Reach::Only { address: only, .. } => {
                let is_only = only.is_some() && internet_address(&address) == *only;
                let disconnects = family(&address) == Some(libc::AF_UNSPEC);
                match is_only || disconnects {
                    true => Ok(Allowed::Address(address)),
                    false => Err(denied()),
                }
            }
        }
    }

    fn unix(&self, process: &Process, address: Vec<u8>) -> io::Result<Allowed> {
        if family(&address) != Some(libc::AF_UNIX) {
            // The kernel has its own error for this.
            return Ok(Allowed::Address(address));
        }
        let path = address.get(2..).unwrap_or_default();
        match path.first() {
            None => Ok(Allowed::Address(address)),
            // An abstract name: only of this network namespace.
            Some(0) => match self.reach {
                Reach::Own { .. } => Ok(Allowed::Address(address)),
                Reach::Only { .. } => Err(denied()),
            },
            Some(_) => {
                let end = path
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(path.len());
                let inode = process.find(Path::new(std::ffi::OsStr::from_bytes(&path[..end])))?;
                match self.is_own(&inode)? {
                    true => Ok(Allowed::Inode(inode)),
                    false => Err(denied()),
                }
            }
        }
    }

    /// Whether an inode is of the run's private directories.
    fn is_own(&self, inode: &OwnedFd) -> io::Result<bool> {
        match &self.reach {
            Reach::Own { device } => Ok(rustix::fs::fstat(inode)?.st_dev == *device),
            Reach::Only { directories, .. } => {
                // The path that the kernel itself gives for the pinned inode.
                let path = std::fs::read_link(own_path(inode))?;
                Ok(directories.iter().any(|own| path.starts_with(own)))
            }
        }
    }

    /// Connects, and answers.
    fn perform(&self, call: Call, connect: Connect) {
        let waiting = Arc::new(Waiting::new(Arc::clone(&self.listener), call));
        let work = Work {
            waiting: Arc::clone(&waiting),
            interrupted: Arc::clone(&self.interrupted),
            connect,
        };
        // Even a socket that does not wait has a thread of its own: the program can make it wait meanwhile.
        let started = self.waiting.borrow_mut().begin(&waiting, || {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(|| work.run())
        });
        if !started {
            waiting.answer(Err(libc::EAGAIN));
        }
    }

    /// How long to wait for the next call before [`look_after`](Self::look_after) is due; `None`: for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.waiting.borrow_mut().patience()
    }

    /// Ends the calls that wait while a signal has come for them. Their connects go on, as natively.
    pub(super) fn look_after(&self) {
        self.waiting.borrow_mut().interrupt(caller::is_signalled);
    }
}

/// A connect that was decided to be allowed.
struct Connect {
    socket: OwnedFd,
    allowed: Allowed,
}

enum Allowed {
    /// The supervisor's own copy.
    Address(Vec<u8>),
    /// The inode of a Unix socket.
    Inode(OwnedFd),
}

struct Work {
    waiting: Arc<Waiting>,
    interrupted: Arc<Interrupted>,
    connect: Connect,
}

impl Work {
    fn run(self) {
        let socket = &self.connect.socket;
        self.waiting.begin();
        let result = match &self.connect.allowed {
            Allowed::Address(address) => raw_connect::connect(socket, address),
            Allowed::Inode(inode) => connect_inode(socket, inode),
        };
        let result = match result {
            Err(error)
                if error.raw_os_error() == Some(libc::EISCONN)
                    && self.interrupted.forget(socket) =>
            {
                Ok(())
            }
            other => other,
        };
        let succeeded = result.is_ok();
        let answer = self.waiting.answer(result.map_err(|error| number(&error)));
        if succeeded && answer == Answer::Unheard {
            self.interrupted.remember(socket);
        }
    }
}

/// Connects to an inode, whatever has its name now.
fn connect_inode(socket: &OwnedFd, inode: &OwnedFd) -> io::Result<()> {
    let mut address = u16::try_from(libc::AF_UNIX)
        .map_err(io::Error::other)?
        .to_ne_bytes()
        .to_vec();
    address.extend(own_path(inode).into_bytes());
    address.push(0);
    raw_connect::connect(socket, &address)
}

fn own_path(inode: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", inode.as_raw_fd())
}

fn low(argument: u64) -> [u8; 4] {
    // The kernel reads the lower half, as an `int`.
    u32::try_from(argument & u64::from(u32::MAX))
        .unwrap_or(0)
        .to_ne_bytes()
}

fn family(address: &[u8]) -> Option<i32> {
    let bytes = address.get(..2)?.try_into().ok()?;
    Some(i32::from(u16::from_ne_bytes(bytes)))
}

fn internet_address(address: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(address.get(2..4)?.try_into().ok()?);
    match family(address)? {
        libc::AF_INET => {
            let bytes: [u8; 4] = address.get(4..8)?.try_into().ok()?;
            Some((bytes, port).into())
        }
        libc::AF_INET6 => {
            let bytes: [u8; 16] = address.get(8..24)?.try_into().ok()?;
            Some((bytes, port).into())
        }
        _ => None,
    }
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}

fn number(error: &io::Error) -> i32 {
    match error.raw_os_error() {
        Some(number) => number,
        None if error.kind() == io::ErrorKind::Interrupted => libc::EINTR,
        None => libc::EACCES,
    }
}
