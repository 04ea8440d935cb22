//! Confinement by the Linux kernel: a program whose only way out is the broker.
//!
//! [`Confinement`] describes what a program may read, write and use. [`Confinement::spawn`] starts it in
//! namespaces of its own, on a fresh root, under Landlock and seccomp. Nothing here relies on the program:
//! not on its language, its environment or its libraries.
//!
//! | Layer | What it stops |
//! |---|---|
//! | network namespace | every address but loopback, where only the broker's listeners are from outside |
//! | mount namespace and fresh root | files and sockets that are not granted |
//! | PID and user namespace | signals to, tracing of and rights over other processes |
//! | Landlock | the same files again; signals and abstract sockets |
//! | seccomp | other kinds of sockets, `io_uring`, tracing, mounts, namespaces, keys, modules |
//! | supervised `connect` | Unix sockets of other services, also those inside granted directories |
//!
//! The program is started by a helper, which is the same executable again: its `main` calls
//! [`helper::run_if_asked`] first.

mod channel;
mod confined;
mod confinement;
mod connect;
mod groups;
pub mod helper;
mod helper_process;
mod init;
mod installation;
mod landlocked;
mod layout;
mod limits;
mod namespaces;
mod plan;
mod prepared;
mod probe;
mod program;
mod root;
mod seccomp;
mod spawn_error;
mod sys;
mod weaker;

pub use confined::{Confined, Exit, Signaller};
pub use confinement::Confinement;
pub use limits::Limits;
pub use prepared::{Prepared, Standard};
pub use probe::{Item, Probe, landlock_version, probe};
pub use spawn_error::SpawnError;
