//! The lists: which system calls are refused, with which arguments, and with which error.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{SeccompCmpOp, SeccompCondition, SeccompRule};

pub(super) type Rule = SeccompRule;
pub(super) type Rules = BTreeMap<i64, Vec<Rule>>;

type Result<T> = std::result::Result<T, seccompiler::BackendError>;

/// System calls that `libc` has no name for on every target.
const OPEN_TREE_ATTR: i64 = 467;
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// `IOPRIO_WHO_PROCESS`.
const ONE_PROCESS: i64 = 1;

/// Flags of `clone` that make namespaces. (That for clocks is only in `clone3` and `unshare`.)
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Refused whatever the arguments, as to a user without rights.
const FORBIDDEN: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // Namespaces. `clone` is below, `clone3` does not exist.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // Keys.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // What the kernel runs for others, and its own parts.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
];

/// More of them that only this architecture has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[i64] = &[];

/// Refused where no root of the run's own keeps the host's files and objects apart: Landlock has no rights for
/// modes, owners, times and attributes, and none for shared memory.
const FORBIDDEN_WITHOUT_ROOT: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    REMOVEXATTRAT,
    FILE_SETATTR,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
];
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_WITHOUT_ROOT_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_WITHOUT_ROOT_HERE: &[i64] = &[];

/// Calls that give a file its mode, and which argument that is. No file of the program gets another user's or
/// group's rights: below `--write` it would have them outside.
const MODES: &[(i64, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (FCHMODAT2, 2),
    (libc::SYS_openat, 3),
    (libc::SYS_mknodat, 2),
];
#[cfg(target_arch = "x86_64")]
const MODES_HERE: &[(i64, u8)] = &[
    (libc::SYS_chmod, 1),
    (libc::SYS_open, 2),
    (libc::SYS_creat, 1),
    (libc::SYS_mknod, 1),
];
#[cfg(not(target_arch = "x86_64"))]
const MODES_HERE: &[(i64, u8)] = &[];

/// As on an older kernel: the C library and programs then do without.
const NOT_THERE: &[i64] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Their flags and modes are in memory, where a filter cannot read them. The C library then uses `clone`,
    // and programs `openat`.
    libc::SYS_clone3,
    libc::SYS_openat2,
];

/// The rules by the error that they give. The first list is never empty.
pub(super) fn refused(has_root: bool) -> Result<Vec<(i32, Rules)>> {
    let not_there = NOT_THERE.iter().map(|call| (*call, Vec::new())).collect();
    Ok(vec![
        (libc::EPERM, forbidden(has_root)?),
        (libc::ENOSYS, not_there),
        (libc::EACCES, sockets()?),
        (libc::EPROTONOSUPPORT, protocols()?),
        (libc::EOPNOTSUPP, fast_open()?),
    ])
}

fn forbidden(has_root: bool) -> Result<Rules> {
    let calls = FORBIDDEN.iter().chain(FORBIDDEN_HERE);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    if !has_root {
        let more = FORBIDDEN_WITHOUT_ROOT.iter();
        let more = more.chain(FORBIDDEN_WITHOUT_ROOT_HERE);
        rules.extend(more.map(|call| (*call, Vec::new())));
    }
    for (call, place) in MODES.iter().chain(MODES_HERE) {
        let bits = [libc::S_ISUID, libc::S_ISGID].map(u64::from);
        let gives = |bit| rule(&[(*place, (MaskedEq(bit), bit))]);
        let given = bits.into_iter().map(gives).collect::<Result<_>>()?;
        rules.entry(*call).or_insert(given);
    }
    let namespaces = NAMESPACES
        .iter()
        .map(|flag| rule(&[(0, has(*flag))]))
        .collect::<Result<_>>()?;
    rules.insert(libc::SYS_clone, namespaces);
    // These two put input into a terminal, for the shell that started the program.
    let terminal = vec![
        rule(&[(1, equal(libc::TIOCSTI.cast_signed()))])?,
        rule(&[(1, equal(libc::TIOCLINUX.cast_signed()))])?,
    ];
    rules.insert(libc::SYS_ioctl, terminal);
    // The limit of dumps keeps them from the host's programs: see `limits`.
    let dumps = i64::from(libc::RLIMIT_CORE);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_setrlimit, vec![rule(&[(0, equal(dumps))])?]);
    // The limits of another process are not the program's: without a PID namespace it could name any.
    rules.insert(
        libc::SYS_prlimit64,
        vec![
            rule(&[(1, equal(dumps)), (2, given())])?,
            rule(&[(0, unlike(0)), (2, given())])?,
        ],
    );
    // A process group may have processes outside, and so may a user without a namespace of its own.
    let process = i64::from(libc::PRIO_PROCESS);
    let mut priority = vec![rule(&[(0, unlike(process))])?];
    let mut of_disk = vec![rule(&[(0, unlike(ONE_PROCESS))])?];
    if !has_root {
        priority.push(rule(&[(1, unlike(0))])?);
        of_disk.push(rule(&[(1, unlike(0))])?);
    }
    rules.insert(libc::SYS_setpriority, priority);
    rules.insert(libc::SYS_ioprio_set, of_disk);
    // 0 is Linux itself, and the other asks only.
    let other = rule(&[(0, unlike(0)), (0, unlike(0xffff_ffff))])?;
    rules.insert(libc::SYS_personality, vec![other]);
    Ok(rules)
}

