//! The interface's own text.

/// The files of the WIT package `sandbox:net`, and of the packages that it uses: each with its name
/// and its text.
///
/// Written to a directory they are what `wasmtime::component::bindgen!`, `wit-bindgen` and
/// `componentize-py` take, in the version that this crate implements.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("wit-{}", std::process::id()));
/// for (name, text) in sandbox_net_wasi::WIT {
///     let file = directory.join(name);
///     std::fs::create_dir_all(file.parent().expect("a directory"))?;
///     std::fs::write(file, text)?;
/// }
/// # std::fs::remove_dir_all(directory)
/// # }
/// ```
pub const WIT: &[(&str, &str)] = &[
    ("client.wit", include_str!("../wit/client.wit")),
    ("policy.wit", include_str!("../wit/policy.wit")),
    ("types.wit", include_str!("../wit/types.wit")),
    ("deps/clocks.wit", include_str!("../wit/deps/clocks.wit")),
    ("deps/io.wit", include_str!("../wit/deps/io.wit")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn collect(at: &Path, below: &str, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                collect(&entry.path(), &format!("{name}/"), files);
            } else if name.ends_with(".wit") {
                files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }

    #[test]
    fn every_file_of_the_interface_is_there() {
        let mut files = BTreeMap::new();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
        collect(&directory, "", &mut files);
        let ours = WIT.iter();
        let ours = ours.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        assert_eq!(ours.collect::<BTreeMap<_, _>>(), files);
    }
}
