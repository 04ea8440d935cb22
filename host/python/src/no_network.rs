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
    let interfaces = ty
        .imports(engine)
        .filter_map(|(name, import)| match import.ty {
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

#[cfg(test)]
mod tests {
    use wasmtime::component::Linker;
    use wasmtime::{Engine, Store};

    use super::*;

    /// It uses a resource of another interface, has one of its own, and calls one function.
    const GUEST: &str = "(component
        (import \"other:io/poll@0.1.0\" (instance $io (export \"pollable\" (type (sub resource)))))
        (alias export $io \"pollable\" (type $pollable))
        (import \"sandbox:net/client@0.1.0\" (instance $net
            (alias outer 1 $pollable (type $outer))
            (export \"pollable\" (type $used (eq $outer)))
            (export \"connection\" (type $connection (sub resource)))
            (export \"call\" (func))))
        (core func $call (canon lower (func $net \"call\")))
        (core module $guest
            (import \"net\" \"call\" (func $call))
            (func (export \"go\") (call $call)))
        (core instance $core (instantiate $guest
            (with \"net\" (instance (export \"call\" (func $call))))))
        (func (export \"go\") (canon lift (core func $core \"go\"))))";

    /// What another interface's resource is.
    struct Pollable;

    #[tokio::test]
    async fn a_call_of_the_network_that_is_not_there_traps_with_its_name() {
        let engine = Engine::default();
        let guest = Component::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        let pollable = ResourceType::host::<Pollable>();
        let mut io = linker.instance("other:io/poll@0.1.0").unwrap();
        io.resource("pollable", pollable, |_, _| Ok(())).unwrap();
        without_network(&mut linker, &guest).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate_async(&mut store, &guest).await.unwrap();
        let go = instance.get_typed_func::<(), ()>(&mut store, "go").unwrap();
        let error = go.call_async(&mut store, ()).await.unwrap_err();
        let error = format!("{error:#}");
        let says = "there is no network for sandbox:net/client@0.1.0#call";
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn a_linker_that_has_a_network_already_is_refused() {
        let engine = Engine::default();
        let guest = Component::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        without_network(&mut linker, &guest).unwrap();
        assert!(without_network(&mut linker, &guest).is_err());
    }
}
