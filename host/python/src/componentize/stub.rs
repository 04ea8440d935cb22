//! Provides imports that no WASI host has.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection, ValType,
};

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

impl StubImport {
    /// A module with this one function, which takes `params` times an `i32`.
    pub(super) fn module_with(&self, params: usize) -> Vec<u8> {
        let mut types = TypeSection::new();
        let params = vec![ValType::I32; params];
        types.ty().function(params, [ValType::I32]);
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut exports = ExportSection::new();
        exports.export(&self.name, ExportKind::Func, 0);
        let mut body = Function::new([]);
        body.instructions().i32_const(self.answer).end();
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
}
