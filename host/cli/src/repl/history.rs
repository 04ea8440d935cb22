//! Where what was typed is kept.

use std::path::PathBuf;

const NAME: &str = "repl_history";

/// The file in the user's state directory; `None` where there is none, or it can't be made.
pub(super) fn file() -> Option<PathBuf> {
    let directory = directory(|name| std::env::var_os(name).map(PathBuf::from))?;
    private(&directory).ok()?;
    Some(directory.join(NAME))
}

/// The tool's own directory for state.
fn directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let state = match cfg!(windows) {
        true => absolute("LOCALAPPDATA"),
        false => {
            absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
        }
    };
    Some(state?.join("sandbox-net"))
}

/// Makes the directory for this user alone: secrets are typed, too.
fn private(directory: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_state_directory_is_the_users() {
        for (state, home, expected) in [
            (Some("/s"), Some("/h"), Some("/s/sandbox-net")),
            (None, Some("/h"), Some("/h/.local/state/sandbox-net")),
            (
                Some("relative"),
                Some("/h"),
                Some("/h/.local/state/sandbox-net"),
            ),
            (None, None, None),
            (None, Some("relative"), None),
        ] {
            let found = directory(|name| match name {
                "XDG_STATE_HOME" => state.map(PathBuf::from),
                _ => home.map(PathBuf::from),
            });
            assert_eq!(found, expected.map(PathBuf::from));
        }
    }
}
