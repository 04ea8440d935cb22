//! The first process of the run's PID namespace: starts the program, supervises its connects, reaps what it
//! leaves, and ends everything with itself.

use std::fs;
use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group,
    set_dumpable_behavior, set_parent_process_death_signal, wait,
};
use rustix::thread::{CapabilitySet, set_no_new_privs};

use super::channel::Channel;
use super::connect::{Reach, Supervisor};
use super::helper::Inherited;
use super::plan::{Fault, Layer, Order, Plan, Report, Step};
use super::program::{self, Word};
use super::root::{self, Built};
use super::sys::fork::{Forked, fork_alone};
use super::sys::notification::Listener;
use super::sys::signals::ChildEnds;

/// The exit codes of shells for a file that is not there, or is not executable.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;
/// The exit code when the confinement itself fails, as for `timeout` and `docker run`.
const TOOL_FAILED: i32 = 125;

/// Runs the program to its end. Returns the exit code.
pub(super) fn run(
    plan: &Plan,
    built: Option<Built>,
    inherited: Inherited,
    parent: &Channel,
) -> i32 {
    match start(plan, built, inherited).and_then(|started| Init::new(started, parent)) {
        Ok(mut init) => {
            let code = init.serve();
            if plan.root.is_none() {
                // Without a PID namespace nothing else ends what the program has left.
                init.end_all();
            }
            code
        }
        Err(Stopped::Fault(fault)) => {
            // If the parent is gone, nobody wants to know.
            let _ = parent.send(&Report::Failed(fault), &[]);
            TOOL_FAILED
        }
        Err(Stopped::NotExecuted(error)) => {
            let _ = parent.send(&Report::NotExecuted(error), &[]);
            match error {
                libc::ENOENT | libc::ENOTDIR => NOT_FOUND,
                _ => NOT_EXECUTABLE,
            }
        }
    }
}

/// Why the program does not run.
enum Stopped {
    Fault(Fault),
    NotExecuted(i32),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Started {
    program: Pid,
    supervisor: Supervisor,
}

fn start(plan: &Plan, built: Option<Built>, inherited: Inherited) -> Result<Started, Stopped> {
    let namespaces = Layer::Namespaces;
    if let (Some(built), Some(root)) = (built, &plan.root) {
        set_parent_process_death_signal(Some(Signal::KILL))
            .step(namespaces, "end with the helper")?;
        root::enter(built)?;
        rustix::system::sethostname(root.host_name.as_bytes()).step(namespaces, "name the host")?;
    }
    // The program has the same user: it could read this process's memory, where the rights are.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step(namespaces, "hide the init")?;
    let (mine, theirs) = Channel::pair().step(Layer::Run, "make a socket")?;
    let program = match fork_alone().step(Layer::Run, "start a process")? {
        Forked::Child => {
            drop(mine);
            program::run(plan, inherited, &theirs);
            std::process::exit(TOOL_FAILED);
        }
        Forked::Parent(program) => program,
    };
    // A pipe ends when the program has closed it, not when this process has.
    drop((inherited, theirs));
    close_standard().step(Layer::Run, "open /dev/null")?;
    set_no_new_privs(true).step(namespaces, "give up new privileges")?;
    if plan.root.is_some() {
        // To take a socket out of a process that hides its memory.
        let kept = CapabilitySet::SYS_PTRACE;
        program::drop_capabilities(kept, kept)?;
    }
    let listener = listener(&mine)?;
    let reach = reach(plan).step(Layer::Run, "look at the private directories")?;
    Ok(Started {
        program,
        supervisor: Supervisor::new(listener, reach),
    })
}

/// What the program's process tells, until it is the program.
fn listener(program: &Channel) -> Result<Listener, Stopped> {
    let mut listener = None;
    loop {
        let word = program
            .receive::<Word>()
            .step(Layer::Run, "hear from the program")?;
        match word {
            Some((Word::Supervise, descriptors)) => {
                listener = descriptors.into_iter().next().map(Listener::new);
            }
            Some((Word::NotExecuted(error), _)) => return Err(Stopped::NotExecuted(error)),
            Some((Word::Failed(fault), _)) => return Err(fault.into()),
            // `exec` has closed its end.
            None => {
                let silent = io::Error::other("it ended before it was one");
                return listener.ok_or(Fault::new(Layer::Run, "start the program", &silent).into());
            }
        }
    }
}

fn reach(plan: &Plan) -> io::Result<Reach> {
    match plan.root {
        Some(_) => {
            let device = rustix::fs::stat("/")?.st_dev;
            Ok(Reach::Own { device })
        }
        None => Ok(Reach::Only {
            address: plan.only,
            directories: plan.private_directories(),
        }),
    }
}

pub(super) fn close_standard() -> io::Result<()> {
    let nothing = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(())
}

struct Init<'a> {
    program: Pid,
    supervisor: Option<Supervisor>,
    parent: &'a Channel,
    ends: ChildEnds,
}

