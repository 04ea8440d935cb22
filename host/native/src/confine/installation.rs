//! What belongs to a command beside its file: a Python's own installation, a script's interpreter.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How many interpreters are followed: a script's `env`, its Python, that one's launcher.
const MOST_INTERPRETERS: usize = 4;
/// The file by which a virtual environment is known.
const SETTINGS: &str = "pyvenv.cfg";
/// What an environment and an installation of Python consist of.
const PARTS: [&str; 6] = ["bin", "include", "lib", "lib64", "share", SETTINGS];
/// The most that is read of a file to find out what it is.
const MOST_BYTES: u64 = 64 * 1024;

/// The paths that a command needs to be read, without links resolved.
///
/// `search` is the `PATH` of the program. Nothing that holds `home` is among them.
pub(super) fn of(file: &Path, search: &OsStr, home: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut next = Some(file.to_owned());
    for _ in 0..MOST_INTERPRETERS {
        let Some(file) = next.take() else { break };
        paths.extend(installation(&file));
        next = interpreter(&file, search);
        paths.push(file);
    }
    paths.retain(|path| !home.starts_with(path));
    paths
}

/// What a Python, or a program of its environment, is part of, and the file itself.
fn installation(file: &Path) -> Vec<PathBuf> {
    let mut paths = installation_of(file);
    paths.extend(file.canonicalize());
    paths
}

/// What a Python, or a program of its environment, is part of.
fn installation_of(file: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Some(above) = above(file) {
        if let Some(settings) = beginning(&above.join(SETTINGS)) {
            let base = base(&String::from_utf8_lossy(&settings));
            paths.extend(base.iter().flat_map(|prefix| parts(prefix)));
            paths.extend(parts(above));
        }
        let is_shim = file.parent().and_then(Path::file_name) == Some(OsStr::new("shims"));
        if is_shim && above.join("versions").is_dir() {
            paths.push(above.to_owned());
        }
    }
    if let Ok(real) = file.canonicalize() {
        paths.extend(
            above(&real)
                .filter(|prefix| is_python(prefix))
                .into_iter()
                .flat_map(parts),
        );
    }
    paths
}

/// What an installation is made of. Other files beside these are a project's own, and not granted.
fn parts(prefix: &Path) -> Vec<PathBuf> {
    let all = PARTS.iter().map(|part| prefix.join(part));
    all.filter(|path| path.exists()).collect()
}

/// The first bytes of a regular file, without waiting for it: a project can have a named pipe in its place.
fn beginning(file: &Path) -> Option<Vec<u8>> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(file).ok()?;
    let is_file = file.metadata().ok()?.is_file();
    let mut bytes = Vec::new();
    is_file
        .then(|| file.take(MOST_BYTES).read_to_end(&mut bytes).ok())
        .flatten()?;
    Some(bytes)
}

fn above(file: &Path) -> Option<&Path> {
    file.parent()?.parent()
}

/// The installation that an environment was made from.
fn base(settings: &str) -> Option<PathBuf> {
    let home = settings.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "home").then(|| Path::new(value.trim()))
    })?;
    let prefix = home.parent()?;
    is_python(prefix).then(|| prefix.to_owned())
}

/// Whether a directory holds Python's own library, as CPython itself looks for it.
fn is_python(prefix: &Path) -> bool {
    let Ok(entries) = fs::read_dir(prefix.join("lib")) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry.file_name().as_bytes().starts_with(b"python") && entry.path().join("os.py").is_file()
    })
}

/// The interpreter that a script names in its first line.
fn interpreter(file: &Path, search: &OsStr) -> Option<PathBuf> {
    let start = beginning(file)?;
    let line = start.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .map(OsStr::from_bytes);
    let first = Path::new(words.next()?);
    if first.file_name() == Some(OsStr::new("env")) {
        let name = words.find(|word| !word.as_bytes().starts_with(b"-"))?;
        let is_name = !name.as_bytes().contains(&b'/');
        return is_name.then(|| find(name, search)).flatten();
    }
    // A script may name any file. Only an installation of Python is granted for that.
    let is_granted = first.is_absolute() && !installation_of(first).is_empty();
    is_granted.then(|| first.to_owned())
}

