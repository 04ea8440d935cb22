//! Writes the C bindings of the world `network-command`: `sandbox-net-c-bindings OUT WIT…`, with folders of WIT that
//! may use those before them.

use std::path::Path;

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_parser::Resolve;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().context("where to?")?;
    let mut resolve = Resolve::default();
    let mut last = None;
    for folder in arguments {
        last = Some(
            resolve
                .push_path(&folder)
                .with_context(|| folder.clone())?
                .0,
        );
    }
    let world = resolve.select_world(&[last.context("no WIT")?], Some("network-command"))?;
    let mut files = Files::default();
    let mut generator = wit_bindgen_c::Opts::default().build();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        std::fs::write(Path::new(&out).join(name), bytes)?;
    }
    Ok(())
}