/// Only stream sockets of Unix and the internet, and the kernel's list of interfaces.
fn sockets() -> Result<Rules> {
    let netlink = i64::from(libc::AF_NETLINK);
    let mut socket = vec![
        rule(&[
            (0, unlike(i64::from(libc::AF_UNIX))),
            (0, unlike(i64::from(libc::AF_INET))),
            (0, unlike(i64::from(libc::AF_INET6))),
            (0, unlike(netlink)),
        ])?,
        // `getifaddrs` reads addresses there. Without rights, nothing can be changed.
        rule(&[
            (0, equal(netlink)),
            (2, unlike(i64::from(libc::NETLINK_ROUTE))),
        ])?,
    ];
    // The lowest four bits are the type, of which a stream's is 1; flags are above.
    for other in [MaskedEq(2), MaskedEq(4), MaskedEq(8)] {
        let bit = match &other {
            MaskedEq(bit) => *bit,
            _ => 0,
        };
        socket.push(rule(&[(0, unlike(netlink)), (1, (other, bit))])?);
    }
    socket.push(rule(&[(0, unlike(netlink)), (1, (MaskedEq(1), 0))])?);
    // A pair of datagram sockets could send to the path of any other; types 1 and 5 cannot.
    let socketpair = vec![
        rule(&[(0, unlike(i64::from(libc::AF_UNIX)))])?,
        rule(&[(1, (MaskedEq(2), 2))])?,
        rule(&[(1, (MaskedEq(8), 8))])?,
        rule(&[(1, (MaskedEq(1), 0))])?,
    ];
    Ok(BTreeMap::from([
        (libc::SYS_socket, socket),
        (libc::SYS_socketpair, socketpair),
    ]))
}

/// On the internet only TCP: not SCTP, nor several paths at once, which programs then do without.
fn protocols() -> Result<Rules> {
    let tcp = i64::from(libc::IPPROTO_TCP);
    let other = |domain: i32| {
        rule(&[
            (0, equal(i64::from(domain))),
            (2, unlike(0)),
            (2, unlike(tcp)),
        ])
    };
    let rules = vec![other(libc::AF_INET)?, other(libc::AF_INET6)?];
    Ok(BTreeMap::from([(libc::SYS_socket, rules)]))
}

/// TCP fast open connects without `connect`.
fn fast_open() -> Result<Rules> {
    let flag = libc::MSG_FASTOPEN;
    let option = rule(&[
        (1, equal(i64::from(libc::IPPROTO_TCP))),
        (2, equal(i64::from(libc::TCP_FASTOPEN_CONNECT))),
    ])?;
    Ok(BTreeMap::from([
        (libc::SYS_sendto, vec![rule(&[(3, has(flag))])?]),
        (libc::SYS_sendmsg, vec![rule(&[(2, has(flag))])?]),
        (libc::SYS_sendmmsg, vec![rule(&[(3, has(flag))])?]),
        (libc::SYS_setsockopt, vec![option]),
    ]))
}

type Condition = (SeccompCmpOp, u64);

/// A rule whose conditions, by the argument's place, must all hold. The kernel reads 32 bits of each, except of
/// pointers.
fn rule(conditions: &[(u8, Condition)]) -> Result<Rule> {
    let conditions = conditions
        .iter()
        .map(|(place, (operator, value))| {
            let length = if *operator == Ne && *value == POINTER {
                Qword
            } else {
                Dword
            };
            let value = if *value == POINTER { 0 } else { *value };
            SeccompCondition::new(*place, length, operator.clone(), value)
        })
        .collect::<Result<_>>()?;
    SeccompRule::new(conditions)
}

/// Stands for a null pointer. No value of 32 bits is like it.
const POINTER: u64 = u64::MAX;

/// The pointer is not null.
fn given() -> Condition {
    (Ne, POINTER)
}

fn equal(value: i64) -> Condition {
    (Eq, value.cast_unsigned())
}

fn unlike(value: i64) -> Condition {
    (Ne, value.cast_unsigned())
}

/// All bits of the flag are set.
fn has(flag: libc::c_int) -> Condition {
    let flag = u64::from(flag.cast_unsigned());
    (MaskedEq(flag), flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_in_one_list_for_an_error() {
        for has_root in [true, false] {
            let lists = refused(has_root).unwrap();
            assert!(lists.iter().all(|(_, rules)| !rules.is_empty()));
            let (_, forbidden) = &lists[0];
            assert!(NOT_THERE.iter().all(|call| !forbidden.contains_key(call)));
            let always = [
                FORBIDDEN,
                FORBIDDEN_HERE,
                if has_root {
                    &[]
                } else {
                    FORBIDDEN_WITHOUT_ROOT
                },
                if has_root {
                    &[]
                } else {
                    FORBIDDEN_WITHOUT_ROOT_HERE
                },
            ]
            .concat();
            let mut once = always.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), always.len(), "a call is listed twice");
            for call in always {
                let rules = forbidden.get(&call);
                assert!(
                    rules.is_some_and(Vec::is_empty),
                    "{call} depends on its arguments"
                );
            }
        }
    }
}
