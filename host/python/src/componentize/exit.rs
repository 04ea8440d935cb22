//! Makes `proc_exit` keep its exit code.
//!
//! The upstream adapter turns preview1's `proc_exit(7)` into a plain failure, which is 1. So the
//! module's import of it is renamed, and a module of our own answers it with `exit-with-code`.

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Module, TypeSection, ValType,
};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::error::{ComponentizeError, encode};
use super::module_names::{EXIT, PREVIEW1};

const PROC_EXIT: &str = "proc_exit";

/// What the module imports. The version is that of the upstream adapter: both become one import.
pub(super) const WORLD: &str = "\
package sandbox:exit@0.1.0;
world exit { import wasi:cli/exit@0.2.12; }
package wasi:cli@0.2.12 {
    interface exit {
        exit: func(status: result);
        exit-with-code: func(status-code: u8);
    }
}";

/// The module name of the import `module.name` after re-encoding.
pub(super) fn module_of<'a>(module: &'a str, name: &str) -> &'a str {
    if (module, name) == (PREVIEW1, PROC_EXIT) {
        return EXIT;
    }
    module
}

/// A module whose `proc_exit` ends the program with the low eight bits of its code, as natively.
pub(super) fn module() -> Result<Vec<u8>, ComponentizeError> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    imports.import(
        "wasi:cli/exit@0.2.12",
        "exit-with-code",
        EntityType::Function(0),
    );
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export(PROC_EXIT, ExportKind::Func, 1);
    let mut body = Function::new([]);
    let mut code = CodeSection::new();
    body.instructions()
        .local_get(0)
        .i32_const(0xff)
        .i32_and()
        .call(0)
        .unreachable()
        .end();
    code.function(&body);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&code);
    let mut module = module.finish();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("exit.wit", WORLD).map_err(encode)?;
    let world = resolve
        .select_world(&[package], Some("exit"))
        .map_err(encode)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(encode)?;
    Ok(module)
}
