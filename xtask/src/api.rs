//! Lists the public API of the crates that embedders use, so that each change of it is seen.
//!
//! The lists lie in `docs/api/`. They are made from what rustdoc writes as JSON, whose format belongs to
//! one version of Rust: see `FORMAT`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use public_api::MINIMUM_NIGHTLY_RUST_VERSION;

/// The crates, from the front to the ground.
pub const CRATES: [&str; 10] = [
    "sandbox-net",
    "sandbox-net-native",
    "sandbox-net-serve",
    "sandbox-net-compose",
    "sandbox-net-broker",
    "sandbox-net-wasi",
    "sandbox-net-gateway",
    "sandbox-net-egress",
    "sandbox-net-python",
    "sandbox-net-policy",
];

/// The version of the JSON format that `public-api` reads, which Rust 1.95 writes.
const FORMAT: u64 = 57;

/// What the lists are, and whether they fit the code.
#[derive(Debug)]
pub enum Lists {
    /// Each list is as the code says.
    Fresh,
    /// These lists are not.
    Stale(Vec<String>),
}

/// Writes the lists; returns the paths of those that changed.
///
/// # Errors
///
/// If a crate can't be documented, or a list can't be written.
pub fn write(root: &Path) -> Result<Vec<String>> {
    let mut written = Vec::new();
    for (path, text) in lists(root)? {
        let file = root.join(&path);
        let known = std::fs::read_to_string(&file).ok();
        if known.is_none_or(|known| !difference(&known, &text).is_empty()) {
            std::fs::create_dir_all(file.parent().context("a folder")?)?;
            std::fs::write(&file, text).with_context(|| path.clone())?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Compares the lists with the code.
///
/// # Errors
///
/// If a crate can't be documented.
pub fn check(root: &Path) -> Result<Lists> {
    let mut stale = Vec::new();
    for (path, text) in lists(root)? {
        let known = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        let difference = difference(&known, &text);
        if !difference.is_empty() {
            stale.push(format!("{path}\n{difference}"));
        }
    }
    Ok(match stale.is_empty() {
        true => Lists::Fresh,
        false => Lists::Stale(stale),
    })
}

fn lists(root: &Path) -> Result<Vec<(String, String)>> {
    document(root)?;
    let each = CRATES.iter().map(|name| {
        let text = api(root, name).with_context(|| format!("the API of {name}"))?;
        Ok((format!("docs/api/{name}.txt"), text))
    });
    each.collect()
}

/// Has rustdoc write what all the crates have. One after the other, each would choose the features of its
/// dependencies alone, and cargo would build most of them anew.
fn document(root: &Path) -> Result<()> {
    let packages = CRATES.iter().flat_map(|name| ["--package", name]);
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["doc", "--quiet", "--locked", "--lib", "--no-deps"])
        .args(packages)
        .env(
            "RUSTDOCFLAGS",
            "-Zunstable-options --output-format=json --cap-lints=allow",
        )
        // Only rustdoc may do what is unstable: with it, cargo would build every dependency anew.
        .env("RUSTDOC", root.join("xtask/rustdoc-json.sh"))
        .status()?;
    ensure!(status.success(), "rustdoc failed");
    Ok(())
}

/// The public items of a crate, one a line.
fn api(root: &Path, name: &str) -> Result<String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let json = target.join(format!("doc/{}.json", name.replace('-', "_")));
    check_format(&json)?;
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    Ok(format!("{api}"))
}

fn check_format(json: &Path) -> Result<()> {
    let text = std::fs::read_to_string(json)?;
    let mark = "\"format_version\":";
    let at = text.find(mark).context("no format_version")? + mark.len();
    let digits: String = text[at..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    if digits.parse() != Ok(FORMAT) {
        bail!(
            "this Rust writes version {digits} of rustdoc's JSON, and the lists are made with version \
             {FORMAT}: use Rust 1.95, or the version of the crate public-api that reads {digits} (this \
             one is for {MINIMUM_NIGHTLY_RUST_VERSION} and later)"
        );
    }
    Ok(())
}

/// The lines that are only in one of the texts. Their order and number say nothing: each block `impl` is a line,
/// and a type may have one of them or several.
fn difference(known: &str, now: &str) -> String {
    let missing = |of: &str, other: &str, mark: char| {
        let other: std::collections::HashSet<&str> = other.lines().collect();
        let lines = of.lines().filter(|line| !other.contains(line));
        lines
            .map(|line| format!("  {mark} {line}\n"))
            .collect::<String>()
    };
    missing(known, now, '-') + &missing(now, known, '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_tells_what_went_and_what_came() {
        let told = difference("pub fn a()\npub fn b()\n", "pub fn b()\npub fn c()\n");
        assert_eq!(told, "  - pub fn a()\n  + pub fn c()\n");
    }

    #[test]
    fn in_how_many_blocks_the_methods_of_a_type_are_is_no_difference() {
        let one = "impl S\npub fn S::a()\npub fn S::b()\n";
        let two = "impl S\npub fn S::b()\nimpl S\npub fn S::a()\n";
        assert_eq!(difference(one, two), "");
    }
}
