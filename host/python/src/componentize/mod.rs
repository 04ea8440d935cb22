//! Turns a preview1 CPython into a WebAssembly component.

mod embed;
mod error;
mod exit;
mod facts;
mod intercept;
mod module_names;
mod runtime;
mod stub;

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) use self::embed::embed;
pub use self::error::ComponentizeError;
use self::error::encode;
pub(crate) use self::facts::{WASM_PAGE, memory};
pub(crate) use self::runtime::runtime;
pub use self::stub::StubImport;

/// The built adapter (`adapter/`), which turns frames on fd `0xFFFFFFFE` into calls of
/// `sandbox:net/client`.
const ADAPTER_MODULE: &[u8] = include_bytes!("../../sandbox_net_preview1.wasm");

/// The component's own world: what it exports besides what its adapters import.
const MAIN_WORLD: &str = "package sandbox:python@0.1.0; world main { export run: func() -> s32; }";

/// Whether the component has a network.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Capability {
    /// It imports `sandbox:net/client`, and its fd `0xFFFFFFFE` is the control channel.
    Network,
    /// It imports nothing of `sandbox:net`, and that fd is `EBADF`.
    None,
}

/// Turns the preview1 reactor `module`, which exports `run: func() -> s32`, into a component.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sandbox_net_python::{Capability, componentize};
///
/// let module = std::fs::read("python.wasm")?;
/// let component = componentize(&module, &[], Capability::Network)?;
/// std::fs::write("python.component.wasm", component)?;
/// # Ok(())
/// # }
/// ```
///
/// The result imports `wasi:cli`, `wasi:clocks`, `wasi:filesystem`, `wasi:io` and `wasi:random`
/// (version 0.2), with [`Capability::Network`] also `sandbox:net/client`, and never `wasi:sockets`
/// or `wasi:http`.
///
/// # Errors
///
/// A [`ComponentizeError`] if the module is not such a reactor.
pub fn componentize(
    module: &[u8],
    stubs: &[StubImport],
    capability: Capability,
) -> Result<Vec<u8>, ComponentizeError> {
    let (module, adapter) = match capability {
        Capability::Network => (intercept::intercept(module)?, Adapter::Ours),
        Capability::None => (intercept::without_names(module)?, Adapter::Upstream),
    };
    encode_component(module, MAIN_WORLD, stubs, adapter)
}

/// Which adapters are between the module and its host.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Adapter {
    /// The upstream one alone.
    Upstream,
    /// Ours, too.
    Ours,
}

/// Makes the component of a module that was rewritten for it.
fn encode_component(
    mut module: Vec<u8>,
    world: &str,
    stubs: &[StubImport],
    adapter: Adapter,
) -> Result<Vec<u8>, ComponentizeError> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("main.wit", world).map_err(encode)?;
    let world = resolve.select_world(&[package], None).map_err(encode)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(encode)?;

    let mut encoder = ComponentEncoder::default()
        .module(&module)
        .map_err(encode)?
        .adapter(
            module_names::PREVIEW1,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )
        .map_err(encode)?
        .adapter(module_names::EXIT, &exit::module()?)
        .map_err(encode)?;
    for stub in stubs {
        encoder = encoder
            .adapter(
                &stub.module,
                &stub.module_with(intercept::params(&module, stub)?),
            )
            .map_err(encode)?;
    }
    if adapter == Adapter::Ours {
        encoder = encoder
            .adapter(module_names::ADAPTER, ADAPTER_MODULE)
            .map_err(encode)?;
    }
    encoder.encode().map_err(encode)
}

/// A hash of what goes into every component besides the distribution.
pub(crate) fn digest() -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(ADAPTER_MODULE);
    hash.update(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    hash.update(MAIN_WORLD);
    hash.update(exit::WORLD);
    for text in runtime::digest() {
        hash.update(text);
    }
    hash.finalize().into()
}
