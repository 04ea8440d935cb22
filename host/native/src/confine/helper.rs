//! The helper process: the executable again, which sets the confinement up and becomes the program's init.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::process::{WaitOptions, waitpid};
use serde::de::DeserializeOwned;

use super::channel::Channel;
use super::plan::{Beginning, Fault, Layer, Plan, Report, Step};
use super::root::Built;
use super::sys::fork::{Forked, fork};
use super::sys::signals::{self, Mask};
use super::{init, namespaces, root};

/// The arguments with which the helper is started.
pub(super) const ARGUMENTS: [&str; 2] = ["native", "confine-helper"];
/// The exit code when the helper itself fails.
const TOOL_FAILED: i32 = 125;

/// Becomes the helper if this process was started as one, and does not return then.
///
/// Call it first in `main`, before any thread is started: a process with threads cannot be forked.
///
/// ```no_run
/// sandbox_net_native::confine::helper::run_if_asked();
/// // The program's own work, such as `Confinement::spawn`.
/// ```
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let is_asked = ARGUMENTS
        .iter()
        .all(|expected| arguments.next().as_deref() == Some(OsStr::new(expected)));
    if is_asked && arguments.next().is_none() {
        std::process::exit(run());
    }
}

/// Does the helper's work on the connection that is its stdin. Returns the program's exit code.
fn run() -> i32 {
    let Ok(input) = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3) else {
        return TOOL_FAILED;
    };
    let parent = Channel::from(input);
    match set_up(&parent) {
        Ok(code) => code,
        Err(fault) => {
            // A person at a terminal, or nobody: the parent is told, if there is one.
            let _ = parent.send(&Report::Failed(fault), &[]);
            TOOL_FAILED
        }
    }
}

/// What the program gets from the caller beside the plan.
pub(super) struct Inherited {
    pub(super) standard: [OwnedFd; 3],
    pub(super) mask: Mask,
}

fn set_up(parent: &Channel) -> Result<i32, Fault> {
    let (beginning, _) = next::<Beginning>(parent)?;
    let mask = signals::block_all().step(Layer::Run, "block signals")?;
    for group in &beginning.groups {
        std::fs::write(Path::new(group).join("cgroup.procs"), "0")
            .step(Layer::Run, format!("join {}", group.to_string_lossy()))?;
    }
    if let Some(port) = beginning.port {
        namespaces::enter()?;
        let listeners = namespaces::listen(port)?;
        let descriptors: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
        parent
            .send(&Report::Begun, &descriptors)
            .step(Layer::Run, "send the listeners")?;
    } else {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .step(Layer::Run, "adopt processes")?;
        parent
            .send(&Report::Begun, &[])
            .step(Layer::Run, "tell the parent")?;
    }
    let (plan, descriptors) = next::<Plan>(parent)?;
    let standard: [OwnedFd; 3] = descriptors
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidInput)
        .step(Layer::Run, "take over the standard streams")?;
    let inherited = Inherited { standard, mask };
    match &plan.root {
        None => Ok(init::run(&plan, None, inherited, parent)),
        Some(fresh) => {
            let built = root::build(fresh)?;
            in_new_namespace(&plan, built, inherited, parent)
        }
    }
}

fn next<T: DeserializeOwned>(parent: &Channel) -> Result<(T, Vec<OwnedFd>), Fault> {
    let message = parent.receive().step(Layer::Run, "read what to confine")?;
    message
        .ok_or(io::ErrorKind::UnexpectedEof)
        .step(Layer::Run, "read what to confine")
}

fn in_new_namespace(
    plan: &Plan,
    built: Built,
    inherited: Inherited,
    parent: &Channel,
) -> Result<i32, Fault> {
    match fork().step(Layer::Namespaces, "start the init")? {
        Forked::Child => Ok(init::run(plan, Some(built), inherited, parent)),
        Forked::Parent(init) => {
            drop((built, inherited));
            Ok(wait_for(init))
        }
    }
}

/// Waits for the init, whose end is that of its whole namespace. Its connection to the parent ends with it.
fn wait_for(init: rustix::process::Pid) -> i32 {
    init::close_standard().ok();
    loop {
        match waitpid(Some(init), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                return status.exit_status().or(signal).unwrap_or(TOOL_FAILED);
            }
            Err(rustix::io::Errno::INTR) => {}
            _ => return TOOL_FAILED,
        }
    }
}
