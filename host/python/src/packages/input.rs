//! Parses what the user gives to `--with`: requirements and wheels.

use std::path::PathBuf;
use std::str::FromStr;

use pep508_rs::pep440_rs::VersionSpecifiers;
use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl};

use crate::error::Error;

/// One thing to add.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A package from the user's index.
    Requirement(Requirement<VerbatimUrl>),
    /// A wheel on the disk.
    Wheel(PathBuf),
}

/// The path in a text, if it is one of a wheel on the disk.
pub fn wheel_path(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    let is_path = text.to_ascii_lowercase().ends_with(".whl") && !text.contains("://");
    is_path.then(|| text.into())
}

/// Whether a text that is not a wheel is a path nevertheless.
fn is_path(text: &str) -> bool {
    text.starts_with(['.', '/', '~']) || text.ends_with('/')
}

impl FromStr for Input {
    type Err = Error;

    /// A text that ends in `.whl` is a path, every other one a requirement of PEP 508 without a URL.
    fn from_str(text: &str) -> Result<Input, Error> {
        let text = text.trim();
        let refused = |problem: String| Error::InvalidRequirement {
            text: text.into(),
            problem,
        };
        if let Some(path) = wheel_path(text) {
            return match path.is_file() {
                true => Ok(Input::Wheel(path)),
                false => Err(refused("there is no such file".into())),
            };
        }
        if is_path(text) {
            let problem = "it is a path, and only a wheel is taken from one. Build it with \
                           `pip wheel --no-deps` and give the wheel's path instead";
            return Err(refused(problem.into()));
        }
        match Requirement::from_str(text) {
            Ok(requirement) => {
                specifiers(&requirement)?;
                Ok(Input::Requirement(requirement))
            }
            Err(error) => Err(refused(format!(
                "it is neither a requirement like `requests` or `requests>=2,<3` nor the path of a \
                 wheel: {}",
                error.message
            ))),
        }
    }
}

/// Checks that a text is a requirement, and not the path of a wheel: a file of requirements must not
/// choose files of the host.
pub fn requirement(text: &str) -> Result<(), Error> {
    match wheel_path(text) {
        Some(_) => Err(Error::InvalidRequirement {
            text: text.trim().into(),
            problem: "it is a path; give a wheel with --with".into(),
        }),
        None => text.parse::<Input>().map(drop),
    }
}

/// The versions that a requirement allows.
///
/// # Errors
/// A requirement that names a URL is refused: pip would build what it finds there, even if told to
/// use wheels only, and building runs the package's code on the host.
pub(crate) fn specifiers(
    requirement: &Requirement<VerbatimUrl>,
) -> Result<VersionSpecifiers, Error> {
    match &requirement.version_or_url {
        None => Ok(VersionSpecifiers::empty()),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => Ok(specifiers.clone()),
        Some(VersionOrUrl::Url(_)) => Err(Error::InvalidRequirement {
            text: requirement.to_string(),
            problem: "it names a URL. Download its wheel and give the wheel's path instead".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_and_wheels_are_told_apart() {
        let wheel = tempfile::Builder::new()
            .suffix("-1.0-py3-none-any.whl")
            .tempfile()
            .unwrap();
        let path = wheel.path().to_str().unwrap();
        assert!(matches!(path.parse().unwrap(), Input::Wheel(_)));
        for text in [
            "requests",
            " requests[socks]>=2,<3 ",
            "six; python_version > '3'",
        ] {
            assert!(
                matches!(text.parse().unwrap(), Input::Requirement(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_make_pip_build_or_read_something_else_is_refused() {
        for text in [
            "",
            "--index-url=https://example.org",
            "-r requirements.txt",
            "./package",
            "../package",
            "/absolute/package",
            "package/",
            "git+https://example.org/package.git",
            "package @ git+https://example.org/package.git",
            "package @ https://example.org/package-1.0.tar.gz",
            "https://example.org/package-1.0-py3-none-any.whl",
            "no-such-file.whl",
        ] {
            if let Err(error) = text.parse::<Input>() {
                let mut is_path = ["./p", "../p", "/a", "package/"].iter();
                let is_path = is_path.any(|start| text.starts_with(start));
                let said = error.to_string().contains("`pip wheel --no-deps`");
                assert_eq!(said, is_path, "{text}: {error}");
            }
            let refused = text.parse::<Input>();
            assert!(
                matches!(refused, Err(Error::InvalidRequirement { .. })),
                "{text}"
            );
        }
    }
}
