//! Looks at a module before it is compiled once for many memory images: an image holds a memory, so
//! nothing else of an instance may change while it runs.

use wasmparser::{
    BinaryReaderError, ConstExpr, DataKind, Export, ExternalKind, FunctionBody, Global, Import,
    MemoryType, Operator, Parser, Payload, TypeRef,
};

use super::error::ComponentizeError;
use super::intercept::INTERCEPTED;
use super::module_names::PREVIEW1;

/// The size of a page of WebAssembly.
pub(crate) const WASM_PAGE: usize = 64 << 10;

/// A function whose file descriptor is checked, as the module imports it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Intercepted {
    /// Its index among the imports.
    pub(super) import: u32,
    pub(super) ty: u32,
    pub(super) params: u32,
}

/// What a module has that an image cannot hold, all of it known and at rest between two calls.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// How many functions the module imports; the index of the first one that it defines.
    pub(super) imported: u32,
    pub(super) types: u32,
    pub(super) functions: u32,
    pub(super) globals: u32,
    pub(super) intercepted: [Intercepted; INTERCEPTED.len()],
    /// The only global that changes, which has its first value whenever nothing runs.
    pub(super) stack_pointer: u32,
    /// The function that allocates memory.
    pub(super) alloc: u32,
}

fn fault(error: BinaryReaderError) -> ComponentizeError {
    ComponentizeError::Module(error.to_string())
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, ComponentizeError> {
    Err(ComponentizeError::State(reason.into()))
}

/// Looks at the whole module, whose export `alloc` allocates memory.
///
/// # Errors
///
/// [`ComponentizeError::State`] with the reason, if something besides the memory and the stack pointer
/// can change.
pub(super) fn inspect(module: &[u8], alloc: &str) -> Result<Facts, ComponentizeError> {
    let mut look = Look::default();
    let mut allocates = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(fault)? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    look.params.push(ty.map_err(fault)?.params().len() as u32);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    look.import(&import.map_err(fault)?)?;
                }
            }
            Payload::FunctionSection(section) => look.facts.functions = section.count(),
            Payload::MemorySection(section) => {
                for memory in section {
                    look.memory(&memory.map_err(fault)?)?;
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    look.global(&global.map_err(fault)?)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let Export { name, kind, index } = export.map_err(fault)?;
                    if (name, kind) == (alloc, ExternalKind::Func) {
                        allocates = Some(index);
                    }
                }
            }
            Payload::StartSection { .. } => return refuse("its start function runs first"),
            Payload::DataCountSection { .. } => {
                return refuse("its functions may use its data segments");
            }
            Payload::CodeSectionEntry(body) => code(&body)?,
            _ => {}
        }
    }
    look.facts.types = look.params.len() as u32;
    look.facts.alloc = match allocates {
        Some(function) => function,
        None => return refuse(format!("it does not export {alloc}")),
    };
    if look.memories != 1 {
        return refuse(format!("it has {} memories", look.memories));
    }
    look.facts.stack_pointer = match look.stack_pointer {
        Some(global) => global,
        None => return refuse("it has no stack pointer"),
    };
    match look.intercepted {
        [Some(a), Some(b), Some(c)] => look.facts.intercepted = [a, b, c],
        _ => return Err(ComponentizeError::NotPreview1(INTERCEPTED[0])),
    }
    Ok(look.facts)
}

/// What was seen of a module so far.
#[derive(Default)]
struct Look {
    facts: Facts,
    /// How many parameters each type has.
    params: Vec<u32>,
    memories: u32,
    stack_pointer: Option<u32>,
    intercepted: [Option<Intercepted>; INTERCEPTED.len()],
}

impl Look {
    fn import(&mut self, import: &Import<'_>) -> Result<(), ComponentizeError> {
        let TypeRef::Func(ty) = import.ty else {
            let name = format!("{}.{}", import.module, import.name);
            return refuse(format!("it imports {name}, which is no function"));
        };
        let place = INTERCEPTED.iter().position(|name| *name == import.name);
        if let (PREVIEW1, Some(place)) = (import.module, place) {
            let params = self.params.get(ty as usize).copied().unwrap_or_default();
            self.intercepted[place] = Some(Intercepted {
                import: self.facts.imported,
                ty,
                params,
            });
        }
        self.facts.imported += 1;
        Ok(())
    }

    fn memory(&mut self, memory: &MemoryType) -> Result<(), ComponentizeError> {
        self.memories += 1;
        if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
            return refuse("its memory has 64-bit addresses, is shared, or has pages of its own");
        }
        Ok(())
    }

    fn global(&mut self, global: &Global<'_>) -> Result<(), ComponentizeError> {
        let index = self.facts.globals;
        self.facts.globals += 1;
        if !global.ty.mutable {
            return Ok(());
        }
        let is_number = i32_const(&global.init_expr).is_some();
        if self.stack_pointer.is_some() || global.ty.shared || !is_number {
            return refuse(format!(
                "its global {index} can change, besides the stack pointer"
            ));
        }
        self.stack_pointer = Some(index);
        Ok(())
    }
}

/// Tables keep what the module filled them with.
fn code(body: &FunctionBody<'_>) -> Result<(), ComponentizeError> {
    for operator in body.get_operators_reader().map_err(fault)? {
        match operator.map_err(fault)? {
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. } => return refuse("it changes its tables"),
            Operator::MemoryInit { .. } | Operator::DataDrop { .. } => {
                return refuse("it uses its data segments");
            }
            _ => {}
        }
    }
    Ok(())
}

