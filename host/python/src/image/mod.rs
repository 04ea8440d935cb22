//! Memory images: files with the memory of an interpreter at rest, from which instances begin.
//!
//! A snapshot differs from its runtime in memory alone, so one compilation serves all of them. The file
//! is mapped, private and copy-on-write: an instance costs what it changes.
//!
//! ```no_run
//! use sandbox_net_python::image::{self, with_image};
//! use sandbox_net_python::{Builder, Capability, without_network};
//! use wasmtime::component::{Component, Linker};
//!
//! # async fn example<T: wasmtime_wasi::WasiView + 'static>(
//! #     builder: Builder<'_>, state: T, load: impl Fn(&wasmtime::Engine, &std::path::Path) -> Component,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let engine = wasmtime::Engine::new(image::configure(&mut wasmtime::Config::new()))?;
//! let runtime = load(&engine, &builder.runtime(&engine)?);
//! let image = builder.image(&runtime, Capability::None)?;
//! let mut linker = Linker::new(&engine);
//! wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
//! without_network(&mut linker, &runtime)?;
//! let mut store = wasmtime::Store::new(&engine, state);
//! let instance = linker.instantiate_async(&mut store, &runtime);
//! let instance = with_image(&image, instance).await?;
//! let turn = instance.get_typed_func::<(&[u8],), (i32,)>(&mut store, "turn")?;
//! let (status,) = turn.call_async(&mut store, (b"print(1)",)).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(unix)]
mod addresses;
mod creator;
mod file;
mod freeze;
mod frozen;
#[cfg(target_os = "linux")]
mod layers;
mod live;
mod mapping;
#[cfg(any(test, not(unix)))]
mod owned;
mod pages;
mod parts;
mod ranges;
mod room;
mod save;
mod sealed;
#[cfg(unix)]
mod spares;
mod usual;
#[cfg(target_os = "linux")]
mod written;

pub use self::creator::{ImageMemory, configure, with_image};
pub(crate) use self::file::ImageWriter;
pub use self::file::{Identity, ImageError};
pub use self::freeze::freeze;
pub use self::live::{LiveMemory, instantiate};
pub use self::pages::Pages;
pub use self::parts::Image;
