//! Freezes the memory of an instance, so that others begin as it is now.

use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, WasmList};
use wasmtime::{Result, Store, ensure};

use super::frozen::Unnamed;
use super::live::LiveMemory;
use super::parts::Image;
use crate::componentize::WASM_PAGE;
use crate::zeros::used;

/// How much of the memory is looked at at once.
const PIECE: usize = 4 << 20;

/// Returns the memory of an instance as it is now. The instance goes on unchanged, and shares with all that
/// begin so what neither writes to. It began as `begun`.
///
/// # Errors
///
/// If the instance has ended, or there is no memory for what is copied.
pub async fn freeze<T: Send>(
    store: &mut Store<T>,
    instance: &Instance,
    live: &LiveMemory,
    begun: &Image,
) -> Result<Image> {
    // What has trapped or was left in the middle of something can't be called.
    let (pages,): (u32,) = call(store, instance, "memory-pages", ()).await?;
    let size = pages as usize * WASM_PAGE;
    ensure!(size >= begun.minimum(), "a memory does not shrink");
    #[cfg(target_os = "linux")]
    if let Some(image) = live.freeze(&mut *store, begun.minimum(), size) {
        return Ok(image);
    }
    let _ = live;
    copy(store, instance, begun.minimum(), size).await
}

/// Copies all that is not zero.
async fn copy<T: Send>(
    store: &mut Store<T>,
    instance: &Instance,
    minimum: usize,
    size: usize,
) -> Result<Image> {
    let into = Unnamed::new(size)?;
    for start in (0..size).step_by(PIECE) {
        let length = PIECE.min(size - start);
        let piece = (start as u32, length as u32);
        let (list,): (WasmList<u8>,) = call(store, instance, "memory-view", piece).await?;
        for (at, run) in used(list.as_le_slice(&*store)) {
            into.write_at(run, start + at)?;
        }
    }
    Ok(Image::of_file(into.seal()?, 0, minimum, size))
}

/// Calls an export of the runtime's own.
async fn call<P, R, T: Send>(
    store: &mut Store<T>,
    instance: &Instance,
    name: &str,
    params: P,
) -> Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let function = instance.get_typed_func::<P, R>(&mut *store, name)?;
    function.call_async(store, params).await
}
