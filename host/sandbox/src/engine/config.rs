//! The settings of wasmtime that Python and its limits need.

use wasmtime::{Config, ModuleVersionStrategy};

use sandbox_net_python::{ASYNC_STACK, BuildError, WASM_STACK, image};

/// What an embedder changes of wasmtime's settings.
pub(super) type Change = Box<dyn FnOnce(&mut Config) + Send>;

/// Sets what a Python component needs of a wasmtime engine of your own, and leaves the rest as it is:
/// components, exceptions, the stacks that Python's recursion takes, and epoch interruption, by which
/// a guest yields to its neighbours and to your timers.
///
/// [`keep_ticking`](crate::keep_ticking) advances the epoch of such an engine, and
/// [`prepare_store`](crate::prepare_store) sets a store right.
///
/// ```
/// # fn main() -> wasmtime::Result<()> {
/// let mut config = wasmtime::Config::new();
/// config.cranelift_opt_level(wasmtime::OptLevel::Speed);
/// let engine = wasmtime::Engine::new(sandbox_net::configure(&mut config))?;
/// # drop(engine);
/// # Ok(())
/// # }
/// ```
pub fn configure(config: &mut Config) -> &mut Config {
    config
        .wasm_component_model(true)
        .gc_support(true)
        .wasm_exceptions(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
}

/// The settings of an engine, whatever `changes` does to those that are kept.
pub(super) fn config(changes: Vec<Change>) -> Result<Config, BuildError> {
    let mut config = Config::new();
    for change in changes {
        change(&mut config);
    }
    // Each run maps its snapshot.
    image::configure(configure(&mut config))
        // A store has no fuel: each guest would trap at once.
        .consume_fuel(false)
        // The cache's native code is refused if another wasmtime compiled it.
        .module_version(ModuleVersionStrategy::WasmtimeVersion)
        .map_err(BuildError::compile)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use wasmtime::{Engine, OptLevel};

    use super::*;

    fn hash(changes: Vec<Change>) -> u64 {
        let engine = Engine::new(&config(changes).unwrap()).unwrap();
        let mut hash = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hash);
        hash.finish()
    }

    #[test]
    fn what_limits_and_snapshots_need_is_kept_whatever_a_closure_says() {
        let undo: Change = Box::new(|config| {
            config
                .epoch_interruption(false)
                .consume_fuel(true)
                .wasm_exceptions(false)
                .wasm_component_model(false)
                .gc_support(false)
                .memory_init_cow(true)
                .max_wasm_stack(1)
                .async_stack_size(2)
                .module_version(ModuleVersionStrategy::None)
                .unwrap();
        });
        // The code is the same, so that the one in the cache serves.
        assert_eq!(hash(vec![undo]), hash(Vec::new()));
    }

    #[test]
    fn what_may_be_changed_is_and_has_code_of_its_own() {
        let change: Change = Box::new(|config| {
            config.cranelift_opt_level(OptLevel::None);
        });
        let reserve: Change = Box::new(|config| {
            config.memory_reservation(64 << 20);
        });
        let plain = hash(Vec::new());
        let (changed, reserved) = (hash(vec![change]), hash(vec![reserve]));
        assert!(plain != changed && plain != reserved && changed != reserved);
    }
}
