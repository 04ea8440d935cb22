//! Tells how to get a module that a program lacks.
//!
//! The name is read from the end of the program's stderr, which may say anything: only a word of
//! letters, digits and the like is repeated, and the hint only says how to add a package.

/// The hint about pip, which needs processes, and a network of its own.
pub(crate) const NO_PIP: &str =
    "pip does not run in a sandbox; add packages with --with PKG, such as --with requests";

/// Modules whose distributions have other names, and a pure wheel.
const DISTRIBUTIONS: [(&str, &str); 22] = [
    ("OpenSSL", "pyopenssl"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("dateutil", "python-dateutil"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("flask_cors", "flask-cors"),
    ("git", "gitpython"),
    ("github", "pygithub"),
    ("googleapiclient", "google-api-python-client"),
    ("jose", "python-jose"),
    ("jwt", "pyjwt"),
    ("multipart", "python-multipart"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("serial", "pyserial"),
    ("slugify", "python-slugify"),
    ("socks", "pysocks"),
    ("telegram", "python-telegram-bot"),
    ("usb", "pyusb"),
    ("websocket", "websocket-client"),
    ("yaml", "pyyaml"),
];

/// Modules of distributions that have only machine code.
const NATIVE: [(&str, &str); 12] = [
    ("Crypto", "pycryptodome"),
    ("cv2", "opencv-python"),
    ("faiss", "faiss-cpu"),
    ("fitz", "pymupdf"),
    ("grpc", "grpcio"),
    ("jax", "jax"),
    ("nacl", "pynacl"),
    ("psycopg2", "psycopg2"),
    ("skimage", "scikit-image"),
    ("tensorflow", "tensorflow"),
    ("torch", "torch"),
    ("zmq", "pyzmq"),
];

/// Modules that many distributions share: each has the name of a module in it.
const SHARED: [&str; 2] = ["azure", "google"];

/// What to do about the module that an uncaught exception names last, if that ended the program.
pub(crate) fn hint(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let rest = last.strip_prefix("ModuleNotFoundError: No module named '")?;
    let (name, _) = rest.split_once('\'')?;
    let mut parts = name.split('.');
    if name.len() > LONGEST || !parts.clone().all(is_word) {
        return None;
    }
    let module = parts.next().filter(|module| !module.starts_with('_'))?;
    let of = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(known, _)| *known == module);
        found.map(|(_, package)| *package)
    };
    if module == "pip" {
        return Some(NO_PIP.to_owned());
    }
    if let Some(package) = of(&NATIVE) {
        return Some(format!(
            "'{module}' is in the package {package}, which contains machine code and does not run \
             in a sandbox"
        ));
    }
    let package = match of(&DISTRIBUTIONS) {
        Some(package) => package.to_owned(),
        None if !SHARED.contains(&module) => module.to_owned(),
        None if name == module => return None,
        None => name.replace('.', "-"),
    };
    Some(format!(
        "the module '{name}' is not installed; if it is in the package {package}, run again with \
         --with {package}"
    ))
}

/// The longest name that is repeated.
const LONGEST: usize = 64;

fn is_word(name: &str) -> bool {
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    !name.is_empty() && name.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_is_told_with_its_package() {
        for (line, expected) in [
            (
                "ModuleNotFoundError: No module named 'yaml'",
                Some("--with pyyaml"),
            ),
            (
                "ModuleNotFoundError: No module named 'bs4'",
                Some("--with beautifulsoup4"),
            ),
            (
                "ModuleNotFoundError: No module named 'httpx'. Site initialization is disabled, did \
                 you forget to add the site-packages directory to sys.path?",
                Some("--with httpx"),
            ),
            (
                "ModuleNotFoundError: No module named 'google.cloud'",
                Some("--with google-cloud"),
            ),
            ("ModuleNotFoundError: No module named 'google'", None),
            (
                "ModuleNotFoundError: No module named 'cv2'",
                Some("does not run in a sandbox"),
            ),
            ("ModuleNotFoundError: No module named '_private'", None),
            ("ModuleNotFoundError: No module named '-x'", None),
            (
                "ModuleNotFoundError: No module named 'pip'",
                Some("such as --with requests"),
            ),
            ("ModuleNotFoundError: No module named 'x; rm -rf'", None),
            ("ModuleNotFoundError: No module named '--index-url=x'", None),
            ("ModuleNotFoundError: No module named 'x\u{1b}[2J'", None),
            ("ModuleNotFoundError: No module named", None),
            (
                "ModuleNotFoundError: Standard library module '_ssl' was not found",
                None,
            ),
            ("ImportError: cannot import name 'x' from 'yaml'", None),
            ("", None),
        ] {
            let stderr = format!("Traceback (most recent call last):\n{line}\n");
            let hint = hint(stderr.as_bytes());
            match expected {
                Some(end) => assert!(hint.unwrap().ends_with(end), "{line}"),
                None => assert_eq!(hint, None, "{line}"),
            }
        }
        let caught = "ModuleNotFoundError: No module named 'yaml'\nValueError: another\n";
        assert_eq!(hint(caught.as_bytes()), None);
    }
}
