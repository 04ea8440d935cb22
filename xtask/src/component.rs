//! Makes a component of a core module that was built with `wit-bindgen`.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The component of a core module, which describes its interfaces itself and needs no adapter.
///
/// # Errors
///
/// If it is no such module.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let encoder = ComponentEncoder::default().validate(true);
    encoder
        .module(module)
        .context("the module describes no world")?
        .encode()
        .context("the module does not do what its world says")
}

/// Writes the component of the module in the file `module` to `out`.
///
/// # Errors
///
/// As [`encode`]; files that cannot be read or written.
pub fn write(module: &Path, out: &Path) -> Result<()> {
    let read =
        std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = encode(&read).with_context(|| format!("{}", module.display()))?;
    std::fs::write(out, component).with_context(|| format!("cannot write {}", out.display()))
}
