//! Turns a preview1 CPython into a WebAssembly component.

mod exit;
mod intercept;
mod module_names;

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

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

/// A function that the module imports and no WASI host provides: it returns a constant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StubImport {
    /// The import's module name.
    pub module: String,
    /// The import's field name.
    pub name: String,
    /// The `i32` that it returns.
    pub answer: i32,
}

/// Why a module could not be made into a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentizeError {
    /// The bytes are not a WebAssembly module, or use something that cannot be re-encoded.
    #[error("the distribution's module cannot be read: {0}")]
    Module(String),
    /// The module does not import a preview1 function that the adapter needs.
    #[error(
        "the distribution's module does not import wasi_snapshot_preview1.{0}; \
         only a preview1 build of CPython can be componentized"
    )]
    NotPreview1(&'static str),
    /// `wit-component` refused the module.
    #[error("the distribution's module cannot be made into a component: {0}")]
    Encode(String),
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
    let mut module = match capability {
        Capability::Network => intercept::intercept(module)?,
        Capability::None => intercept::without_names(module)?,
    };
    let mut resolve = Resolve::default();
    let package = resolve.push_str("main.wit", MAIN_WORLD).map_err(encode)?;
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
                &stub_module(stub, intercept::params(&module, stub)?),
            )
            .map_err(encode)?;
    }
    if capability == Capability::Network {
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
    hash.finalize().into()
}

fn encode(error: impl std::fmt::Display) -> ComponentizeError {
    ComponentizeError::Encode(format!("{error:#}"))
}

/// A module with one function that returns a constant.
fn stub_module(stub: &StubImport, params: usize) -> Vec<u8> {
    use wasm_encoder::{
        CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
        ValType,
    };
    let mut types = TypeSection::new();
    let params = vec![ValType::I32; params];
    types.ty().function(params, [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export(&stub.name, ExportKind::Func, 0);
    let mut body = Function::new([]);
    body.instructions().i32_const(stub.answer).end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&exports)
        .section(&code);
    module.finish()
}
