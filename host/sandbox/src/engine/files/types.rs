//! Implements the functions of `wasi:filesystem/types`.

use std::fs::File as StdFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_primitives::fs::{OpenOptions, open};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorFlags, ErrorCode, Filesize, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::listing::Listing;
use super::mounted;
use super::streams::{Plain, Reader, Writer};
use super::{Fd, FilesView, blocking, look};
use crate::disk::{Disk, Opened, Wanted};

/// Bytes that one call writes at most; the guest is told how many it wrote.
const WRITE_SIZE: usize = 1 << 20;

impl FilesView<'_> {
    /// Returns the open directory `fd` if it is on a disk.
    fn on_disk(&mut self, fd: &Fd) -> FsResult<Option<(Arc<Disk>, Arc<StdFile>)>> {
        match self.open.disk(fd) {
            Some(disk) => Ok(Some((disk, self.directory(fd)?))),
            None => Ok(None),
        }
    }

    /// Returns what is open as `fd`, and whether that is a directory, if the guest's own thread looks at it:
    /// syncing takes too long for that thread.
    fn synced(&mut self, fd: &Fd) -> FsResult<Option<(Arc<StdFile>, bool)>> {
        let direct = self.open.is_direct(fd);
        let opened = match self.descriptor(fd)? {
            Descriptor::Dir(directory) => (directory.dir.clone(), true),
            Descriptor::File(file) => (file.file.clone(), false),
        };
        Ok(direct.then_some(opened))
    }

    /// Opens what is at `path` in the directory `at` of a disk.
    async fn open_on_disk(
        &mut self,
        fd: &Fd,
        (disk, at): (Arc<Disk>, Arc<StdFile>),
        path: String,
        wanted: Wanted,
        directory: bool,
    ) -> FsResult<Fd> {
        let opened = {
            let disk = disk.clone();
            blocking(move || disk.open(&at, Path::new(&path), wanted)).await?
        };
        let Descriptor::Dir(parent) = self.descriptor(fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let perms = parent.perms;
        let mode = mode(wanted);
        let (descriptor, held) = match opened {
            Opened::Directory(dir) => (Descriptor::Dir(Dir::new(dir, perms, mode, true)), None),
            Opened::File(_) if directory => return Err(ErrorCode::NotDirectory.into()),
            Opened::File(held) => {
                // `File::new` takes a file of its own, which is then replaced by the held one.
                let mut file = File::new(held.file().try_clone()?, perms, mode, false);
                file.file = held.file().clone();
                (Descriptor::File(file), Some(held))
            }
        };
        let direct = held.is_none();
        self.push(descriptor, Some(disk), held, direct)
    }

    /// Opens what is at `path` in a directory of the host.
    async fn open_in_mount(
        &mut self,
        fd: &Fd,
        path: String,
        wanted: Wanted,
        directory: bool,
    ) -> FsResult<Fd> {
        let Descriptor::Dir(parent) = self.descriptor(fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let (at, perms) = (parent.dir.clone(), parent.perms);
        if wanted.write && perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let direct = self.open.is_direct(fd);
        let opened = move || mounted::open(&at, Path::new(&path), wanted, directory);
        let opened = look(direct, opened).await?;
        let mode = mode(wanted);
        let descriptor = match opened {
            mounted::Opened::Directory(dir) => Descriptor::Dir(Dir::new(dir, perms, mode, direct)),
            mounted::Opened::File(file) => Descriptor::File(File::new(file, perms, mode, direct)),
        };
        self.push(descriptor, None, None, direct)
    }

    /// Makes a stream that writes to `fd`; without a position, at its end.
    fn writer(&mut self, fd: Fd, position: Option<u64>) -> FsResult<Resource<DynOutputStream>> {
        let token = self.open.stream()?;
        let writer: DynOutputStream = match self.open.held(&fd) {
            Some(held) => Box::new(Writer::new(held, position, token)),
            None => {
                let stream = match position {
                    Some(position) => self.wasi(&fd)?.write_via_stream(fd, position)?,
                    None => self.wasi(&fd)?.append_via_stream(fd)?,
                };
                let inner = self.take_writer(stream)?;
                Box::new(Plain {
                    inner,
                    _token: token,
                })
            }
        };
        self.push_writer(writer)
    }
}

/// Opens a directory for what its handle, which may be good for lookups alone, can't do.
fn readable(directory: &StdFile) -> io::Result<StdFile> {
    open(directory, ".".as_ref(), OpenOptions::new().read(true))
}

/// The functions that change a disk come first.
impl HostDescriptor for FilesView<'_> {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.open.looks_at(&fd, &path);
        self.open.begin()?;
        let opened = match self.on_disk(&fd) {
            Ok(Some(place)) => match wanted(path_flags, open_flags, flags) {
                Ok(wanted) => {
                    let directory = open_flags.contains(OpenFlags::DIRECTORY);
                    self.open_on_disk(&fd, place, path, wanted, directory).await
                }
                Err(code) => Err(code.into()),
            },
            Ok(None) => match wanted(path_flags, open_flags, flags) {
                Ok(wanted) => {
                    let directory = open_flags.contains(OpenFlags::DIRECTORY);
                    self.open_in_mount(&fd, path, wanted, directory).await
                }
                Err(code) => Err(code.into()),
            },
            Err(error) => Err(error),
        };
        opened.inspect_err(|_| self.open.end())
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.close(fd)
    }

    async fn write(&mut self, fd: Fd, mut bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        bytes.truncate(WRITE_SIZE);
        let Some(held) = self.open.held(&fd) else {
            return self.wasi(&fd)?.write(fd, bytes, offset).await;
        };
        let written = blocking(move || held.disk().write_at(held.file(), &bytes, offset)).await?;
        Ok(written as u64)
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        match self.open.held(&fd) {
            Some(held) => blocking(move || held.disk().set_size(held.file(), size)).await,
            None => self.wasi(&fd)?.set_size(fd, size).await,
        }
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let (held, token) = (self.open.held(&fd), self.open.stream()?);
        let stream = self.wasi(&fd)?.read_via_stream(fd, offset)?;
        self.reader(stream, |inner| {
            Box::new(Reader {
                inner,
                _held: held,
                _token: token,
            })
        })
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writer(fd, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.writer(fd, None)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        match self.on_disk(&fd)? {
            Some((disk, at)) => blocking(move || disk.create_dir(&at, Path::new(&path))).await,
            None => self.wasi(&fd)?.create_directory_at(fd, path).await,
        }
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        match self.on_disk(&fd)? {
            Some((disk, at)) => blocking(move || disk.remove_dir(&at, Path::new(&path))).await,
            None => self.wasi(&fd)?.remove_directory_at(fd, path).await,
        }
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        match self.on_disk(&fd)? {
            Some((disk, at)) => blocking(move || disk.remove_file(&at, Path::new(&path))).await,
            None => self.wasi(&fd)?.unlink_file_at(fd, path).await,
        }
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        match self.on_disk(&fd)? {
            Some((disk, at)) => {
                blocking(move || disk.symlink(Path::new(&target), &at, Path::new(&path))).await
            }
            None => self.wasi(&fd)?.symlink_at(fd, target, path).await,
        }
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FsResult<()> {
        let (from, to) = (self.on_disk(&fd)?, self.on_disk(&new_fd)?);
        match (from, to) {
            (None, None) => {
                self.wasi_of_both(&fd, &new_fd)?
                    .link_at(fd, flags, old, new_fd, new)
                    .await
            }
            (Some(_), Some(_)) if flags.contains(PathFlags::SYMLINK_FOLLOW) => {
                Err(ErrorCode::Invalid.into())
            }
            (Some((disk, from)), Some((_, to))) => {
                let (old, new) = (PathBuf::from(old), PathBuf::from(new));
                blocking(move || disk.hard_link(&from, &old, &to, &new)).await
            }
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let (from, to) = (self.on_disk(&fd)?, self.on_disk(&new_fd)?);
        let paths = (PathBuf::from(&old), PathBuf::from(&new));
        match (from, to) {
            (None, None) => {
                self.wasi_of_both(&fd, &new_fd)?
                    .rename_at(fd, old, new_fd, new)
                    .await
            }
            (Some((disk, from)), Some((_, to))) => {
                blocking(move || disk.rename(&from, &paths.0, &to, &paths.1)).await
            }
            (Some((disk, from)), None) => {
                let to = match self.descriptor(&new_fd)? {
                    Descriptor::Dir(dir) if dir.perms.write_not_permitted() => {
                        return Err(ErrorCode::NotPermitted.into());
                    }
                    _ => self.directory(&new_fd)?,
                };
                blocking(move || disk.rename_out(&from, &paths.0, &to, &paths.1)).await
            }
            (None, Some(_)) => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        let directory = self.directory(&fd)?;
        let direct = self.open.is_direct(&fd);
        self.open.begin()?;
        let listing = look(direct, move || Listing::of(&directory, direct)).await;
        let listing = listing.inspect_err(|_| self.open.end())?;
        self.push_listing(listing)
    }

    // The functions below change nothing that is counted.

    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.wasi(&fd)?.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        match self.synced(&fd)? {
            Some((directory, true)) => blocking(move || readable(&directory)?.sync_data()).await,
            Some((file, false)) => blocking(move || file.sync_data()).await,
            None => self.wasi(&fd)?.sync_data(fd).await,
        }
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        match self.synced(&fd)? {
            Some((directory, true)) => blocking(move || readable(&directory)?.sync_all()).await,
            Some((file, false)) => blocking(move || file.sync_all()).await,
            None => self.wasi(&fd)?.sync(fd).await,
        }
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.wasi(&fd)?.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<types::DescriptorType> {
        // Every program asks for this at its beginning, whether it looks at a file or not.
        if self.open.is_stand_in(&fd) {
            return Ok(types::DescriptorType::Directory);
        }
        self.wasi(&fd)?.get_type(fd).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.wasi(&fd)?.set_times(fd, accessed, modified).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.wasi(&fd)?
            .set_times_at(fd, flags, path, accessed, modified)
            .await
    }

    async fn read(
        &mut self,
        fd: Fd,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.wasi(&fd)?.read(fd, length, offset).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        self.wasi(&fd)?.stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        self.open.looks_at(&fd, &path);
        self.wasi(&fd)?.stat_at(fd, flags, path).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.open.looks_at(&fd, &path);
        self.wasi(&fd)?.readlink_at(fd, path).await
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        if self.open.are_one_top(&a, &b) {
            return Ok(true);
        }
        match self.wasi_of_both(&a, &b) {
            Ok(wasi) => wasi.is_same_object(a, b).await,
            // One of them can't be made, so they are not the same.
            Err(error) => error.downcast().map(|_| false),
        }
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.wasi(&fd)?.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        self.wasi(&fd)?.metadata_hash_at(fd, flags, path).await
    }
}

/// Translates how the guest asks to open something.
fn wanted(path: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> Result<Wanted, ErrorCode> {
    let synchronized = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if flags.intersects(synchronized) {
        return Err(ErrorCode::Unsupported);
    }
    let changes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
    if open.contains(OpenFlags::DIRECTORY) && open.intersects(changes) {
        return Err(ErrorCode::Invalid);
    }
    let writes = flags.contains(DescriptorFlags::WRITE);
    Ok(Wanted {
        // A descriptor for neither reading nor writing is opened for reading.
        read: flags.contains(DescriptorFlags::READ) || !writes,
        write: writes || open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE),
        create: open.contains(OpenFlags::CREATE),
        exclusive: open.contains(OpenFlags::EXCLUSIVE),
        truncate: open.contains(OpenFlags::TRUNCATE),
        follow: path.contains(PathFlags::SYMLINK_FOLLOW),
    })
}

fn mode(wanted: Wanted) -> OpenMode {
    let mut mode = OpenMode::empty();
    mode.set(OpenMode::READ, wanted.read);
    mode.set(OpenMode::WRITE, wanted.write);
    mode
}
