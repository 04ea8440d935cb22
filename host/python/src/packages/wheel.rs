//! Reads what a wheel says about itself: in its file name, and in its `METADATA`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{PackageName, Requirement, VerbatimUrl};
use zip::ZipArchive;

use crate::error::Error;
use crate::hash;

/// No metadata file comes near this size, which bounds the memory that a hostile one can take.
const METADATA_LIMIT: u64 = 8 * 1024 * 1024;

/// A pure-Python wheel on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    pub(crate) path: PathBuf,
    pub(crate) file: String,
    pub(crate) name: PackageName,
    pub(crate) version: Version,
    pub(crate) sha256: String,
    /// What it needs, with markers not yet evaluated.
    pub(crate) requires: Vec<Requirement<VerbatimUrl>>,
}

impl Wheel {
    /// Reads a wheel's name, hash and metadata.
    ///
    /// # Errors
    /// [`Error::NoPureWheel`] for a wheel with machine code; [`Error::BadWheel`] if the wheel is
    /// invalid, or not for the version `python`.
    pub(crate) fn open(path: &Path, python: &Version) -> Result<Wheel, Error> {
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (name, version) = parse_file_name(&file)?;
        let bad = |problem: String| Error::BadWheel {
            file: file.clone(),
            problem,
        };
        let metadata = read_metadata(path).map_err(&bad)?;
        let requires = requires(&metadata, &name, &version, python).map_err(&bad)?;
        let sha256 = hash::file(path, |_| ())?;
        Ok(Wheel {
            path: path.to_path_buf(),
            name,
            version,
            sha256,
            requires,
            file,
        })
    }
}

