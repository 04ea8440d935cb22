//! Checks programs that the host runs against the directories that a guest may write to.
//!
//! A program is found by its name, as the operating system finds it: through `PATH`, through the first
//! line of a script, through `env`. If a guest could plant another one anywhere on this way, the
//! program is refused.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::exposure::{self, Writable};
use sandbox_net_python::pip::{PIP_VARIABLE, Pip};

/// The most scripts in a row that are each other's interpreters; the operating system gives up
/// after as many.
const INTERPRETERS: usize = 5;
/// Bytes that are read of a script's first line.
const FIRST_LINE: u64 = 4096;
/// Where programs are searched for if `PATH` is not set.
const USUAL_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// Variables with paths from which every program loads code.
const OF_PROGRAMS: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];
/// Variables with paths that tell pip its code, or where to fetch it.
const OF_PIP: [&str; 4] = [
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PIP_CONFIG_FILE",
];

/// Refuses a secret's command where a guest could replace its program, or a file that it names.
pub(super) fn check_command(
    writable: &[Writable],
    words: &[String],
    secret: &str,
) -> Result<(), Error> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let what = format!("the program of the secret '{secret}'");
    check_program(writable, OsStr::new(program), &what, INTERPRETERS)?;
    for argument in arguments {
        for path in paths_in(argument) {
            let what = format!("the file that the command of the secret '{secret}' names");
            exposure::check(writable, path, &what)?;
        }
    }
    check_env_of(writable, program, arguments, &what)?;
    check_variables(writable, &OF_PROGRAMS)?;
    // `python3 -m keyring` and `git credential fill` first look in the working directory.
    let what = format!("the working directory of the command of the secret '{secret}'");
    exposure::check(writable, Path::new("."), &what)
}

/// Refuses a pip that a guest could replace.
pub(super) fn check_pip(writable: &[Writable]) -> Result<(), Error> {
    check_variables(writable, &OF_PROGRAMS)?;
    check_variables(writable, &OF_PIP)?;
    let candidates = Pip::candidates();
    for (index, pip) in candidates.iter().enumerate() {
        let checked = check_one_pip(writable, pip);
        if checked.is_err() {
            // If an earlier candidate works, this one is never used.
            return match candidates[..index].iter().any(Pip::works) {
                true => Ok(()),
                false => checked,
            };
        }
    }
    Ok(())
}

fn check_one_pip(writable: &[Writable], pip: &Pip) -> Result<(), Error> {
    let what = match std::env::var_os(PIP_VARIABLE).is_some_and(|it| !it.is_empty()) {
        true => PIP_VARIABLE.to_owned(),
        false => format!("the program that fetches packages ({PIP_VARIABLE})"),
    };
    check_program(writable, pip.program(), &what, INTERPRETERS)?;
    for argument in pip.arguments() {
        for path in argument.to_str().into_iter().flat_map(paths_in) {
            exposure::check(writable, path, &what)?;
        }
    }
    Ok(())
}

/// Refuses a program that a guest could replace, and what its first line names.
fn check_program(
    writable: &[Writable],
    program: &OsStr,
    what: &str,
    depth: usize,
) -> Result<(), Error> {
    let Lookup { places, found } = lookup(program);
    for place in &places {
        match Some(place) == found.as_ref() {
            true => exposure::check(writable, place, what)?,
            false => exposure::check(writable, place, &format!("the place in PATH for {what}"))?,
        }
    }
    let Some((interpreter, arguments)) = found.as_deref().and_then(interpreter) else {
        return Ok(());
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(());
    };
    let what = format!("the interpreter of {what}");
    // The operating system doesn't search `PATH` for it.
    let path = Path::new(".").join(&interpreter);
    check_program(writable, path.as_os_str(), &what, depth)?;
    check_env_of(writable, &interpreter, &arguments, &what)
}

/// Checks the program that `env` looks for in the same way.
fn check_env_of(
    writable: &[Writable],
    program: &str,
    arguments: &[String],
    what: &str,
) -> Result<(), Error> {
    if Path::new(program).file_name() != Some(OsStr::new("env")) {
        return Ok(());
    }
    let mut words = arguments.iter().flat_map(|it| it.split_whitespace());
    match words.find(|word| !word.starts_with('-') && !word.contains('=')) {
        Some(program) => check_program(writable, OsStr::new(program), what, INTERPRETERS),
        None => Ok(()),
    }
}

