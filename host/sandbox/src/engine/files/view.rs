//! What the functions of `wasi:filesystem/types` have of a run.
//!
//! A guest has a descriptor of its `/` before that directory is made; until then another handle [stands
//! in](OpenFiles::preopened) for it. Here is the only way to the table. A function that wants a descriptor,
//! or WASI's own functions, names the descriptors that it is about, and finds a directory there, or fails.

use std::fs::File as StdFile;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DirectoryEntryStream, ErrorCode, HostDescriptor as _,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::listing::Listing;
use super::{Fd, OpenFiles, unmade};
use crate::disk::{Disk, Held};

/// What `wasi:filesystem/types` needs of a run.
pub(crate) struct FilesView<'a> {
    wasi: WasiFilesystemCtxView<'a>,
    pub(super) open: &'a mut OpenFiles,
}

impl<'a> FilesView<'a> {
    pub(in crate::engine) fn new(
        context: &'a mut WasiFilesystemCtx,
        table: &'a mut ResourceTable,
        open: &'a mut OpenFiles,
    ) -> Self {
        let wasi = WasiFilesystemCtxView {
            ctx: context,
            table,
        };
        Self { wasi, open }
    }

    /// WASI's own functions, for `fd`.
    pub(super) fn wasi(&mut self, fd: &Fd) -> FsResult<&mut WasiFilesystemCtxView<'a>> {
        self.settle(fd)?;
        Ok(&mut self.wasi)
    }

    /// WASI's own functions, for two descriptors.
    pub(super) fn wasi_of_both(
        &mut self,
        one: &Fd,
        other: &Fd,
    ) -> FsResult<&mut WasiFilesystemCtxView<'a>> {
        self.settle(one)?;
        self.wasi(other)
    }

    /// Returns what `fd` is.
    pub(super) fn descriptor(&mut self, fd: &Fd) -> FsResult<&Descriptor> {
        Ok(self.wasi(fd)?.table.get(fd)?)
    }

    /// Returns the open directory `fd`.
    pub(super) fn directory(&mut self, fd: &Fd) -> FsResult<Arc<StdFile>> {
        match self.descriptor(fd)? {
            Descriptor::Dir(dir) => Ok(dir.dir.clone()),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Makes the directory of `fd` if another handle stands in for it.
    fn settle(&mut self, fd: &Fd) -> FsResult<()> {
        let Some(disk) = self.open.stood_in_for(fd) else {
            return Ok(());
        };
        let top = disk.top().map_err(|error| unmade(&error))?.clone();
        let Descriptor::Dir(dir) = self.wasi.table.get_mut(fd)? else {
            return Err(ErrorCode::NotDirectory.into());
        };
        dir.dir = top;
        self.open.settled(fd);
        Ok(())
    }

    /// Registers what was opened; its descriptor was [reserved](OpenFiles::begin).
    pub(super) fn push(
        &mut self,
        descriptor: Descriptor,
        disk: Option<Arc<Disk>>,
        held: Option<Held>,
        direct: bool,
    ) -> FsResult<Fd> {
        let fd = self.wasi.table.push(descriptor)?;
        self.open.insert(fd.rep(), disk, held, direct);
        Ok(fd)
    }

    /// Closes `fd`. Nothing is made for that.
    pub(super) fn close(&mut self, fd: Fd) -> wasmtime::Result<()> {
        let rep = fd.rep();
        self.wasi.drop(fd)?;
        self.open.remove(rep);
        Ok(())
    }

    /// Replaces one of WASI's own streams.
    pub(super) fn reader(
        &mut self,
        stream: Resource<DynInputStream>,
        with: impl FnOnce(DynInputStream) -> DynInputStream,
    ) -> FsResult<Resource<DynInputStream>> {
        let inner = self.wasi.table.delete(stream)?;
        Ok(self.wasi.table.push(with(inner))?)
    }

    /// Takes one of WASI's own streams out.
    pub(super) fn take_writer(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> FsResult<DynOutputStream> {
        Ok(self.wasi.table.delete(stream)?)
    }

    pub(super) fn push_writer(
        &mut self,
        writer: DynOutputStream,
    ) -> FsResult<Resource<DynOutputStream>> {
        Ok(self.wasi.table.push(writer)?)
    }

    pub(super) fn push_listing(
        &mut self,
        listing: Listing,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        // To the guest the handle is only a number, so its type here is ours to choose.
        let listing = self.wasi.table.push(listing)?;
        Ok(Resource::new_own(listing.rep()))
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.filesystem_error_code(error)
    }
}

impl types::HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        let listing = Resource::<Listing>::new_borrow(stream.rep());
        self.wasi.table.get_mut(&listing)?.next().await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        let listing = Resource::<Listing>::new_own(stream.rep());
        self.wasi.table.delete(listing)?;
        self.open.end();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
