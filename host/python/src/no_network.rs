//! What a runtime finds where its program has no network.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

/// The package that is the network.
const PACKAGE: &str = "sandbox:net/";

/// What takes the place of each resource. None is ever made.
struct Absent;

/// Adds what a [runtime](crate::Builder::runtime) imports besides WASI where there is no network. The
/// control channel's descriptor is `EBADF`, and every function of `sandbox:net` traps: nothing calls one
/// but a guest that has written its own way to it.
///
/// # Errors
///
/// If the linker already has one of these imports.
pub fn without_network<T: 'static>(
    linker: &mut Linker<T>,
    runtime: &Component,
) -> wasmtime::Result<()> {
    linker
        .root()
        .func_wrap("network", |_, (): ()| Ok((false,)))?;
    let engine = runtime.engine();
    let ty = runtime.component_type();
    // An interface names those of others that it uses, too.
    let mut known: Vec<ResourceType> = Vec::new();
    let interfaces = ty.imports(engine).filter_map(|(name, import)| match import.ty {
        ComponentItem::ComponentInstance(instance) => Some((name, instance)),
        _ => None,
    });
    for (interface, instance) in interfaces {
        let is_network = interface.starts_with(PACKAGE);
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(resource) if known.contains(&resource) => {}
                ComponentItem::Resource(resource) => {
                    known.push(resource);
                    if is_network {
                        let absent = ResourceType::host::<Absent>();
                        linker
                            .instance(interface)?
                            .resource(name, absent, |_, _| Ok(()))?;
                    }
                }
                ComponentItem::ComponentFunc(_) if is_network => {
                    let call = format!("{interface}#{name}");
                    let absent = move || wasmtime::format_err!("there is no network for {call}");
                    linker
                        .instance(interface)?
                        .func_new(name, move |_, _, _, _| Err(absent()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
