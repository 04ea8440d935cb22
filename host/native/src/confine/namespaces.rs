//! Namespaces of the run's own, and the two listeners inside the network's.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::fault::{Fault, Layer, Step};
use super::sys::{loopback, unshare};

/// Enters new namespaces. The PID namespace is that of the next process that is forked.
pub(super) fn enter() -> Result<(), Fault> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    unshare::unshare(all)
        .map_err(explained)
        .step(Layer::Namespaces, "make namespaces")?;
    // The kernel wants this before a group is mapped.
    map("setgroups", "deny")?;
    map("uid_map", &format!("{user} {user} 1"))?;
    map("gid_map", &format!("{group} {group} 1"))
}

/// The kernel's error for namespaces says little.
fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            io::Error::other("the limit user.max_user_namespaces is reached, or 0")
        }
        Some(libc::EPERM) => io::Error::other("this kernel or container forbids them"),
        _ => error,
    }
}

fn map(file: &str, text: &str) -> Result<(), Fault> {
    fs::write(format!("/proc/self/{file}"), text)
        .step(Layer::Namespaces, format!("write /proc/self/{file}"))
}

/// Switches loopback on and listens there: IPv4, and IPv6 if the kernel has it.
pub(super) fn listen(port: u16) -> Result<Vec<TcpListener>, Fault> {
    let any = socket(AddressFamily::INET, SocketType::STREAM, None)
        .step(Layer::Namespaces, "make a socket")?;
    loopback::switch_on(&any).step(Layer::Namespaces, "switch loopback on")?;
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .step(Layer::Namespaces, format!("listen on 127.0.0.1:{port}"))?;
    let mut listeners = vec![first];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(second) => listeners.push(second),
        Err(error) if has_no_ipv6(&error) => {}
        Err(error) => {
            let step = format!("listen on [::1]:{port}");
            return Err(Fault::new(Layer::Namespaces, step, &error));
        }
    }
    Ok(listeners)
}

fn has_no_ipv6(error: &io::Error) -> bool {
    let none = [libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL];
    error
        .raw_os_error()
        .is_some_and(|number| none.contains(&number))
}
