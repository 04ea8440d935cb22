//! Renders the WIT interface as pages, so that it can be read without its syntax.

use std::path::Path;

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_markdown::Opts;

/// The worlds, and the pages that they become.
const PAGES: [(&str, &str); 2] = [
    ("sandbox-net", "docs/wit/sandbox-net.md"),
    ("decider", "docs/wit/decider.md"),
];

/// Writes the pages below `root`; returns their paths.
///
/// # Errors
///
/// If the interface is invalid, or a page can't be written.
pub fn write(root: &Path) -> Result<Vec<&'static str>> {
    for (world, path) in PAGES {
        let page = page(root, world)?;
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    Ok(PAGES.map(|(_, path)| path).to_vec())
}

/// Returns the pages that are not what the interface says.
///
/// # Errors
///
/// If the interface is invalid.
pub fn stale(root: &Path) -> Result<Vec<&'static str>> {
    let mut stale = Vec::new();
    for (world, path) in PAGES {
        let there = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        if there != page(root, world)? {
            stale.push(path);
        }
    }
    Ok(stale)
}

fn page(root: &Path, world: &str) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root.join("wit"))?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    let mut renderer = Opts::default().build();
    renderer.generate(&mut resolve, world, &mut files)?;
    let mut pages = files.iter().filter(|(name, _)| name.ends_with(".md"));
    let (_, page) = pages.next().context("the renderer writes a page")?;
    let page = std::str::from_utf8(page)?;
    // No spaces at the ends of lines: they differ in nothing that is shown.
    let lines: Vec<_> = page.lines().map(str::trim_end).collect();
    let note = "<!-- Written by `cargo run -p xtask -- wit` from the files in wit/. -->\n\n";
    Ok(format!("{note}{}\n", lines.join("\n").trim_end()))
}
