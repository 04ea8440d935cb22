//! Writes an executable that runs an interpreter with the broker's environment.

use std::fs;
use std::io;
use std::path::Path;

use super::environment::Environment;
use super::error::PatchError;
use super::files;

/// The variables that a wrapper keeps from the environment in which it was made.
const VARIABLES: [&str; 6] = [
    "SANDBOX_NET_BROKER_HOST",
    "SANDBOX_NET_BROKER_PORT",
    "SANDBOX_NET_BROKER_SOCKET",
    "SANDBOX_NET_BROKER_TOKEN",
    "SANDBOX_NET_CA",
    "SANDBOX_NET_LOG_LEVEL",
];

const MARK: &str = "# A wrapper of sandbox-net:";

/// It may hold the broker's token.
const MODE: u32 = 0o700;

/// Writes the wrapper for `executable` to `out`.
pub(super) fn write(
    executable: &Path,
    out: &Path,
    environment: &Environment,
) -> Result<(), PatchError> {
    match fs::read(out) {
        Ok(bytes) if !String::from_utf8_lossy(&bytes).contains(MARK) => {
            return Err(PatchError::NotAWrapper {
                path: out.to_path_buf(),
            });
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(PatchError::of(out)(error));
        }
        _ => {}
    }
    let text = text(executable, |name| environment.get(name));
    files::write_atomically(out, text.as_bytes(), MODE).map_err(PatchError::of(out))
}

/// A shell script: `exec` keeps the process, so arguments, standard streams, signals and the exit code are
/// those of the interpreter.
fn text(executable: &Path, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut text = format!(
        "#!/bin/sh\n{MARK} it runs Python with its connections through a broker.\n\
         # A variable that is set when it runs wins over the value here. The patch has to be installed.\n"
    );
    for name in VARIABLES {
        if let Some(value) = variable(name) {
            let value = quoted(&value);
            text.push_str(&format!(
                "[ -n \"${{{name}+set}}\" ] || {name}={value}\nexport {name}\n"
            ));
        }
    }
    text.push_str("SANDBOX_NET_ENABLED=1\nexport SANDBOX_NET_ENABLED\n");
    text.push_str(&format!(
        "exec {} \"$@\"\n",
        quoted(&executable.to_string_lossy())
    ));
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_quotes_stays_one_value() {
        let made = text(Path::new("/opt/it's/python"), |name| {
            (name == "SANDBOX_NET_CA").then(|| "/a b/$(c)'d".to_owned())
        });
        assert!(made.contains(r"SANDBOX_NET_CA='/a b/$(c)'\''d'"));
        assert!(made.ends_with("exec '/opt/it'\\''s/python' \"$@\"\n"));
        assert!(!made.contains("TOKEN"));
    }
}
