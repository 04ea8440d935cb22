//! Removes what killed processes have left in the temporary directory.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{self, AtFlags, Dir, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{LOCK, PREFIX, left_behind, warn_left_behind};
use crate::disk::remove_contents;

/// The least time between two sweeps of a process.
const PAUSE: Duration = Duration::from_secs(60);
/// Entries of the temporary directory that a sweep looks at.
const LOOKED_AT: usize = 10_000;
/// Directories that a sweep removes, and entries in each.
const REMOVED: usize = 8;
const ENTRIES: u64 = 200_000;
/// The age at which a directory without a lock counts as never finished.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// Starts a sweep on a thread of its own, unless there was one within [`PAUSE`].
pub(super) fn begin() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_some_and(|last| last.elapsed() < PAUSE) {
        return;
    }
    *last = Some(Instant::now());
    drop(last);
    let thread = thread::Builder::new().name("sandbox-net sweep".to_owned());
    let swept = thread.spawn(|| {
        let temporary = std::env::temp_dir();
        if let Err(error) = sweep(&temporary) {
            tracing::debug!("no sweep of '{}': {error}", temporary.display());
        }
    });
    if let Err(error) = swept {
        tracing::debug!("no sweep: {error}");
    }
}

/// Removes the abandoned directories in `temporary`; returns how many there were.
pub(super) fn sweep(temporary: &Path) -> io::Result<usize> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = fs::open(temporary, flags, Mode::empty())?;
    let mut removed = 0;
    for entry in Dir::read_from(&parent)?.take(LOOKED_AT) {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        match remove_if_dead(&parent, name) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            Err(error) => {
                let path = temporary.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
                warn_left_behind(&io::Error::other(left_behind(&path, &error)));
                removed += 1;
            }
        }
        if removed == REMOVED {
            break;
        }
    }
    Ok(removed)
}

/// Removes the directory if it was abandoned; returns whether it did.
fn remove_if_dead(parent: &OwnedFd, name: &CStr) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = fs::openat(parent, name, flags, Mode::empty()) else {
        // It belongs to another user, or is gone.
        return Ok(false);
    };
    let stat = fs::fstat(&directory)?;
    if !is_private(&stat) {
        return Ok(false);
    }
    let lock = CString::new(LOCK).expect("no NUL");
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let held = match fs::openat(&directory, &lock, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            if is_old(&stat) {
                // A directory without a lock that is not empty is not a sandbox's.
                return Ok(fs::unlinkat(parent, name, AtFlags::REMOVEDIR).is_ok());
            }
            return Ok(false);
        }
        opened => opened?,
    };
    // After any other error of the lock, too, it is not known to be free.
    if fs::flock(&held, FlockOperation::NonBlockingLockExclusive).is_err()
        || fs::fstat(&held)?.st_nlink == 0
    {
        return Ok(false);
    }
    remove_contents(directory.as_fd(), &lock, ENTRIES)?;
    // Remove the lock last: until then another sweep finds it taken.
    fs::unlinkat(&directory, &lock, AtFlags::empty())?;
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?;
    Ok(true)
}

/// Whether the directory is this user's, and no other user can have written to it.
fn is_private(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0
}

fn is_old(stat: &Stat) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let changed = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(u64::MAX));
    now.is_ok_and(|now| now.saturating_sub(changed) > UNFINISHED)
}
