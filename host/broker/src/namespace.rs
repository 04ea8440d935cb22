//! Finds out whether a listener can be reached from the broker's own network namespace.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// How long a connect on loopback may take that is not refused.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Refuses a listener on a loopback address that every program of this machine can reach.
///
/// # Errors
///
/// If it is in the broker's own network namespace, or that cannot be found out.
#[cfg(target_os = "linux")]
pub(crate) fn check_isolated(listener: &TcpListener) -> io::Result<()> {
    // In this namespace a listener on loopback refuses nobody. The tables below tell as much, but the kernel
    // takes a millisecond for each.
    let knocked = TcpStream::connect_timeout(&listener.local_addr()?, AT_ONCE);
    if knocked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        return Ok(());
    }
    let inode = rustix::fs::fstat(listener)?.st_ino.to_string();
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let text = match std::fs::read_to_string(table) {
            // The kernel may have no IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {
                continue;
            }
            text => text?,
        };
        if lists(&text, &inode) {
            return Err(io::Error::other(
                "every program of this machine can reach it: it is in the broker's own network \
                 namespace",
            ));
        }
    }
    Ok(())
}

/// Other systems have no network namespaces.
#[cfg(not(target_os = "linux"))]
pub(crate) fn check_isolated(_listener: &TcpListener) -> io::Result<()> {
    Err(io::Error::other(
        "this system has no network namespaces: every program of this machine can reach it",
    ))
}

/// Whether a socket is in the kernel's table of TCP sockets; its inode is the tenth column.
#[cfg(target_os = "linux")]
fn lists(table: &str, inode: &str) -> bool {
    let mut inodes = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_ascii_whitespace().nth(9));
    inodes.any(|one| one == inode)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_namespace_is_found_in_either_family() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                eprintln!("skipped: no {address}");
                continue;
            };
            assert!(check_isolated(&listener).is_err(), "{address}");
        }
    }
}