/// The first file of this name in the search path.
pub(super) fn find(name: &OsStr, search: &OsStr) -> Option<PathBuf> {
    let all = std::env::split_paths(search).filter(|directory| directory.is_absolute());
    let mut found = all
        .map(|directory| directory.join(name))
        .filter(|file| file.is_file());
    found.find(|file| is_executable(file))
}

pub(super) fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The command's file, absolute, without links resolved; `None` if there is none.
pub(super) fn resolve(command: &OsStr, search: &OsStr, directory: &Path) -> Option<PathBuf> {
    let has_slash = command.as_bytes().contains(&b'/');
    match has_slash {
        true => Some(directory.join(command)).filter(|file| file.exists()),
        false => find(command, search).or_else(|| {
            let mut all = std::env::split_paths(search).map(|one| one.join(command));
            all.find(|file| file.is_absolute() && file.is_file())
        }),
    }
}

/// A path without `.` and `..`, by its text alone.
pub(super) fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The `PATH` of programs that are given none.
pub(super) fn usual_search() -> OsString {
    "/usr/local/bin:/usr/bin:/bin".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(prefix: &Path) -> PathBuf {
        fs::create_dir_all(prefix.join("lib/python3.9")).unwrap();
        fs::create_dir_all(prefix.join("bin")).unwrap();
        fs::write(prefix.join("lib/python3.9/os.py"), "").unwrap();
        fs::write(prefix.join("bin/python3.9"), "").unwrap();
        prefix.join("bin/python3.9")
    }

    #[test]
    fn an_environment_brings_itself_and_its_base() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let base = python(&root.join("base"));
        let environment = root.join("venv");
        fs::create_dir_all(environment.join("bin")).unwrap();
        fs::create_dir_all(environment.join("lib")).unwrap();
        let home = root.join("base/bin");
        fs::write(
            environment.join("pyvenv.cfg"),
            format!("home = {}\nversion = 3.9.1\n", home.display()),
        )
        .unwrap();
        std::os::unix::fs::symlink(&base, environment.join("bin/python")).unwrap();
        let tool = environment.join("bin/tool");
        fs::write(&tool, format!("#!{}/bin/python\n", environment.display())).unwrap();
        let paths = of(&tool, OsStr::new(""), Path::new("/home/nobody"));
        let parts = [
            "venv/bin",
            "venv/lib",
            "venv/pyvenv.cfg",
            "base/bin",
            "base/lib",
        ];
        for expected in parts
            .map(|part| root.join(part))
            .iter()
            .chain([&tool, &base])
        {
            assert!(
                paths.contains(expected),
                "{} in {paths:?}",
                expected.display()
            );
        }
        for other in [&environment, &root.join("base")] {
            assert!(!paths.contains(other), "files beside it are not shown");
        }
        let paths = of(&tool, OsStr::new(""), &environment.join("lib/below"));
        assert!(
            !paths.contains(&environment.join("lib")),
            "what holds the home is not shown"
        );
    }

    #[test]
    fn a_script_for_env_brings_what_env_finds() {
        let directory = tempfile::tempdir().unwrap();
        let base = python(&directory.path().join("base"));
        let mut rights = fs::metadata(&base).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
        fs::set_permissions(&base, rights).unwrap();
        let script = directory.path().join("script");
        fs::write(&script, "#!/usr/bin/env -S python3.9 -u\n").unwrap();
        let search = base.parent().unwrap().as_os_str().to_owned();
        let paths = of(&script, &search, Path::new("/home/nobody"));
        assert!(paths.contains(&base), "{paths:?}");
    }

    #[test]
    fn user_packages_are_no_installation() {
        let directory = tempfile::tempdir().unwrap();
        let local = directory.path().join("local");
        fs::create_dir_all(local.join("lib/python3.9/site-packages")).unwrap();
        assert!(!is_python(&local));
    }
}
