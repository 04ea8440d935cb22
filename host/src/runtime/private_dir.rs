//! A directory that nobody else can write to.

use std::fs::{self, DirBuilder};
use std::path::Path;

use crate::runtime::Error;

/// Creates `path` for this user alone if it is missing, and refuses one that others can change.
///
/// The directories above it are not looked at: who can replace one of them can only put a directory
/// of their own in place, which the next check refuses.
pub(crate) fn prepare(path: &Path) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", path)(error));
        }
        _ => {}
    }
    check(path)
}

#[cfg(unix)]
fn check(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;

    let refused = |problem: String, remedy: String| {
        Err(Error::CacheNotPrivate {
            path: path.to_path_buf(),
            problem,
            remedy,
        })
    };
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if !metadata.is_dir() {
        return refused("it is not a directory".into(), "Move that file away".into());
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return refused(
            format!(
                "it belongs to the user with the id {}, you are {user}",
                metadata.uid()
            ),
            "Run as that user".into(),
        );
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return refused(
            format!("its mode {mode:03o} lets others write to it"),
            format!("Run `chmod go-w {}`", path.display()),
        );
    }
    Ok(())
}

/// Elsewhere the user's own directories are private by the access rules that they inherit.
#[cfg(not(unix))]
fn check(path: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
    if metadata.is_dir() {
        return Ok(());
    }
    Err(Error::CacheNotPrivate {
        path: path.to_path_buf(),
        problem: "it is not a directory".into(),
        remedy: "Move that file away".into(),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_missing_directory_is_created_for_the_user_alone() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("above/cache");
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        prepare(&path).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        for mode in [0o720, 0o702, 0o777] {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            let message = prepare(temp.path()).unwrap_err().to_string();
            assert!(message.contains("chmod go-w"), "{message}");
        }
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        prepare(temp.path()).unwrap();
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        // Only root can give a directory away; other users look at one of root's.
        let path = match std::os::unix::fs::chown(temp.path(), Some(12345), None) {
            Ok(()) => temp.path(),
            Err(_) => Path::new("/usr"),
        };
        let message = prepare(path).unwrap_err().to_string();
        assert!(message.contains("belongs to the user"), "{message}");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = prepare(file.path()).unwrap_err().to_string();
        assert!(message.contains("not a directory"), "{message}");
    }
}
