//! The seccomp filters: which system calls the program is refused.
//!
//! They allow by default. An allow list of what CPython, numpy, Node, git and a compiler need is nearly the
//! whole table, breaks with each new version of a C library, and stops no more: what matters here is decided
//! by arguments, in namespaces without rights. Its one advantage, that a system call of a future kernel is
//! refused, is kept: every number beyond the newest that this list was checked against does not exist.
//!
//! Each error has a filter of its own. The kernel takes the strictest verdict of all.

mod rules;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter};

use self::rules::{Rule, Rules};

/// The newest system call that was looked at: `file_setattr` of Linux 6.17. All architectures with the common
/// table count alike.
const NEWEST_KNOWN: u32 = 469;
/// Where numbers of the x32 interface begin on x86-64.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Instructions and fields of the kernel's filters.
const LOAD: u16 = 0x20;
const JUMP_IF_GREATER: u16 = 0x25;
#[cfg(target_arch = "x86_64")]
const JUMP_IF_NOT_LESS: u16 = 0x35;
const RETURN: u16 = 0x06;

/// The filters of a program, in the order in which they are installed.
pub(super) struct Filters {
    /// Those that decide by themselves.
    pub(super) alone: Vec<BpfProgram>,
    /// The one that hands `connect` to the supervisor.
    pub(super) supervised: BpfProgram,
}

/// Compiles the filters, for a program with a network namespace or without one.
///
/// # Errors
///
/// The architecture is not one that the lists are for.
pub(super) fn filters(has_own_root: bool) -> Result<Filters, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let mut alone = Vec::new();
    for (error, rules) in rules::refused(has_own_root).map_err(|error| error.to_string())? {
        let action = SeccompAction::Errno(error.unsigned_abs());
        alone.push(compile(rules, action, arch)?);
    }
    if let Some(first) = alone.first_mut() {
        first.splice(0..0, unknown_calls());
    }
    let mut calls = BTreeMap::from([(libc::SYS_connect, Vec::<Rule>::new())]);
    if !has_own_root {
        // Other machines could come to a server of the program.
        calls.insert(libc::SYS_listen, Vec::new());
    }
    let mut supervised = compile(calls, SeccompAction::Trace(0), arch)?;
    for instruction in &mut supervised {
        if instruction.code == RETURN && instruction.k == libc::SECCOMP_RET_TRACE {
            // seccompiler has no word for this verdict.
            instruction.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
    Ok(Filters { alone, supervised })
}

fn compile(rules: Rules, action: SeccompAction, arch: TargetArch) -> Result<BpfProgram, String> {
    let rules: BTreeMap<i64, Vec<SeccompRule>> = rules;
    // A program of another architecture is killed by the first instructions of each filter.
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)
        .and_then(BpfProgram::try_from)
        .map_err(|error| error.to_string())
}

/// Instructions before a filter: x32 is killed, and what is not known does not exist.
fn unknown_calls() -> Vec<sock_filter> {
    let not_there = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    // The number of the system call is the first field.
    let mut program = vec![instruction(LOAD, 0, 0, 0)];
    #[cfg(target_arch = "x86_64")]
    {
        program.push(instruction(JUMP_IF_NOT_LESS, 0, 1, X32));
        program.push(instruction(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    }
    program.push(instruction(JUMP_IF_GREATER, 0, 1, NEWEST_KNOWN));
    program.push(instruction(RETURN, 0, 0, not_there));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connect_goes_to_the_supervisor() {
        let filters = filters(true).unwrap();
        let verdicts = |program: &BpfProgram, verdict: u32| {
            let returns = program
                .iter()
                .filter(|one| one.code == RETURN && one.k == verdict);
            returns.count()
        };
        assert!(verdicts(&filters.supervised, libc::SECCOMP_RET_USER_NOTIF) > 0);
        assert_eq!(verdicts(&filters.supervised, libc::SECCOMP_RET_TRACE), 0);
        for program in &filters.alone {
            assert_eq!(verdicts(program, libc::SECCOMP_RET_USER_NOTIF), 0);
        }
    }

    #[test]
    fn what_is_not_known_is_refused_before_anything_else() {
        let filters = filters(false).unwrap();
        let first = &filters.alone[0];
        assert_eq!((first[0].code, first[0].k), (LOAD, 0));
        assert!(
            first
                .iter()
                .take(5)
                .any(|one| one.code == JUMP_IF_GREATER && one.k == 469)
        );
    }
}
