//! The fresh root: a file system that holds the system, what is granted, and private directories.
//!
//! One file system in memory is the root. It is mounted read-only; its private directories are mounted
//! again, writable. So whatever has its device number was made by the run, also a socket.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::mount::{
    self, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};

use super::fault::{Fault, Layer, Step};
use super::plan::{Mount, Root};
use super::sys::mount_attributes;

/// Where the root can be mounted until it is the root. Its place is gone then.
const PLACES: [&str; 4] = ["/tmp", "/mnt", "/dev", "/usr"];
/// What may appear in the run's own files of `/proc`, read-only as the whole of it, is hidden here: it
/// is about the machine, and some of it is readable for the machine's root.
const HIDDEN_IN_PROC: [&str; 12] = [
    "acpi",
    "kcore",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "sched_debug",
    "scsi",
    "slabinfo",
    "timer_list",
    "vmallocinfo",
];

/// A root that is built, but not yet entered.
pub(super) struct Built {
    root: OwnedFd,
    place: &'static str,
}

type Tree = (OsString, OwnedFd);

/// Builds the root in this process's mount namespace. The files and directories of `hidden` appear empty.
pub(super) fn build(plan: &Root, hidden: &[OsString]) -> Result<Built, Fault> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount::mount_change("/", private).step(Layer::Namespaces, "make mounts private")?;
    // Before the root covers its place, where some of them may be.
    let trees = trees(plan)?;
    let (root, place) = cover(plan)?;
    for (path, mode) in &plan.private {
        private_directory(&root, path, *mode)?;
    }
    for (link, target) in &plan.links {
        symbolic_link(&root, link, target).step(Layer::Run, format!("make {}", shown(link)))?;
    }
    for (path, contents) in &plan.files {
        file(&root, path, contents).step(Layer::Run, format!("make {}", shown(path)))?;
    }
    for (path, tree) in &trees {
        attach(&root, path, tree).step(Layer::Run, format!("show {}", shown(path)))?;
    }
    devices(&root)?;
    hide(&root, hidden)?;
    Ok(Built { root, place })
}

/// Detached copies of the host's paths, with their attributes.
fn trees(plan: &Root) -> Result<Vec<Tree>, Fault> {
    let mut trees = Vec::new();
    for mount in &plan.mounts {
        let tree = tree(mount).step(
            Layer::Run,
            format!("{} {}", mount.origin, shown(&mount.path)),
        )?;
        trees.push((mount.path.clone(), tree));
    }
    for device in &plan.devices {
        // A device on a read-only mount can be written to; its mode and owner cannot be changed.
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NOEXEC
            | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let tree = copy(device, attributes).step(Layer::Run, format!("show {}", shown(device)))?;
        trees.push((device.clone(), tree));
    }
    Ok(trees)
}

fn tree(mount: &Mount) -> io::Result<OwnedFd> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    if !mount.writable {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    copy(&mount.path, attributes)
}

/// Copies the mounts at and below a path, which must still have no symbolic link in it.
fn copy(path: &OsStr, attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let found = fs::openat2(
        CWD,
        path,
        flags,
        Mode::empty(),
        fs::ResolveFlags::NO_SYMLINKS,
    )?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = mount::open_tree(&found, "", flags)?;
    mount_attributes::add(&tree, attributes, true)?;
    Ok(tree)
}

/// Mounts the empty root over a directory that every machine has.
fn cover(plan: &Root) -> Result<(OwnedFd, &'static str), Fault> {
    let place = PLACES
        .into_iter()
        .find(|place| Path::new(place).is_dir())
        .unwrap_or("/usr");
    let options = std::ffi::CString::new(format!("size={},nr_inodes=1048576,mode=0755", plan.size))
        .map_err(io::Error::other)
        .step(Layer::Run, "name the root's size")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount::mount("sandbox-net", place, "tmpfs", flags, options.as_c_str())
        .step(Layer::Namespaces, "mount the fresh root")?;
    let root = directory(CWD, OsStr::new(place)).step(Layer::Namespaces, "open the fresh root")?;
    Ok((root, place))
}

fn private_directory(root: &OwnedFd, path: &OsStr, mode: u32) -> Result<(), Fault> {
    let made = || {
        let below = make_directories(root, relative(path))?;
        // The umask does not apply to this.
        fs::chmodat(
            root,
            relative(path),
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = mount::open_tree(&below, "", flags)?;
        attach(root, path, &tree)
    };
    made().step(Layer::Namespaces, format!("make {}", shown(path)))
}

/// Mounts a tree at a path of the root, which is made if it is missing.
fn attach(root: &OwnedFd, path: &OsStr, tree: &OwnedFd) -> io::Result<()> {
    let path = relative(path);
    let is_directory = fs::FileType::from_raw_mode(fs::fstat(tree)?.st_mode).is_dir();
    let target = if is_directory {
        make_directories(root, path)?
    } else {
        make_file(root, path, None)?
    };
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(mount::move_mount(tree, "", &target, "", flags)?)
}

/// Opens a directory of the root, after making those that are missing.
fn make_directories(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let mut here = rustix::io::fcntl_dupfd_cloexec(root, 3)?;
    for component in path.components() {
        let Component::Normal(name) = component else {
            return Err(io::Error::other("a path with '..'"));
        };
        here = match directory(&here, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mode = Mode::from_raw_mode(0o755);
                fs::mkdirat(&here, name, mode)?;
                fs::chmodat(&here, name, mode, AtFlags::empty())?;
                directory(&here, name)?
            }
            other => other?,
        };
    }
    Ok(here)
}

