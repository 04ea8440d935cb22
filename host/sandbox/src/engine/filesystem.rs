//! The directories that a run starts with.
//!
//! WASI's own context takes the host's *paths* and opens them for every run. A guest that may write
//! above such a path could have replaced it by a link in the meantime. Here each directory is opened
//! once, and every run uses that handle.
//!
//! Below a handle, `wasmtime-wasi` and `cap-std` resolve names with `openat2`, under `RESOLVE_BENEATH`
//! and `RESOLVE_NO_MAGICLINKS`, so that neither `..`, a symbolic link, a link such as
//! `/proc/self/root` nor a concurrent rename leads out. If the kernel has no `openat2`, or a filter
//! refuses it, they walk name by name with a handle for every directory, to the same effect.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, Dir, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::preopens;

use super::files::OpenFiles;
use crate::disk::Disk;

/// An open directory of the host, and its absolute path in the guest. A clone shares the handle and
/// takes no descriptor.
#[derive(Clone)]
pub(crate) struct Preopen {
    dir: Dir,
    guest: String,
    /// Counts the changes in it, and has the handle once there is one; `None` for a directory of the host.
    disk: Option<Arc<Disk>>,
    /// Whether the guest's own thread looks at it: handing a look to another thread takes longer than a dozen
    /// looks. A directory that the user mounts may be a remote one, which does not answer.
    direct: bool,
}

impl Preopen {
    /// Opens `host`. Its name is looked up only here.
    pub(crate) fn open(host: &Path, guest: impl Into<String>, perms: FsPerms) -> io::Result<Self> {
        let dir = cap_std::fs::Dir::open_ambient_dir(host, ambient_authority())?;
        Ok(Self::new(dir, guest, perms))
    }

    /// Opens a directory of the cache for reading.
    pub(crate) fn of_cache(host: &Path, guest: impl Into<String>) -> io::Result<Self> {
        let dir = cap_std::fs::Dir::open_ambient_dir(host, ambient_authority())?;
        Ok(Self::with(dir, guest, FsPerms::ReadOnly, true))
    }

    /// Takes a directory that is already open.
    pub(crate) fn new(dir: cap_std::fs::Dir, guest: impl Into<String>, perms: FsPerms) -> Self {
        Self::with(dir, guest, perms, false)
    }

    fn with(dir: cap_std::fs::Dir, guest: impl Into<String>, perms: FsPerms, direct: bool) -> Self {
        let mode = match perms {
            FsPerms::ReadOnly => OpenMode::READ,
            FsPerms::ReadWrite => OpenMode::READ | OpenMode::WRITE,
        };
        Self {
            dir: Dir::new(dir.into_std_file(), perms, mode, direct),
            guest: guest.into(),
            disk: None,
            direct,
        }
    }

    /// The top of a disk, readable and writable. It need not be there yet.
    pub(crate) fn of_disk(disk: Arc<Disk>, guest: impl Into<String>) -> io::Result<Self> {
        Ok(Self {
            dir: stand_in()?.clone(),
            guest: guest.into(),
            disk: Some(disk),
            direct: true,
        })
    }

    /// The same directory at another path in the guest.
    pub(crate) fn at(&self, guest: impl Into<String>) -> Self {
        Self {
            guest: guest.into(),
            ..self.clone()
        }
    }

    pub(crate) fn disk(&self) -> Option<&Arc<Disk>> {
        self.disk.as_ref()
    }

    /// The guest's absolute path, without a final slash unless it is `/`.
    pub(crate) fn guest(&self) -> &str {
        &self.guest
    }

    pub(crate) fn is_writable(&self) -> bool {
        !self.dir.perms.write_not_permitted()
    }

    /// A handle for the host's own use, confined to what is below it; it takes a descriptor.
    pub(crate) fn dir(&self) -> io::Result<cap_std::fs::Dir> {
        let handle = match &self.disk {
            Some(disk) => disk.top()?,
            None => &self.dir.dir,
        };
        Ok(cap_std::fs::Dir::from_std_file(handle.try_clone()?))
    }

    /// The directory for a guest's table, and whether it only stands in for a disk's, which is not there
    /// yet.
    fn for_table(&self) -> (Dir, bool) {
        let mut dir = self.dir.clone();
        match self.disk.as_ref().map(|disk| disk.made()) {
            None => (dir, false),
            Some(None) => (dir, true),
            Some(Some(top)) => {
                dir.dir.clone_from(top);
                (dir, false)
            }
        }
    }
}

/// Stands in for the top of a disk, readable and writable: nothing is below it, and nothing can be made
/// there. There is one for the whole process.
fn stand_in() -> io::Result<&'static Dir> {
    static STAND_IN: OnceLock<Dir> = OnceLock::new();
    if let Some(made) = STAND_IN.get() {
        return Ok(made);
    }
    // The end of a pipe is no directory, and on no file system of the host.
    let (end, _) = io::pipe()?;
    let file = File::from(OwnedFd::from(end));
    let mode = OpenMode::READ | OpenMode::WRITE;
    Ok(STAND_IN.get_or_init(|| Dir::new(file, FsPerms::ReadWrite, mode, true)))
}

/// What `wasi:filesystem/preopens` needs of a run.
pub(super) struct PreopensView<'a> {
    pub(super) preopens: &'a [Preopen],
    pub(super) table: &'a mut ResourceTable,
    pub(super) open: &'a mut OpenFiles,
}

pub(super) struct HasPreopens;

impl HasData for HasPreopens {
    type Data<'a> = PreopensView<'a>;
}

impl preopens::Host for PreopensView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut directories = Vec::with_capacity(self.preopens.len());
        for preopen in self.preopens {
            // The handle is shared, so a guest that asks repeatedly costs the host no descriptors;
            // the table bounds how often it can.
            let (dir, stands_in) = preopen.for_table();
            let descriptor = self.table.push(Descriptor::Dir(dir))?;
            let (disk, direct) = (preopen.disk.clone(), preopen.direct);
            self.open
                .preopened(descriptor.rep(), disk, stands_in, direct);
            directories.push((descriptor, preopen.guest.clone()));
        }
        Ok(directories)
    }
}

#[cfg(test)]
mod tests {
    use preopens::Host as _;

    use super::*;

    #[test]
    fn a_guest_that_asks_for_its_directories_again_costs_no_descriptors() {
        let directory = tempfile::tempdir().unwrap();
        let preopen = Preopen::open(directory.path(), "/data", FsPerms::ReadOnly).unwrap();
        let preopens = [preopen.clone(), preopen];
        let mut table = ResourceTable::new();
        table.set_max_capacity(201);
        let mut view = PreopensView {
            preopens: &preopens,
            table: &mut table,
            open: &mut OpenFiles::default(),
        };
        for _ in 0..100 {
            for (descriptor, guest) in view.get_directories().unwrap() {
                assert_eq!(guest, "/data");
                let Descriptor::Dir(dir) = view.table.get(&descriptor).unwrap() else {
                    panic!("it is a directory");
                };
                assert!(Arc::ptr_eq(&dir.dir, &preopens[0].dir.dir));
                assert!(dir.perms.write_not_permitted());
            }
        }
        // One call more ends the guest, not the host.
        assert!(view.get_directories().is_err());
        drop(table);
        assert_eq!(Arc::strong_count(&preopens[0].dir.dir), 2);
    }
}
