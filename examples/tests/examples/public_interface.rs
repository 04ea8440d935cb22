//! The command line and the examples need nothing of this workspace but what is public and documented.

use std::path::{Path, PathBuf};

/// The front of the library, which everybody uses.
const FRONT: &str = "sandbox-net";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The dependencies of a package, without those of its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let mut tables = vec![manifest.get("dependencies")];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(toml::Table::values) {
        tables.push(target.get("dependencies"));
    }
    let tables = tables
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table);
    tables.flat_map(toml::Table::keys).cloned().collect()
}

/// The files of Rust below `folder`, except a package's tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("a folder").map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "tests" && name != "target" {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

fn rust(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&root().join(folder), &mut found);
    found
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// The names of the items that `text` hides from its documentation.
fn hidden(text: &str) -> Vec<String> {
    const KINDS: [&str; 8] = [
        "fn", "mod", "struct", "enum", "trait", "type", "const", "static",
    ];
    let after = text.split("#[doc(hidden)]").skip(1);
    let names = after.filter_map(|item| {
        let mut words = item.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.find(|word| KINDS.contains(word))?;
        words.next().map(str::to_owned)
    });
    names.collect()
}

/// Whether code, not a comment, uses `name` as a path or as a method.
fn uses(text: &str, name: &str) -> bool {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.into_iter().any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + name.len()..]);
            let is_end = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let is_named = [".", "::", "{", "{ ", ", "]
                .iter()
                .any(|it| before.ends_with(it));
            let is_called = after.starts_with(['(', ':', ',', ';', '}']) || after.starts_with(" }");
            is_end && is_named && is_called
        })
    })
}

#[test]
fn the_command_line_and_the_examples_depend_on_no_other_crate_of_the_library() {
    // Native programs have two front doors of their own, components one, and the server is one of the library's.
    let fronts = [
        "sandbox-net",
        "sandbox-net-broker",
        "sandbox-net-compose",
        "sandbox-net-native",
        "sandbox-net-serve",
    ];
    let packages = [
        ("host/cli", &fronts[..]),
        ("host/serve", &[FRONT]),
        ("examples", &[FRONT]),
    ];
    for (package, expected) in packages {
        let found = dependencies(&read(&root().join(package).join("Cargo.toml")));
        let own: Vec<_> = found
            .iter()
            .filter(|name| name.starts_with(FRONT))
            .collect();
        assert_eq!(own, expected, "{package}");
        // Control: it looks at the real table.
        assert!(found.iter().any(|name| name == "tokio"), "{found:?}");
    }
}

#[test]
fn the_command_line_and_the_examples_use_nothing_that_is_hidden() {
    let libraries = [
        "policy",
        "host/egress",
        "host/gateway",
        "host/process",
        "host/python",
    ];
    let more = ["host/broker", "host/native", "host/sandbox", "host/wasi"];
    let libraries = libraries.iter().chain(&more);
    let hidden: Vec<_> = libraries
        .flat_map(|library| rust(&format!("{library}/src")))
        .flat_map(|(_, text)| hidden(&text))
        .collect();
    for known in ["machine", "test_support", "add_wasi_without_files"] {
        assert!(
            hidden.iter().any(|name| name == known),
            "{known}: {hidden:?}"
        );
    }
    let users = ["host/cli/src", "host/serve/src", "examples"];
    for (path, text) in users.into_iter().flat_map(rust) {
        for name in &hidden {
            assert!(!uses(&text, name), "{}: {name}", path.display());
        }
    }
}

#[test]
fn a_use_is_told_from_a_word() {
    for (line, expected) in [
        ("sandbox_net::add_wasi_without_files(&mut linker)?;", true),
        ("use sandbox_net::egress::test_support::Clock;", true),
        ("use sandbox_net::{Engine, machine};", true),
        ("    .machine(here)", true),
        ("/// Removes it from this machine", false),
        ("let text = \"from this machine\";", false),
        ("let machine = 1;", false),
        ("    .machine_code(here)", false),
    ] {
        let name = ["add_wasi_without_files", "test_support", "machine"];
        assert_eq!(name.iter().any(|name| uses(line, name)), expected, "{line}");
    }
}
