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

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_cookie, socket_domain};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::sys::notification::{Call, Listener};
use super::sys::raw_connect;

/// The longest address that the kernel takes: `struct sockaddr_storage`.
const LONGEST: usize = 128;
/// The most connects that wait at the same time. Waiting means that a server of the run's own does not accept.
const MOST_WAITING: usize = 256;
/// The most sockets whose caller was interrupted just when the connect had succeeded.
const MOST_INTERRUPTED: usize = 1024;
const STACK: usize = 64 * 1024;
/// `PIDFD_THREAD`, of Linux 6.9.
const THREAD: u32 = libc::O_EXCL.cast_unsigned();

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
    waiting: Arc<AtomicUsize>,
    interrupted: Arc<Interrupted>,
}

/// Sockets that were connected when nobody waited for the answer any more: the call is made again, and finds a
/// connected socket, which no program expects.
#[derive(Debug, Default)]
struct Interrupted(Mutex<Vec<u64>>);

impl Interrupted {
    fn remember(&self, socket: &OwnedFd) {
        let (Ok(cookie), Ok(mut sockets)) = (socket_cookie(socket), self.0.lock()) else {
            return;
        };
        if sockets.len() == MOST_INTERRUPTED {
            sockets.remove(0);
        }
        sockets.push(cookie);
    }

    fn forget(&self, socket: &OwnedFd) -> bool {
        let (Ok(cookie), Ok(mut sockets)) = (socket_cookie(socket), self.0.lock()) else {
            return false;
        };
        let before = sockets.len();
        sockets.retain(|one| *one != cookie);
        sockets.len() < before
    }
}

impl Supervisor {
    pub(super) fn new(listener: Listener, reach: Reach) -> Self {
        Self {
            listener: Arc::new(listener),
            reach,
            waiting: Arc::default(),
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
            match self.prepare(&call) {
                Ok(connect) => self.perform(call, connect),
                Err(error) => {
                    self.listener.answer(&call, Err(number(&error)));
                }
            }
        }
        Ok(())
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
        let work = Work {
            listener: Arc::clone(&self.listener),
            interrupted: Arc::clone(&self.interrupted),
            call,
            connect,
        };
        let waits = rustix::fs::fcntl_getfl(&work.connect.socket)
            .is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK));
        if !waits {
            return work.run();
        }
        let Some(place) = Place::take(&self.waiting) else {
            self.listener.answer(&call, Err(libc::EAGAIN));
            return;
        };
        let wait = move || {
            work.run();
            drop(place);
        };
        let started = thread::Builder::new().stack_size(STACK).spawn(wait);
        if started.is_err() {
            self.listener.answer(&call, Err(libc::EAGAIN));
        }
    }
}

/// A place among the connects that wait.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(places));
        let before = places.fetch_add(1, Ordering::Relaxed);
        (before < MOST_WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
    listener: Arc<Listener>,
    interrupted: Arc<Interrupted>,
    call: Call,
    connect: Connect,
}

impl Work {
    fn run(self) {
        let socket = &self.connect.socket;
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
        let answered = self
            .listener
            .answer(&self.call, result.map_err(|error| number(&error)));
        if succeeded && !answered {
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

/// The process that a call comes from.
struct Process {
    thread: u32,
    handle: OwnedFd,
}

impl Process {
    fn of(thread: u32) -> io::Result<Self> {
        let pid = |number: u32| {
            i32::try_from(number)
                .ok()
                .and_then(Pid::from_raw)
                .ok_or(io::Error::from(io::ErrorKind::NotFound))
        };
        let by_thread = PidfdFlags::from_bits_retain(THREAD);
        let handle = match pidfd_open(pid(thread)?, by_thread) {
            Err(rustix::io::Errno::INVAL) => {
                pidfd_open(pid(group_of(thread)?)?, PidfdFlags::empty())?
            }
            other => other?,
        };
        Ok(Self { thread, handle })
    }

    /// A copy of the descriptor, to the same socket.
    fn socket(&self, descriptor: i32) -> io::Result<OwnedFd> {
        if descriptor < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(pidfd_getfd(
            &self.handle,
            descriptor,
            PidfdGetfdFlags::empty(),
        )?)
    }

    /// A copy of the address in the caller's memory.
    fn address(&self, at: u64, length: i32) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or(io::Error::from_raw_os_error(libc::EINVAL))?;
        let mut copy = vec![0; length];
        let fault = || io::Error::from_raw_os_error(libc::EFAULT);
        File::open(format!("/proc/{}/mem", self.thread))?
            .read_exact_at(&mut copy, at)
            .map_err(|_| fault())?;
        Ok(copy)
    }

    /// The inode that a path means for the caller, who has this process's root.
    fn find(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        // Magic links would be this process's own.
        let resolve = ResolveFlags::NO_MAGICLINKS;
        if path.is_absolute() {
            return Ok(rustix::fs::openat2(
                CWD,
                path,
                flags,
                Mode::empty(),
                resolve,
            )?);
        }
        let directory = File::from(rustix::fs::open(
            format!("/proc/{}/cwd", self.thread),
            flags | OFlags::DIRECTORY,
            Mode::empty(),
        )?);
        Ok(rustix::fs::openat2(
            directory.as_fd(),
            path,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }
}

/// The thread group of a thread, for kernels whose handles are only of groups.
fn group_of(thread: u32) -> io::Result<u32> {
    let mut status = String::new();
    File::open(format!("/proc/{thread}/status"))?.read_to_string(&mut status)?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
        .ok_or(io::ErrorKind::NotFound.into())
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
