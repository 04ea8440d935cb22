//! The weaker confinement, for kernels that refuse namespaces: what it has in place of a fresh root.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::layout::Layout;
use super::secrets::secrets;
use super::spawn_error::SpawnError;

/// A private directory of the host, and the broker's address.
#[derive(Debug, Clone)]
pub(super) struct Weaker {
    directory: Arc<TempDir>,
    pub(super) broker: Option<SocketAddr>,
}

impl Weaker {
    pub(super) fn new() -> Result<Self, SpawnError> {
        let made = tempfile::Builder::new()
            .prefix("sandbox-net-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir();
        let directory = made.map_err(|error| SpawnError::SetUp {
            step: "make a private directory".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            directory: Arc::new(directory),
            broker: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the run into the private directory.
    pub(super) fn write(&self, path: &Path, contents: &[u8]) -> Result<PathBuf, SpawnError> {
        let place = self.path().join(path.strip_prefix("/").unwrap_or(path));
        let made = place.parent().map_or(Ok(()), fs::create_dir_all);
        let written = made
            .and_then(|()| fs::write(&place, contents))
            .and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(0o400)));
        written.map(|()| place).map_err(|error| SpawnError::SetUp {
            step: format!("write {}", path.display()),
            reason: error.to_string(),
        })
    }

    /// Has the rules and the environment name the private directory.
    pub(super) fn change(&self, layout: &mut Layout, environment: &mut Vec<(OsString, OsString)>) {
        let own: OsString = self.path().into();
        let private: Vec<_> = layout
            .root
            .private
            .iter()
            .map(|(path, _)| path.clone())
            .collect();
        // The host's directories of these names are shared with everybody.
        layout
            .writable
            .retain(|path| !private.contains(path) && path != "/dev");
        layout.writable.extend(layout.root.devices.iter().cloned());
        layout.writable.push(own.clone());
        let hidden = secrets();
        layout.readable = layout
            .readable
            .iter()
            .flat_map(|path| without(Path::new(path), &hidden))
            .collect();
        for name in ["HOME", "TMPDIR"] {
            environment.push((name.into(), own.clone()));
        }
    }
}

/// A path, or the entries below it that are not hidden.
fn without(path: &Path, hidden: &[OsString]) -> Vec<OsString> {
    if hidden.iter().any(|one| Path::new(one) == path) {
        return Vec::new();
    }
    if !hidden.iter().any(|one| Path::new(one).starts_with(path)) {
        return vec![path.into()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| without(&entry.path(), hidden))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_among_the_entries() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in ["a/b", "a/c", "d"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let mut shown = without(root, &[root.join("a/b").into()]);
        shown.sort();
        assert_eq!(
            shown,
            [root.join("a/c").into_os_string(), root.join("d").into()]
        );
        assert_eq!(without(root, &[]), [root.as_os_str()]);
    }
}
