//! Two small components of `wasi:cli`, written here: what begins a program, and what ends it on hosts that
//! take no exit code.

use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstructionSink, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::ExitCode;
use crate::error::ComposeError;

const WORLDS: &str = "\
package sandbox-net:commands;
world launcher {
    import run: func() -> s32;
    import wasi:cli/exit@0.2.12;
    export wasi:cli/run@0.2.12;
}
world one-bit {
    import wasi:cli/exit@0.2.12;
    export wasi:cli/exit@0.2.12;
}
package wasi:cli@0.2.12 {
    interface exit {
        exit: func(status: result);
        exit-with-code: func(status-code: u8);
    }
    interface run {
        run: func() -> result;
    }
}";

const EXIT: &str = "wasi:cli/exit@0.2.12";
/// The types of the functions: of no parameter with a result, and of one parameter without.
const GIVES: u32 = 0;
const TAKES: u32 = 1;

/// A component that exports `wasi:cli/run`, which calls the imported `run`.
pub(crate) fn launcher(exit_code: ExitCode) -> Result<Vec<u8>, ComposeError> {
    let mut imports = ImportSection::new();
    imports.import("$root", "run", EntityType::Function(GIVES));
    if exit_code == ExitCode::Kept {
        imports.import(EXIT, "exit-with-code", EntityType::Function(TAKES));
    }
    let body = body(1, |code| {
        code.call(0).local_tee(0);
        if exit_code == ExitCode::Kept {
            code.if_(BlockType::Empty)
                .local_get(0)
                .i32_const(0xff)
                .i32_and()
                .call(1)
                .end()
                .local_get(0);
        }
        // 0 is ok, anything else the error.
        code.i32_eqz().i32_eqz();
    });
    let export = ("wasi:cli/run@0.2.12#run", GIVES, body);
    component("launcher", &imports, &[export])
}

/// A component that has `wasi:cli/exit` in full for guests, on a host that is only told whether all went well.
pub(crate) fn one_bit() -> Result<Vec<u8>, ComposeError> {
    let mut imports = ImportSection::new();
    imports.import(EXIT, "exit", EntityType::Function(TAKES));
    let export = |name: &str| format!("{EXIT}#{name}");
    let (exit, with_code) = (export("exit"), export("exit-with-code"));
    let plain = body(0, |code| {
        code.local_get(0).call(0);
    });
    let of_code = body(0, |code| {
        code.local_get(0).i32_eqz().i32_eqz().call(0);
    });
    component(
        "one-bit",
        &imports,
        &[(&exit, TAKES, plain), (&with_code, TAKES, of_code)],
    )
}

fn body(locals: u32, write: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut body = Function::new([(locals, ValType::I32)]);
    let mut code = body.instructions();
    write(&mut code);
    code.end();
    body
}

/// The component of this world, with these functions.
fn component(
    world: &str,
    imports: &ImportSection,
    exports: &[(&str, u32, Function)],
) -> Result<Vec<u8>, ComposeError> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let (mut functions, mut names) = (FunctionSection::new(), ExportSection::new());
    let mut code = CodeSection::new();
    for ((name, ty, body), index) in exports.iter().zip(imports.len()..) {
        functions.function(*ty);
        names.export(name, ExportKind::Func, index);
        code.function(body);
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(imports)
        .section(&functions)
        .section(&names)
        .section(&code);
    encode(world, module.finish()).map_err(ComposeError::Part)
}

fn encode(world: &str, mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    let told = |error| format!("{error:#}");
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("commands.wit", WORLDS)
        .map_err(|error| error.to_string())?;
    let world = resolve
        .select_world(&[package], Some(world))
        .map_err(told)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(told)?;
    let mut encoder = ComponentEncoder::default().module(&module).map_err(told)?;
    encoder.encode().map_err(told)
}
