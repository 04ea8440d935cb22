//! Makes components of the programs in `guest/javascript`.

use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_net::python::Cache;
use sandbox_net::python::progress::Silent;

use crate::{Node, sha256};

const BUILD: &str = "guest/javascript/build.mjs";

/// The files of the worlds, where componentize-js looks for them.
const WIT: [(&str, &str); 7] = [
    ("guest/rust/examples/wit/command.wit", "command.wit"),
    ("guest/rust/examples/wit/deps/cli.wit", "deps/cli.wit"),
    ("wit/deps/clocks.wit", "deps/clocks.wit"),
    ("wit/deps/io.wit", "deps/io.wit"),
    ("wit/client.wit", "deps/sandbox-net/client.wit"),
    ("wit/policy.wit", "deps/sandbox-net/policy.wit"),
    ("wit/types.wit", "deps/sandbox-net/types.wit"),
];

/// The component of a program in `guest/javascript`, of this world, which is 13 MB and made once for each source text.
/// The Node has componentize-js.
///
/// # Panics
///
/// If it is not made.
pub async fn javascript_guest(
    node: &'static Node,
    world: &'static str,
    program: &'static str,
) -> PathBuf {
    let making = tokio::task::spawn_blocking(move || make(node, world, program));
    making.await.expect("no panic")
}

fn make(node: &Node, world: &str, program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = root.join("guest/javascript").join(program);
    let mut key = node.packages().into_os_string().into_encoded_bytes();
    key.extend(world.as_bytes());
    let sources = [BUILD].into_iter().chain(WIT.map(|(from, _)| from));
    let sources = sources.map(|source| root.join(source));
    for source in sources.chain([program.clone()]) {
        key.extend(std::fs::read(source).expect("a source"));
    }
    let cache = Cache::open(None).expect("the cache");
    let entry = cache.entry("test-guest", &sha256(&key)).expect("a place");
    let made = entry.get_or_make(&Silent, |directory| {
        let wit = directory.join("wit");
        for (from, to) in WIT {
            let to = wit.join(to);
            std::fs::create_dir_all(to.parent().expect("a directory"))?;
            std::fs::copy(root.join(from), to)?;
        }
        let built = Command::new(node.program())
            .arg(root.join(BUILD))
            .args([&node.packages(), &wit])
            .arg(world)
            .args([&program, &directory.join("guest.wasm")])
            .output()?;
        match built.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&built.stderr).into()),
        }
    });
    let made: Result<_, Box<dyn std::error::Error + Send + Sync>> = made;
    made.expect("a component").join("guest.wasm")
}
