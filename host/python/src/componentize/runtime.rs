//! Makes the one component that serves every snapshot of a distribution.
//!
//! The module loses its data: an instance gets its memory from an image. It gains what is needed to make
//! an image: `turn` with a text, a view of the memory, and the stack pointer. And it asks once whether it
//! has a network, so that the same code serves both kinds: without one, the control channel's descriptor
//! is `EBADF`, as if the adapter were not there.

use wasm_encoder::reencode::{Error as ReencodeError, Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, MemArg,
    Module, TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, DataSectionReader, ExportSectionReader,
    FunctionSectionReader, GlobalSectionReader, ImportSectionReader, TypeSectionReader,
};

use super::error::ComponentizeError;
use super::facts::{Facts, inspect};
use super::intercept::{INTERCEPTED, drop_names, rewrite};
use super::module_names::{ADAPTER, PREVIEW1};
use super::{Adapter, StubImport, encode_component, exit};
use crate::manifest::Prepare;

/// The component's own world. Only this program's host makes instances of it.
const WORLD: &str = "\
package sandbox:python@0.1.0;
world runtime {
    import network: func() -> bool;
    export run: func() -> s32;
    export turn: func(source: list<u8>) -> s32;
    export memory-pages: func() -> u32;
    export memory-view: func(address: u32, length: u32) -> list<u8>;
    export stack-pointer: func() -> u32;
}";

/// What a new kind of rewriting changes, so that no old one is taken for it.
const KIND: &str = "runtime 1";

/// The functions that are imported besides those of the module: the originals of the intercepted ones,
/// and whether there is a network.
const ADDED_IMPORTS: u32 = INTERCEPTED.len() as u32 + 1;
/// Preview1's `EBADF`.
const EBADF: i32 = 8;
/// The control channel's descriptor, as an `i32`.
const CONTROL: i32 = -2;
/// Room below the stack pointer for an address and a length; it keeps the stack's alignment.
const RETURN_AREA: i32 = 16;

type Faults = ReencodeError<ComponentizeError>;

/// Makes the component of a distribution's module.
pub(crate) fn runtime(
    module: &[u8],
    stubs: &[StubImport],
    recipe: &Prepare,
) -> Result<Vec<u8>, ComponentizeError> {
    if recipe.turn != "turn" {
        let why = format!("its turn is the export {}", recipe.turn);
        return Err(ComponentizeError::State(why));
    }
    let facts = inspect(module, &recipe.alloc)?;
    let module = rewrite(&mut Runtime { facts }, module)?;
    encode_component(module, WORLD, stubs, Adapter::Ours)
}

/// Everything from here that goes into the component.
pub(super) fn digest() -> [&'static str; 2] {
    [WORLD, KIND]
}

struct Runtime {
    facts: Facts,
}

/// The functions that are added after those of the module.
#[derive(Clone, Copy)]
enum Added {
    /// The checks of the intercepted functions.
    Gate(u32),
    Realloc,
    Pages,
    View,
    StackPointer,
}

impl Added {
    fn all() -> impl Iterator<Item = Self> {
        let gates = (0..INTERCEPTED.len() as u32).map(Self::Gate);
        gates.chain([Self::Realloc, Self::Pages, Self::View, Self::StackPointer])
    }

    fn place(self) -> u32 {
        let after = INTERCEPTED.len() as u32;
        match self {
            Self::Gate(number) => number,
            Self::Realloc => after,
            Self::Pages => after + 1,
            Self::View => after + 2,
            Self::StackPointer => after + 3,
        }
    }
}

impl Runtime {
    /// The index of an added function.
    fn index(&self, added: Added) -> u32 {
        self.facts.imported + ADDED_IMPORTS + self.facts.functions + added.place()
    }

    /// The import that says whether there is a network.
    fn network(&self) -> u32 {
        self.facts.imported + INTERCEPTED.len() as u32
    }

    /// The added global: 0 before the host was asked, then 1 without a network and 2 with one.
    fn asked(&self) -> u32 {
        self.facts.globals
    }

    /// The type of a function with so many `i32`, which returns one: the last ones of the module.
    fn type_of(&self, params: u32) -> u32 {
        self.facts.types + params / 2
    }

    fn type_of_added(&self, added: Added) -> u32 {
        match added {
            Added::Gate(number) => self.facts.intercepted[number as usize].ty,
            Added::Realloc => self.type_of(4),
            Added::View => self.type_of(2),
            Added::Pages | Added::StackPointer => self.type_of(0),
        }
    }

    fn body(&self, added: Added) -> Function {
        let locals = u32::from(matches!(added, Added::Realloc | Added::View));
        let mut body = Function::new([(locals, ValType::I32)]);
        let mut code = body.instructions();
        match added {
            Added::Gate(number) => self.gate(number as usize, &mut code),
            Added::Realloc => self.realloc(&mut code),
            Added::Pages => drop(code.memory_size(0)),
            Added::View => self.view(&mut code),
            Added::StackPointer => drop(code.global_get(self.facts.stack_pointer)),
        }
        code.end();
        body
    }