/// Refuses variables with lists of paths if one names something in such a directory.
fn check_variables(writable: &[Writable], names: &[&str]) -> Result<(), Error> {
    for name in names {
        let value = std::env::var_os(name).unwrap_or_default();
        for path in std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()) {
            exposure::check(writable, &path, name)?;
        }
    }
    Ok(())
}

/// The places where a program is searched for, in order, and where it was found.
struct Lookup {
    places: Vec<PathBuf>,
    found: Option<PathBuf>,
}

fn lookup(program: &OsStr) -> Lookup {
    if program.is_empty() {
        return Lookup {
            places: Vec::new(),
            found: None,
        };
    }
    let path = Path::new(program);
    if path.components().count() > 1 || program.to_string_lossy().contains('/') {
        return Lookup {
            places: vec![path.into()],
            found: Some(path.into()),
        };
    }
    let directories = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(USUAL_PATH));
    let mut places = Vec::new();
    for directory in std::env::split_paths(&directories) {
        // An empty entry is the working directory.
        let place = Path::new(".").join(directory).join(program);
        places.push(place.clone());
        if is_program(&place) {
            return Lookup {
                places,
                found: Some(place),
            };
        }
    }
    Lookup {
        places,
        found: None,
    }
}

fn is_program(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

/// The interpreter that a script's first line names, and its arguments.
fn interpreter(script: &Path) -> Option<(String, Vec<String>)> {
    // Reading a pipe would block.
    if !script.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    let file = File::open(script).ok()?;
    file.take(FIRST_LINE).read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.collect()))
}

/// The paths that an argument names: the whole argument, the part behind a `=`, or some of its words,
/// as in the text of `sh -c`. A word that may not be a path counts if such a file exists.
fn paths_in(argument: &str) -> Vec<&Path> {
    let is_end = |it: char| it.is_whitespace() || "'\"`;|&<>()=:,@".contains(it);
    let is_there = |text: &str| Path::new(text).symlink_metadata().is_ok();
    let is_path = |text: &str| ["/", "./", "../"].iter().any(|it| text.starts_with(it));
    let whole = [Some(argument), argument.split_once('=').map(|(_, it)| it)];
    let whole = whole.into_iter().flatten().filter(|text| is_there(text));
    let parts = argument
        .split(is_end)
        .filter(|text| is_path(text) || text.contains('/') && is_there(text));
    whole
        .chain(parts)
        .filter(|text| !text.is_empty())
        .map(Path::new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_names_paths_whole_behind_a_sign_or_among_words() {
        for (argument, expected) in [
            ("/etc/key", &["/etc/key"][..]),
            ("--key=/etc/key", &["/etc/key"]),
            ("@/etc/key", &["/etc/key"]),
            ("cat '/etc/a'>./b; ../c", &["/etc/a", "./b", "../c"]),
            ("src", &["src"]),
            ("--from=src", &["src"]),
            ("cat src/lib.rs", &["src/lib.rs"]),
            ("show", &[]),
            ("cat src", &[]),
            ("team/key", &[]),
            ("", &[]),
        ] {
            let mut found = paths_in(argument);
            found.dedup();
            let expected: Vec<_> = expected.iter().map(Path::new).collect();
            assert_eq!(found, expected, "{argument}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_looked_for_up_to_where_it_is() {
        let Lookup { places, found } = lookup(OsStr::new("sh"));
        let found = found.unwrap();
        assert_eq!(places.last(), Some(&found));
        assert!(is_program(&found));
        assert!(!places[..places.len() - 1].iter().any(|it| is_program(it)));
        let missing = lookup(OsStr::new("no-such-program-at-all"));
        assert!(missing.found.is_none());
        assert!(missing.places.len() >= places.len());
        assert_eq!(lookup(OsStr::new("./sh")).places, [Path::new("./sh")]);
    }

    #[test]
    fn a_scripts_first_line_names_its_interpreter() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        for (text, expected) in [
            ("#!/bin/sh\n", Some(("/bin/sh", 0))),
            ("#! /usr/bin/env  python3 -u\nx", Some(("/usr/bin/env", 2))),
            ("#!\n", None),
            ("echo", None),
            ("", None),
        ] {
            std::fs::write(&script, text).unwrap();
            let found = interpreter(&script);
            let found = found.as_ref().map(|(name, rest)| (&**name, rest.len()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