/// The requirements of the wheel of this name and version, by the text of its metadata.
///
/// # Errors
/// Metadata of another package, which a wheel must not bring under this name; invalid requirements; and
/// a wheel that is not for the version `python`.
pub(crate) fn requires(
    metadata: &str,
    name: &PackageName,
    version: &Version,
    python: &Version,
) -> Result<Vec<Requirement<VerbatimUrl>>, String> {
    let mut requires = Vec::new();
    for (header, value) in headers(metadata) {
        match header.to_ascii_lowercase().as_str() {
            "name" if PackageName::from_str(value).ok().as_ref() != Some(name) => {
                return Err(format!("its metadata is that of `{value}`, not of {name}"));
            }
            "version" if Version::from_str(value).ok().as_ref() != Some(version) => {
                return Err(format!(
                    "its metadata is that of version `{value}`, not of {version}"
                ));
            }
            "requires-dist" => requires.push(
                Requirement::from_str(value)
                    .map_err(|error| format!("it requires `{value}`: {}", error.message))?,
            ),
            "requires-python" => {
                let range = VersionSpecifiers::from_str(value)
                    .map_err(|error| format!("it requires Python `{value}`: {error}"))?;
                if !range.contains(python) {
                    return Err(format!(
                        "it requires Python {range}, and the distribution's is {python}"
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(requires)
}

/// Splits a wheel's file name: `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`.
pub(crate) fn parse_file_name(file: &str) -> Result<(PackageName, Version), Error> {
    let bad = |problem: &str| Error::BadWheel {
        file: file.to_owned(),
        problem: problem.to_owned(),
    };
    let stem = file
        .strip_suffix(".whl")
        .ok_or_else(|| bad("its name does not end in .whl"))?;
    let parts: Vec<&str> = stem.split('-').collect();
    let (name, version, abi, platform) = match parts.as_slice() {
        [name, version, _, abi, platform] => (name, version, abi, platform),
        [name, version, _, _, abi, platform] => (name, version, abi, platform),
        _ => return Err(bad("its name is not NAME-VERSION-PYTHON-ABI-PLATFORM.whl")),
    };
    let name = PackageName::from_str(name).map_err(|error| bad(&error.to_string()))?;
    let version = Version::from_str(version).map_err(|error| bad(&error.to_string()))?;
    if (*abi, *platform) != ("none", "any") {
        let reason = format!("{file} holds machine code for another platform");
        return Err(Error::NoPureWheel {
            name: name.to_string(),
            reason,
            instead: Vec::new(),
            age: None,
        });
    }
    Ok((name, version))
}

/// The text of the one `*.dist-info/METADATA` in a wheel.
fn read_metadata(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    let is_metadata = |name: &String| {
        name.strip_suffix(".dist-info/METADATA")
            .is_some_and(|stem| !stem.contains('/'))
    };
    let mut names = archive.file_names().flatten().map(|name| name.into_owned());
    let name = names
        .find(is_metadata)
        .ok_or("it has no .dist-info/METADATA")?;
    drop(names);
    let member = archive.by_name(&name).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = member.take(METADATA_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > METADATA_LIMIT {
        return Err("its metadata is too large".into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The header fields of a metadata file, which end at the first empty line. A line that continues a
/// field begins with white space; the fields of interest are never continued.
fn headers(metadata: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = metadata.lines().take_while(|line| !line.is_empty());
    let fields = lines.filter(|line| !line.starts_with([' ', '\t']));
    fields
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::WheelBuilder;

    fn python() -> Version {
        Version::from_str("3.15.0").unwrap()
    }

    #[test]
    fn a_file_name_is_taken_apart() {
        for (file, name, version) in [
            ("requests-2.34.2-py3-none-any.whl", "requests", "2.34.2"),
            (
                "Typing_Extensions-4.0-py2.py3-none-any.whl",
                "typing-extensions",
                "4.0",
            ),
            (
                "one-1!2.0rc1+local.3-1build-py3-none-any.whl",
                "one",
                "1!2.0rc1+local.3",
            ),
        ] {
            let (actual, parsed) = parse_file_name(file).unwrap();
            assert_eq!(
                (actual.as_ref(), parsed),
                (name, Version::from_str(version).unwrap())
            );
        }
    }

    #[test]
    fn a_file_name_that_is_not_a_pure_wheels_is_refused() {
        for (file, part) in [
            ("one-1.0.tar.gz", "does not end in .whl"),
            ("one-py3-none-any.whl", "is not NAME-VERSION"),
            ("a-b-c-1.0-py3-none-any.whl", "is not NAME-VERSION"),
            ("one-x.y-py3-none-any.whl", "cannot be used"),
            (
                "one-1.0-cp315-cp315-win_amd64.whl",
                "the package one cannot be used",
            ),
            ("one-1.0-cp315-abi3-any.whl", "machine code"),
            ("one-1.0-py3-none-linux_x86_64.whl", "machine code"),
        ] {
            let message = parse_file_name(file).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_metadata_tells_what_a_wheel_requires() {
        let temp = tempfile::tempdir().unwrap();
        let path = WheelBuilder::new("one", "1.0")
            .header("requires-dist: two (>=1.0)")
            .requires("three[fast]>=2; extra == \"more\"")
            .header("Requires-Python: >=3.8")
            .header("\nRequires-Dist: this line is text")
            .write(temp.path());
        let wheel = Wheel::open(&path, &python()).unwrap();
        let names: Vec<_> = wheel.requires.iter().map(|r| r.name.to_string()).collect();
        assert_eq!(names, ["two", "three"]);
        assert_eq!(wheel.sha256.len(), 64);
    }

    #[test]
    fn a_wheel_with_a_fault_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let build = |header: &str| {
            WheelBuilder::new("one", "1.0")
                .header(header)
                .write(temp.path())
        };
        for (header, part) in [
            ("Requires-Python: <3.15", "the distribution's is 3.15.0"),
            ("Requires-Python: new", "it requires Python `new`"),
            ("Requires-Dist: ???", "it requires `???`"),
        ] {
            let message = Wheel::open(&build(header), &python())
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message}");
            assert!(message.contains("one-1.0-py3-none-any.whl"), "{message}");
        }
        let empty = temp.path().join("two-1.0-py3-none-any.whl");
        std::fs::write(&empty, "").unwrap();
        assert!(matches!(
            Wheel::open(&empty, &python()),
            Err(Error::BadWheel { .. })
        ));
    }
}