    /// `EBADF` for the control channel where there is no network, the adapter's function otherwise.
    fn gate(&self, number: usize, code: &mut InstructionSink<'_>) {
        let intercepted = self.facts.intercepted[number];
        code.local_get(0)
            .i32_const(CONTROL)
            .i32_eq()
            .if_(BlockType::Empty)
            .global_get(self.asked())
            .i32_eqz()
            .if_(BlockType::Empty)
            .call(self.network())
            .i32_const(1)
            .i32_add()
            .global_set(self.asked())
            .end()
            .global_get(self.asked())
            .i32_const(1)
            .i32_eq()
            .if_(BlockType::Empty)
            .i32_const(EBADF)
            .return_()
            .end()
            .end();
        for param in 0..intercepted.params {
            code.local_get(param);
        }
        code.call(intercepted.import);
    }

    /// Allocates room for an argument; the module's function knows neither alignment nor an old size.
    fn realloc(&self, code: &mut InstructionSink<'_>) {
        let result = 4;
        code.local_get(3)
            .call(self.facts.alloc + ADDED_IMPORTS)
            .local_tee(result)
            .i32_eqz()
            .if_(BlockType::Empty)
            .unreachable()
            .end()
            .local_get(result);
    }

    /// Returns its arguments in memory that nothing uses: below the stack pointer.
    fn view(&self, code: &mut InstructionSink<'_>) {
        let area = 2;
        let at = |offset| MemArg {
            offset,
            align: 2,
            memory_index: 0,
        };
        code.global_get(self.facts.stack_pointer)
            .i32_const(RETURN_AREA)
            .i32_sub()
            .local_tee(area)
            .local_get(0)
            .i32_store(at(0))
            .local_get(area)
            .local_get(1)
            .i32_store(at(4))
            .local_get(area);
    }
}

impl Reencode for Runtime {
    type Error = ComponentizeError;

    fn function_index(&mut self, index: u32) -> Result<u32, Faults> {
        if index >= self.facts.imported {
            return Ok(index + ADDED_IMPORTS);
        }
        let gates = self.facts.intercepted.iter();
        let gate = gates.zip(0..).find(|(one, _)| one.import == index);
        Ok(gate.map_or(index, |(_, number)| self.index(Added::Gate(number))))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: TypeSectionReader<'_>,
    ) -> Result<(), Faults> {
        utils::parse_type_section(self, types, section)?;
        for params in [0, 2, 4] {
            let params = vec![ValType::I32; params];
            types.ty().function(params, [ValType::I32]);
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Faults> {
        for (import, index) in section.into_imports().zip(0..) {
            let import = import?;
            let intercepted = self.facts.intercepted.iter();
            let module = match intercepted.into_iter().any(|one| one.import == index) {
                true => ADAPTER,
                false => exit::module_of(import.module, import.name),
            };
            imports.import(module, import.name, self.entity_type(import.ty)?);
        }
        for (name, one) in INTERCEPTED.iter().zip(self.facts.intercepted) {
            imports.import(PREVIEW1, name, EntityType::Function(one.ty));
        }
        let ty = EntityType::Function(self.type_of(0));
        imports.import("$root", "network", ty);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Faults> {
        utils::parse_function_section(self, functions, section)?;
        for added in Added::all() {
            functions.function(self.type_of_added(added));
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Faults> {
        utils::parse_global_section(self, globals, section)?;
        let ty = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &ConstExpr::i32_const(0));
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Faults> {
        utils::parse_export_section(self, exports, section)?;
        for (name, index) in INTERCEPTED.iter().zip(self.facts.imported..) {
            exports.export(&format!("{PREVIEW1}#{name}"), ExportKind::Func, index);
        }
        for (name, added) in [
            // For arguments alone: the adapters go on growing the memory for what they need.
            ("cabi_export_realloc", Added::Realloc),
            ("memory-pages", Added::Pages),
            ("memory-view", Added::View),
            ("stack-pointer", Added::StackPointer),
        ] {
            exports.export(name, ExportKind::Func, self.index(added));
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Faults> {
        utils::parse_code_section(self, code, section)?;
        for added in Added::all() {
            code.function(&self.body(added));
        }
        Ok(())
    }

    /// The image has what they made.
    fn parse_data_section(
        &mut self,
        _: &mut DataSection,
        _: DataSectionReader<'_>,
    ) -> Result<(), Faults> {
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: CustomSectionReader<'_>,
    ) -> Result<(), Faults> {
        drop_names(module, &section)
    }
}