fn directory(here: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(here, name, flags, Mode::empty())?)
}

/// Makes a file unless there is one, and opens its place.
fn make_file(root: &OwnedFd, path: &Path, contents: Option<&[u8]>) -> io::Result<OwnedFd> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = make_directories(root, path.parent().unwrap_or(Path::new("")))?;
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(&parent, name, look, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let made = fs::openat(&parent, name, flags, Mode::from_raw_mode(0o444))?;
            std::fs::File::from(made).write_all(contents.unwrap_or_default())?;
            fs::chmodat(&parent, name, Mode::from_raw_mode(0o444), AtFlags::empty())?;
            Ok(fs::openat(&parent, name, look, Mode::empty())?)
        }
        found => Ok(found?),
    }
}

fn file(root: &OwnedFd, path: &OsStr, contents: &[u8]) -> io::Result<()> {
    make_file(root, relative(path), Some(contents)).map(drop)
}

fn symbolic_link(root: &OwnedFd, link: &OsStr, target: &OsStr) -> io::Result<()> {
    let path = relative(link);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = make_directories(root, path.parent().unwrap_or(Path::new("")))?;
    match fs::symlinkat(target, &parent, name) {
        // The host's own link may be there already, in a directory that is shown.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What programs expect in `/dev` beside devices: their descriptors, and terminals of the run's own.
fn devices(root: &OwnedFd) -> Result<(), Fault> {
    let links = [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
    ];
    for (link, target) in links {
        symbolic_link(root, OsStr::new(link), OsStr::new(target))
            .step(Layer::Run, format!("make {link}"))?;
    }
    let terminals = || -> io::Result<()> {
        let place = make_directories(root, Path::new("dev/pts"))?;
        let fresh = mount::fsopen("devpts", mount::FsOpenFlags::FSOPEN_CLOEXEC)?;
        mount::fsconfig_set_string(&fresh, "ptmxmode", "0666")?;
        mount::fsconfig_set_string(&fresh, "mode", "0620")?;
        mount::fsconfig_create(&fresh)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let made = mount::fsmount(&fresh, mount::FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(mount::move_mount(&made, "", &place, "", flags)?)
    };
    terminals().step(Layer::Namespaces, "mount /dev/pts")
}

/// Covers files and directories of the root with empty ones.
fn hide(root: &OwnedFd, paths: &[OsString]) -> Result<(), Fault> {
    if paths.is_empty() {
        return Ok(());
    }
    let covers = || -> io::Result<_> {
        Ok((
            make_file(root, Path::new(".empty/file"), None)?,
            make_directories(root, Path::new(".empty/directory"))?,
        ))
    };
    let (file, directory) = covers().step(Layer::Run, "make an empty file")?;
    for path in paths {
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = fs::ResolveFlags::IN_ROOT;
        let Ok(target) = fs::openat2(root, relative(path), look, Mode::empty(), inside) else {
            continue;
        };
        cover_with(&target, &file, &directory).step(Layer::Run, format!("hide {}", shown(path)))?;
    }
    Ok(())
}

fn cover_with(target: &OwnedFd, file: &OwnedFd, directory: &OwnedFd) -> io::Result<()> {
    let kind = fs::FileType::from_raw_mode(fs::fstat(target)?.st_mode);
    let cover = match kind {
        fs::FileType::Directory => directory,
        // The link's target is hidden by its own name, if it is shown at all.
        fs::FileType::Symlink => return Ok(()),
        _ => file,
    };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = mount::open_tree(cover, "", flags)?;
    mount_attributes::add(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY, false)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(mount::move_mount(&tree, "", target, "", flags)?)
}

/// Makes the built root the root, from inside the new PID namespace, and forgets the old one.
pub(super) fn enter(built: Built) -> Result<(), Fault> {
    let Built { root, place } = built;
    processes(&root).step(
        Layer::Namespaces,
        "mount /proc (a container that hides parts of its own forbids it)",
    )?;
    mount_attributes::add(&root, MountAttrFlags::MOUNT_ATTR_RDONLY, false)
        .step(Layer::Namespaces, "make the fresh root read-only")?;
    let swap = || -> io::Result<()> {
        rustix::process::fchdir(&root)?;
        // Both at the same place: the old root then lies over the new one, and is taken away.
        rustix::process::pivot_root(".", ".")?;
        mount::unmount(".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir("/")?)
    };
    swap().step(Layer::Namespaces, format!("make {place} the root"))
}

/// Mounts the processes of the new PID namespace.
fn processes(root: &OwnedFd) -> io::Result<()> {
    let place = make_directories(root, Path::new("proc"))?;
    let fresh = mount::fsopen("proc", mount::FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_create(&fresh)?;
    // Read-only: the machine's root, if the caller is that, could change the machine's settings there.
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RDONLY;
    let made = mount::fsmount(&fresh, mount::FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    mount::move_mount(&made, "", &place, "", flags)?;
    let hidden: Vec<_> = HIDDEN_IN_PROC
        .iter()
        .map(|name| format!("/proc/{name}").into())
        .collect();
    hide(root, &hidden).map_err(|fault| io::Error::other(fault.error))
}

fn relative(path: &OsStr) -> &Path {
    let path = Path::new(path);
    path.strip_prefix("/").unwrap_or(path)
}

fn shown(path: &OsStr) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
