//! The program's own process before it is the program: limits, Landlock, no rights, seccomp, `exec`.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_no_new_privs,
};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::helper::Inherited;
use super::plan::{Fault, Layer, Plan, Step};
use super::sys::notification;
use super::{landlocked, limits, seccomp};

/// What the program's process tells its init before it is the program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// The listener of the supervised filter comes with this message.
    Supervise,
    /// `exec` failed with this error number.
    NotExecuted(i32),
    Failed(Fault),
}

/// Becomes the program. Returns only if that fails, after telling why.
pub(super) fn run(plan: &Plan, inherited: Inherited, init: &Channel) {
    let word = match confine(plan, inherited, init) {
        Err(fault) => Word::Failed(fault),
        Ok(()) => {
            let error = execute(plan);
            Word::NotExecuted(error.raw_os_error().unwrap_or(libc::EINVAL))
        }
    };
    // Without an init there is nobody to tell.
    let _ = init.send(&word, &[]);
}

fn confine(plan: &Plan, inherited: Inherited, init: &Channel) -> Result<(), Fault> {
    let [input, output, error] = inherited.standard;
    inherited
        .mask
        .restore()
        .step(Layer::Run, "unblock signals")?;
    let run = Layer::Run;
    rustix::stdio::dup2_stdin(input).step(run, "hand over stdin")?;
    rustix::stdio::dup2_stdout(output).step(run, "hand over stdout")?;
    rustix::stdio::dup2_stderr(error).step(run, "hand over stderr")?;
    if plan.program.new_session {
        rustix::process::setsid().step(run, "make a session")?;
    }
    limits::apply(&plan.limits, plan.memory_is_grouped)?;
    let directory = &plan.program.directory;
    rustix::process::chdir(directory.as_os_str())
        .step(run, format!("enter {}", directory.to_string_lossy()))?;
    set_no_new_privs(true).step(Layer::Seccomp, "give up new privileges")?;
    if plan.landlock {
        landlocked::apply(&plan.readable, &plan.writable, plan.root.is_some())?;
    }
    if plan.root.is_none() {
        set_parent_process_death_signal(Some(Signal::KILL)).step(run, "end with the helper")?;
    }
    if has_rights()? {
        drop_capabilities(CapabilitySet::empty(), CapabilitySet::empty())?;
    }
    filter(init)
}

/// Whether there are rights to give up: in the own user namespace, or as the machine's root.
fn has_rights() -> Result<bool, Fault> {
    let sets = capabilities(None).step(Layer::Namespaces, "look at the capabilities")?;
    Ok(!sets.permitted.is_empty())
}

/// Gives up all rights in the user namespace but `kept`, and those that `exec` could bring.
pub(super) fn drop_capabilities(kept: CapabilitySet, bounding: CapabilitySet) -> Result<(), Fault> {
    let layer = Layer::Namespaces;
    clear_ambient_capability_set().step(layer, "give up ambient capabilities")?;
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(locked).step(layer, "lock the rules for capabilities")?;
    for number in 0..63 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            // Past the kernel's last capability.
            Err(_) => break,
            Ok(true) if !bounding.contains(one) => {
                remove_capability_from_bounding_set(one).step(layer, "give up capabilities")?;
            }
            Ok(_) => {}
        }
    }
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).step(layer, "give up capabilities")
}

/// Installs the filters, and hands the supervised one's listener to the init.
fn filter(init: &Channel) -> Result<(), Fault> {
    let layer = Layer::Seccomp;
    let filters = seccomp::filters()
        .map_err(io::Error::other)
        .step(layer, "compile the seccomp filters")?;
    let listener = notification::install_supervised(&filters.supervised)
        .step(layer, "have connect supervised by seccomp")?;
    init.send(&Word::Supervise, &[listener.as_fd()])
        .step(layer, "hand over the supervision of connect")?;
    drop(listener);
    for program in &filters.alone {
        notification::install(program).step(layer, "install a seccomp filter")?;
    }
    Ok(())
}

/// Executes the program's file. Every descriptor but the first three closes with it.
fn execute(plan: &Plan) -> io::Error {
    let program = &plan.program;
    if let Err(error) = close_on_exec() {
        return error;
    }
    // The standard library gives text for a file with a zero byte.
    if CString::new(program.file.as_encoded_bytes()).is_err() {
        return io::Error::from_raw_os_error(libc::ENOENT);
    }
    Command::new(&program.file)
        .arg0(&program.name)
        .args(&program.arguments)
        .env_clear()
        .envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .exec()
}

/// Has every descriptor but the first three closed by `exec`.
fn close_on_exec() -> io::Result<()> {
    super::sys::descriptors::close_on_exec(3)
}
