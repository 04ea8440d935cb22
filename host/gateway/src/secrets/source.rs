//! Reads the value of a secret from its source.

use std::fmt;
use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::command::{self, CommandError};
use super::output::{Output, read_limited};
use super::value::{SecretValue, ValueError};
use sandbox_net_policy::SecretText;
use sandbox_net_process::TimeBox;

/// Where a value comes from.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum Source {
    /// A variable of the host's environment.
    Env(String),
    /// The content of a file.
    File(PathBuf),
    /// The standard output of a program: its name and its arguments, without a shell. It reads
    /// nothing, has the host's environment, and is killed after 30 seconds with its process group,
    /// which is its own: it cannot read from a terminal. A daemon that left the group is neither
    /// killed nor waited for.
    Command(Vec<String>),
    /// A value that the embedder has given.
    Value(SecretText),
}

/// Why there is no value. Never contains it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The environment has no such variable.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The command returned no value.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The content of the source cannot be a value.
    #[error("{origin}: {error}")]
    Value {
        /// The source, as `Debug` shows it.
        origin: String,
        /// Why not.
        #[source]
        error: ValueError,
    },
}

/// Shows the program of a command only: its arguments may be secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Command(command) => {
                write!(f, "command {}", command.first().map_or("", String::as_str))
            }
            Self::Value(_) => f.write_str("the value that was given"),
        }
    }
}

/// Loads a value, or gives up after `within`: a file may be a pipe that nobody writes to.
///
/// # Errors
///
/// A [`SourceError`], if there is no value, or an invalid one.
pub(crate) fn load(source: &Source, within: &TimeBox) -> Result<SecretValue, SourceError> {
    let value = match source {
        Source::Env(name) => match std::env::var_os(name) {
            // A value is ASCII: what is not Unicode is refused below.
            Some(value) => Ok(Zeroizing::new(value.into_encoded_bytes())),
            None => return Err(SourceError::NoVariable(name.clone())),
        },
        Source::File(path) => read_file(path, within).map_err(|error| SourceError::File {
            path: path.clone(),
            error,
        })?,
        Source::Command(command) => command::run(command, within)?,
        Source::Value(text) => Ok(Zeroizing::new(text.expose().as_bytes().to_vec())),
    };
    value
        .and_then(|mut value| SecretValue::new(mem::take(&mut *value)))
        .map_err(|error| SourceError::Value {
            origin: format!("{source:?}"),
            error,
        })
}

/// Reads a file in a thread of its own, which stays behind if the file never returns anything.
fn read_file(path: &Path, within: &TimeBox) -> io::Result<Output> {
    let path = path.to_path_buf();
    let read = command::in_thread(move || File::open(path).and_then(read_limited))?;
    read.recv_timeout(within.left()).unwrap_or_else(|_| {
        let seconds = within.limit().as_secs_f32();
        let why = format!("it gave nothing for {seconds} s");
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "s3cret-value";

    fn shell(script: &str) -> Source {
        Source::Command(["sh", "-c", script].map(String::from).to_vec())
    }

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_value_comes_from_a_variable_a_file_or_a_command() {
        let file = file(format!("{VALUE}\r\n").as_bytes());
        for (source, expected) in [
            (Source::Env("PATH".into()), std::env::var("PATH").unwrap()),
            (Source::File(file.path().into()), VALUE.into()),
            (
                shell(&format!("echo {VALUE}; echo noise >&2")),
                VALUE.into(),
            ),
        ] {
            let value = load(&source, &TimeBox::new(command::LIMIT)).unwrap();
            assert_eq!(value.expose(), expected.as_bytes(), "{source:?}");
        }
    }

    #[test]
    fn an_error_names_the_source_and_says_why() {
        let large = file(&[b'x'; super::super::value::LONGEST + 3]);
        let path = large.path().display().to_string();
        for (source, parts) in [
            (
                Source::Env("SANDBOX_NET_NO_SUCH".into()),
                ["SANDBOX_NET_NO_SUCH", "is not set"],
            ),
            (
                Source::Env("CARGO_PKG_VERSION_PATCH".into()),
                ["VERSION_PATCH", "fewer than 8"],
            ),
            (Source::File("/no/such".into()), ["/no/such", "cannot read"]),
            (Source::File("/".into()), ["/", "cannot read"]),
            (
                Source::File(large.path().into()),
                [&path, "longer than 16 KiB"],
            ),
            (shell("true"), ["command sh", "fewer than 8 bytes"]),
            (
                shell("exec cat /dev/zero"),
                ["command sh", "longer than 16 KiB"],
            ),
            (shell("exit 3"), ["sh failed", "3"]),
        ] {
            let error = load(&source, &TimeBox::new(command::LIMIT))
                .unwrap_err()
                .to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn no_error_contains_what_could_be_the_value() {
        let tab = file(format!("{VALUE}\t").as_bytes());
        for source in [
            Source::File(tab.path().into()),
            shell(&format!("printf '{VALUE}\\t'")),
            shell(&format!("echo {VALUE}; echo bad {VALUE} >&2; exit 1")),
            shell(&format!(
                "printf %16384s x; echo {VALUE}; echo bad {VALUE} >&2; exit 1"
            )),
        ] {
            let error = load(&source, &TimeBox::new(command::LIMIT)).unwrap_err();
            assert!(
                !format!("{error} {error:?} {source:?}").contains(VALUE),
                "{error}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_writes_to_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let within = TimeBox::new(std::time::Duration::from_millis(200));
        let error = load(&Source::File(pipe), &within).unwrap_err().to_string();
        assert!(error.ends_with("it gave nothing for 0.2 s"), "{error}");
    }
}
