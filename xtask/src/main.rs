//! The command line of the tasks.

use std::path::Path;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: cargo run -p xtask -- frames\n\
    frames   write the numbers of adapter/frames.toml into the adapter, the shim and the tests";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("this crate lies in the repository")?;
    match arguments[..] {
        ["frames"] => {
            for path in xtask::frames::write(root)? {
                println!("wrote {path}");
            }
            Ok(())
        }
        _ => bail!(USAGE),
    }
}