impl<'a> Init<'a> {
    fn new(started: Started, parent: &'a Channel) -> Result<Self, Stopped> {
        let ends = ChildEnds::new().step(Layer::Run, "watch for processes that end")?;
        parent
            .send(&Report::Started, &[])
            .step(Layer::Run, "tell the parent")?;
        Ok(Self {
            program: started.program,
            supervisor: Some(started.supervisor),
            parent,
            ends,
        })
    }

    /// Until the program has ended, or the parent is gone.
    fn serve(&mut self) -> i32 {
        // It may have ended before its end was watched for.
        loop {
            if let Some(code) = self.reap() {
                return code;
            }
            match self.wait() {
                Ok(true) => {}
                _ => return TOOL_FAILED,
            }
        }
    }

    /// Handles what has happened; false if the parent is gone.
    fn wait(&mut self) -> io::Result<bool> {
        let (ordered, ended, called) = self.look()?;
        if called
            && let Some(supervisor) = &self.supervisor
            && supervisor.serve().is_err()
        {
            self.supervisor = None;
        }
        if ended {
            self.ends.take();
        }
        if ordered {
            return self.obey();
        }
        Ok(true)
    }

    fn look(&self) -> io::Result<(bool, bool, bool)> {
        let mut watched = vec![
            PollFd::new(&self.parent, PollFlags::IN),
            PollFd::new(&self.ends, PollFlags::IN),
        ];
        let listener = self.supervisor.as_ref().map(Supervisor::listener);
        if let Some(listener) = &listener {
            watched.push(PollFd::new(listener, PollFlags::IN));
        }
        match poll(&mut watched, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened: Vec<_> = watched
            .iter()
            .map(|one| !one.revents().is_empty())
            .collect();
        Ok((
            happened[0],
            happened[1],
            happened.get(2).is_some_and(|one| *one),
        ))
    }

    fn obey(&self) -> io::Result<bool> {
        let Some((order, _)) = self.parent.receive::<Order>()? else {
            return Ok(false);
        };
        let (number, group) = match order {
            Order::Signal(number) => (number, false),
            Order::SignalGroup(number) => (number, true),
        };
        if let Some(signal) = Signal::from_named_raw(number) {
            // The program may have ended meanwhile.
            let _ = match group {
                true => kill_process_group(self.program, signal),
                false => kill_process(self.program, signal),
            };
        }
        Ok(true)
    }

    /// Takes the ends of processes; the exit code, if the program is among them.
    fn reap(&self) -> Option<i32> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => return Some(self.tell(status)),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Kills the children, which are all that the program has started, until there are none.
    fn end_all(&self) {
        while let Ok(children) = fs::read_to_string("/proc/thread-self/children") {
            let pids = children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok());
            for pid in pids.filter_map(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
            if wait(WaitOptions::empty()).is_err() {
                return;
            }
        }
    }

    fn tell(&self, status: WaitStatus) -> i32 {
        let (report, code) = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => (Report::Exited(code), code),
            (None, Some(signal)) => (Report::Killed(signal), 128 + signal),
            (None, None) => (Report::Exited(TOOL_FAILED), TOOL_FAILED),
        };
        let _ = self.parent.send(&report, &[]);
        code
    }
}