fn i32_const(expression: &ConstExpr<'_>) -> Option<u32> {
    let mut operators = expression.get_operators_reader();
    match (operators.read().ok()?, operators.read().ok()?) {
        (Operator::I32Const { value }, Operator::End) => Some(value.cast_unsigned()),
        _ => None,
    }
}

/// The memory with which an instance of the module begins.
pub(crate) fn memory(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let mut image = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(fault)? {
            Payload::MemorySection(section) => {
                for memory in section {
                    let pages = memory.map_err(fault)?.initial;
                    let size = usize::try_from(pages).ok();
                    let size = size.and_then(|pages| pages.checked_mul(WASM_PAGE));
                    match size.filter(|size| *size <= u32::MAX as usize) {
                        Some(size) => image.resize(size, 0),
                        None => return refuse(format!("its memory begins with {pages} pages")),
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    let data = data.map_err(fault)?;
                    let offset = match data.kind {
                        // Nothing reads it: see `inspect`.
                        DataKind::Passive => continue,
                        DataKind::Active { offset_expr, .. } => i32_const(&offset_expr),
                    };
                    let Some(offset) = offset else {
                        return refuse("a data segment has no fixed place");
                    };
                    let from = offset as usize;
                    match image.get_mut(from..from.saturating_add(data.data.len())) {
                        Some(place) => place.copy_from_slice(data.data),
                        None => return refuse("a data segment is outside of its memory"),
                    }
                }
            }
            _ => {}
        }
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that an image can hold, with `more` in it.
    fn module(more: &str) -> Vec<u8> {
        let text = format!(
            "(module
                (type $io (func (param i32 i32 i32 i32) (result i32)))
                (import \"host\" \"call\" (func $call))
                (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (type $io)))
                (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (type $io)))
                (import \"wasi_snapshot_preview1\" \"fd_fdstat_get\"
                    (func $stat (param i32 i32) (result i32)))
                (memory 2)
                (table 4 funcref)
                (global $fixed i32 (i32.const 7))
                (global $stack (mut i32) (i32.const 1024))
                (elem (i32.const 1) func $call)
                (func $alloc (export \"alloc\") (param i32) (result i32) (local.get 0))
                {more})"
        );
        wat::parse_str(text).unwrap()
    }

    fn refusal(more: &str) -> String {
        inspect(&module(more), "alloc").unwrap_err().to_string()
    }

    #[test]
    fn what_the_rewriting_needs_is_found() {
        let facts = inspect(&module(""), "alloc").unwrap();
        assert_eq!((facts.imported, facts.functions, facts.alloc), (4, 1, 4));
        assert_eq!((facts.globals, facts.stack_pointer), (2, 1));
        let found = facts.intercepted.map(|one| (one.import, one.params));
        assert_eq!(found, [(2, 4), (1, 4), (3, 2)]);
    }

    #[test]
    fn state_that_no_image_holds_is_refused_with_its_name() {
        let cases = [
            ("(global (mut i32) (i32.const 0))", "global 2 can change"),
            ("(global (mut i64) (i64.const 0))", "global 2 can change"),
            ("(memory 1)", "2 memories"),
            ("(func $go) (start $go)", "start function"),
            (
                "(func (table.set (i32.const 0) (ref.null func)))",
                "changes its tables",
            ),
            (
                "(func (drop (table.grow (ref.null func) (i32.const 1))))",
                "changes its tables",
            ),
            (
                "(elem $late func $call) (func (elem.drop $late))",
                "changes its tables",
            ),
            (
                "(data $late \"x\")
                 (func (memory.init $late (i32.const 0) (i32.const 0) (i32.const 1)))",
                "data segments",
            ),
        ];
        for (more, reason) in cases {
            let refusal = refusal(more);
            assert!(refusal.contains(reason), "{refusal}");
        }
        let missing = inspect(&module(""), "malloc").unwrap_err().to_string();
        assert!(missing.contains("does not export malloc"), "{missing}");
    }

    #[test]
    fn an_imported_memory_or_global_is_refused() {
        for import in ["(memory 1)", "(global (mut i32))", "(table 1 funcref)"] {
            let text = format!("(module (import \"a\" \"b\" {import}))");
            let module = wat::parse_str(text).unwrap();
            let error = inspect(&module, "alloc").unwrap_err().to_string();
            assert!(error.contains("it imports a.b"), "{error}");
        }
    }

    #[test]
    fn the_memory_is_what_the_segments_make_in_their_order() {
        let module = module("(data (i32.const 65534) \"abc\") (data (i32.const 65535) \"B\")");
        let memory = memory(&module).unwrap();
        assert_eq!(memory.len(), 2 * WASM_PAGE);
        assert_eq!(&memory[65_533..65_538], b"\0aBc\0");
    }

    #[test]
    fn a_segment_without_a_fixed_place_or_outside_is_refused() {
        for data in [
            "(data (i32.const 131071) \"ab\")",
            "(data (i32.const -1) \"a\")",
            "(data (i32.add (i32.const 1) (i32.const 1)) \"a\")",
        ] {
            assert!(memory(&module(data)).is_err(), "{data}");
        }
    }
}
