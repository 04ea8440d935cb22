//! Puts the adapter between a preview1 module and its host.
//!
//! `wit-component` does not let one adapter import another. So the module is re-encoded: the
//! functions to intercept are imported from the adapter's module name, and the originals are
//! imported again after the existing imports and re-exported, where the adapter finds them through
//! `__main_module__`. The added imports shift the index of every function that the module defines.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Error as ReencodeError, Reencode, utils};
use wasm_encoder::{EntityType, ExportKind, ExportSection, ImportSection, Module};
use wasmparser::{ExportSectionReader, ImportSectionReader, Parser, Payload, TypeRef};

use super::error::ComponentizeError;
use super::exit;
use super::module_names::{ADAPTER, PREVIEW1};
use super::stub::StubImport;

/// The functions whose file descriptor our adapter checks before the upstream adapter does.
pub(super) const INTERCEPTED: [&str; 3] = ["fd_write", "fd_read", "fd_fdstat_get"];

/// Rewrites `module` so that [`INTERCEPTED`] go through the adapter.
pub(super) fn intercept(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    let mut pass = Intercept {
        imported: imported_functions(module)?,
        types: BTreeMap::new(),
    };
    rewrite(&mut pass, module)
}

/// Copies `module` without its debug names, which are large and useless to a host.
pub(super) fn without_names(module: &[u8]) -> Result<Vec<u8>, ComponentizeError> {
    rewrite(&mut Plain, module)
}

pub(super) fn rewrite<R>(pass: &mut R, module: &[u8]) -> Result<Vec<u8>, ComponentizeError>
where
    R: Reencode<Error = ComponentizeError>,
{
    let mut out = Module::new();
    utils::parse_core_module(pass, &mut out, Parser::new(0), module).map_err(flatten)?;
    Ok(out.finish())
}

fn flatten(error: ReencodeError<ComponentizeError>) -> ComponentizeError {
    match error {
        ReencodeError::UserError(error) => error,
        other => ComponentizeError::Module(other.to_string()),
    }
}

fn imported_functions(module: &[u8]) -> Result<u32, ComponentizeError> {
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|e| ComponentizeError::Module(e.to_string()))?;
        if let Payload::ImportSection(section) = payload {
            let mut functions = 0;
            for import in section.into_imports() {
                let import = import.map_err(|e| ComponentizeError::Module(e.to_string()))?;
                functions += u32::from(matches!(import.ty, TypeRef::Func(_)));
            }
            return Ok(functions);
        }
    }
    Err(ComponentizeError::NotPreview1(INTERCEPTED[0]))
}

/// How many `i32` parameters the function has that the module imports as `stub`.
pub(super) fn params(module: &[u8], stub: &StubImport) -> Result<usize, ComponentizeError> {
    let fault = |e: wasmparser::BinaryReaderError| ComponentizeError::Module(e.to_string());
    let mut types = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(fault)? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty.map_err(fault)?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(fault)?;
                    let found = import.module == stub.module && import.name == stub.name;
                    if let (true, TypeRef::Func(ty)) = (found, import.ty) {
                        let ty = types.get(ty as usize);
                        return Ok(ty.map_or(0, |ty| ty.params().len()));
                    }
                }
            }
            _ => {}
        }
    }
    let name = format!("it does not import {}.{}", stub.module, stub.name);
    Err(ComponentizeError::Module(name))
}

pub(super) fn drop_names<E>(
    module: &mut Module,
    section: &wasmparser::CustomSectionReader<'_>,
) -> Result<(), ReencodeError<E>> {
    if section.name() != "name" {
        module.section(&wasm_encoder::CustomSection {
            name: section.name().into(),
            data: section.data().into(),
        });
    }
    Ok(())
}

struct Plain;

impl Reencode for Plain {
    type Error = ComponentizeError;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), ReencodeError<Self::Error>> {
        for import in section.into_imports() {
            let import = import?;
            let module = exit::module_of(import.module, import.name);
            imports.import(module, import.name, self.entity_type(import.ty)?);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), ReencodeError<Self::Error>> {
        drop_names(module, &section)
    }
}

struct Intercept {
    /// How many functions the module imports; the index of the first one that it defines.
    imported: u32,
    /// The type index of each intercepted function, as the module declares it.
    types: BTreeMap<&'static str, u32>,
}

impl Reencode for Intercept {
    type Error = ComponentizeError;

    fn function_index(&mut self, index: u32) -> Result<u32, ReencodeError<Self::Error>> {
        let added = if index < self.imported {
            0
        } else {
            INTERCEPTED.len() as u32
        };
        Ok(index + added)
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), ReencodeError<Self::Error>> {
        for import in section.into_imports() {
            let import = import?;
            let intercepted = (import.module == PREVIEW1)
                .then(|| INTERCEPTED.iter().find(|name| **name == import.name))
                .flatten();
            let module = match (intercepted, import.ty) {
                (Some(name), TypeRef::Func(ty)) => {
                    self.types.insert(name, ty);
                    ADAPTER
                }
                _ => exit::module_of(import.module, import.name),
            };
            let ty = self.entity_type(import.ty)?;
            imports.import(module, import.name, ty);
        }
        for name in INTERCEPTED {
            let ty = self.types.get(name).copied();
            let ty = ty.ok_or(ReencodeError::UserError(ComponentizeError::NotPreview1(
                name,
            )))?;
            let ty = self.type_index(ty)?;
            imports.import(PREVIEW1, name, EntityType::Function(ty));
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), ReencodeError<Self::Error>> {
        utils::parse_export_section(self, exports, section)?;
        for (offset, name) in INTERCEPTED.iter().enumerate() {
            let index = self.imported + offset as u32;
            exports.export(&format!("{PREVIEW1}#{name}"), ExportKind::Func, index);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), ReencodeError<Self::Error>> {
        drop_names(module, &section)
    }
}
