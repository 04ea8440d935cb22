//! The command line of the tasks.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xtask::api::Lists;

const USAGE: &str = "usage: cargo run -p xtask -- frames | wit [--check] | api [--check] | bench [...] | component MODULE OUT\n\
    frames       write the numbers of adapter/frames.toml into the adapter, the shim and the tests\n\
    wit          write the pages of the WIT interface in docs/wit\n\
    wit --check  fail if one of them is not what wit/ says\n\
    api          write the lists of the public API in docs/api\n\
    api --check  fail if one of them is not what the code says\n\
    bench        measure against native CPython and eryx: see tests/examples/bench/main.rs\n\
    component    make a component of a core module: see guest/component.sh";

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
        ["wit"] => {
            for path in xtask::wit::write(root)? {
                println!("wrote {path}");
            }
            Ok(())
        }
        ["wit", "--check"] => match xtask::wit::stale(root)?[..] {
            [] => Ok(()),
            ref stale => bail!(
                "{} are not what wit/ says: run 'cargo run -p xtask -- wit'",
                stale.join(", ")
            ),
        },
        ["api"] => {
            for path in xtask::api::write(root)? {
                println!("wrote {path}");
            }
            Ok(())
        }
        ["api", "--check"] => match xtask::api::check(root)? {
            Lists::Fresh => Ok(()),
            Lists::Stale(lists) => bail!(
                "the public API has changed; if that is meant, run 'cargo run -p xtask -- api' and \
                 describe the change in CHANGELOG.md:\n{}",
                lists.join("\n")
            ),
        },
        ["component", module, out] => xtask::component::write(module.as_ref(), out.as_ref()),
        ["bench", ref more @ ..] => xtask::bench::run(root, more),
        _ => bail!(USAGE),
    }
}
