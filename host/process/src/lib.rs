//! Runs programs of the host for a limited time: pip, and the commands that give secrets.
//!
//! `process-wrap` does not fit: its `try_wait` reaps the leader, whose number could then be another group's when
//! the group is killed, and its child cannot be killed by one thread while another waits for it.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a program is checked for its end: the first interval, and the longest.
const FIRST_POLL: Duration = Duration::from_millis(1);
const LAST_POLL: Duration = Duration::from_millis(20);

/// A time limit for work. Clones share it.
///
/// Programs that are started under it run in a process group of their own, and the whole group is
/// killed when the time is over or nobody waits for the work any more. A process that leaves the
/// group (a daemon with a session of its own) is not killed.
///
/// ```
/// use std::process::Command;
/// use std::time::Duration;
///
/// use sandbox_net_process::TimeBox;
///
/// # fn main() -> std::io::Result<()> {
/// let within = TimeBox::new(Duration::from_secs(10));
/// let mut running = within.spawn(&mut Command::new("true"))?;
/// assert!(running.has_ended_in_time()?);
/// assert!(running.status()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TimeBox {
    limit: Duration,
    deadline: Option<Instant>,
    state: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    is_over: bool,
    /// The running groups. Their leaders are not reaped, so that no other group gets their number.
    groups: Vec<u32>,
}

/// Ends the work of a [`TimeBox`] when it is dropped.
#[derive(Debug)]
pub struct Waiting(TimeBox);

/// A running program; dropping it kills its group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    within: TimeBox,
}

impl TimeBox {
    /// Starts the time now. A limit beyond the clock's range means no limit.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            deadline: Instant::now().checked_add(limit),
            state: Arc::default(),
        }
    }

    /// Starts the same limit again from now on. It also ends when nobody waits any more.
    pub fn renewed(&self) -> Self {
        Self {
            state: self.state.clone(),
            ..Self::new(self.limit)
        }
    }

    /// The whole time.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        match self.deadline {
            _ if self.state().is_over => Duration::ZERO,
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }

    /// Whether no time is left, or nobody waits any more.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// The caller that waits for the work holds this: dropping it ends the work.
    pub fn waiting(&self) -> Waiting {
        Waiting(self.clone())
    }

    /// Starts a program in a process group of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Command::spawn`]; [`io::ErrorKind::Interrupted`] if nobody waits any more.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Running> {
        system::in_own_group(command);
        let mut state = self.state();
        if state.is_over {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.spawn()?;
        state.groups.push(child.id());
        drop(state);
        Ok(Running {
            child,
            within: self.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        state.groups.iter().copied().for_each(system::kill_group);
    }
}

impl Running {
    /// The program itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the program itself has ended; returns false if the time is over before.
    ///
    /// # Errors
    ///
    /// The system's, if it does not report the status.
    pub fn has_ended_in_time(&mut self) -> io::Result<bool> {
        let mut pause = FIRST_POLL;
        while !system::has_ended(&mut self.child)? {
            let left = self.within.left();
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(LAST_POLL);
        }
        Ok(true)
    }

    /// Waits for the program's end and returns its status. What it left running continues.
    ///
    /// # Errors
    ///
    /// The system's, if it does not report the status.
    pub fn status(mut self) -> io::Result<ExitStatus> {
        self.forget();
        self.child.wait()
    }

    /// Returns whether it was there.
    fn forget(&mut self) -> bool {
        let (mut state, id) = (self.within.state(), self.child.id());
        let count = state.groups.len();
        state.groups.retain(|group| *group != id);
        state.groups.len() < count
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.forget() {
            system::kill_group(self.child.id());
            // The leader has no group of that number where there are no groups.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(unix)]
mod system {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

    pub(super) fn in_own_group(command: &mut Command) {
        command.process_group(0);
    }

    /// It may have ended by itself just now: then there is nothing to kill.
    pub(super) fn kill_group(leader: u32) {
        if let Some(group) = pid(leader) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Does not reap the program, so that its number stays that of its group.
    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        let Some(child) = pid(child.id()) else {
            return Ok(true);
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(child), options)?.is_some())
    }

    fn pid(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::process::{Child, Command};

    pub(super) fn in_own_group(_: &mut Command) {}

    pub(super) fn kill_group(_: u32) {}

    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        Ok(child.try_wait()?.is_some())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;
    use std::process::Stdio;

    use super::*;

    /// A shell whose grandchild writes its number to `pid`, and would live for ten minutes.
    fn with_a_grandchild(directory: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "sh -c 'echo $$ > pid; exec sleep 600' & wait"])
            .current_dir(directory)
            .stdin(Stdio::null());
        command
    }

    /// Waits for the number of the grandchild.
    fn grandchild(directory: &Path) -> rustix::process::Pid {
        loop {
            let text = std::fs::read_to_string(directory.join("pid")).unwrap_or_default();
            if let Some(number) = text.strip_suffix('\n') {
                return rustix::process::Pid::from_raw(number.parse().unwrap()).unwrap();
            }
            thread::sleep(FIRST_POLL);
        }
    }

    /// Waits until there is no such process, or only a zombie.
    fn wait_for_the_end_of(process: rustix::process::Pid) {
        let number = process.as_raw_nonzero();
        while rustix::process::test_kill_process(process).is_ok() {
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat"));
            if stat.is_ok_and(|stat| stat.contains(") Z ")) {
                return;
            }
            thread::sleep(FIRST_POLL);
        }
    }

    #[test]
    fn what_a_program_started_is_killed_with_it_at_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let within = TimeBox::new(Duration::from_secs(1));
        let mut running = within
            .spawn(&mut with_a_grandchild(directory.path()))
            .unwrap();
        let grandchild = grandchild(directory.path());
        assert!(!running.has_ended_in_time().unwrap());
        drop(running);
        wait_for_the_end_of(grandchild);
    }

    #[test]
    fn a_group_is_killed_once_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let within = TimeBox::new(Duration::MAX);
        let waiting = within.waiting();
        let mut running = within
            .spawn(&mut with_a_grandchild(directory.path()))
            .unwrap();
        let grandchild = grandchild(directory.path());
        drop(waiting);
        wait_for_the_end_of(grandchild);
        assert!(running.has_ended_in_time().unwrap());
        assert!(!running.status().unwrap().success());
        assert!(within.is_over());
        let refused = within.spawn(&mut Command::new("true"));
        assert!(refused.is_err());
    }

    #[test]
    fn a_program_that_ends_in_time_leaves_running_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let within = TimeBox::new(Duration::from_secs(60));
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "(until [ -e go ]; do sleep 0.01; done; echo > done) & exit 3",
            ])
            .current_dir(directory.path());
        let mut running = within.spawn(&mut command).unwrap();
        assert!(running.has_ended_in_time().unwrap());
        assert_eq!(running.status().unwrap().code(), Some(3));
        std::fs::write(directory.path().join("go"), "").unwrap();
        while !directory.path().join("done").exists() {
            thread::sleep(FIRST_POLL);
        }
    }
}
