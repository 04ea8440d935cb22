//! What is refused, and that ordinary set-ups are accepted.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;

use super::*;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// A directory of this name with one in it.
fn nested() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let (outer, inner) = (temp.path().join("outer"), temp.path().join("outer/inner"));
    create(&inner).unwrap();
    (temp, outer, inner)
}

#[test]
fn a_missing_directory_is_created_for_the_user_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("above/it/cache");
    prepare(&path).unwrap();
    for path in [&path, path.parent().unwrap()] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    prepare(&path).unwrap();
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    for mode in [0o720, 0o702, 0o777] {
        chmod(temp.path(), mode);
        let message = prepare(temp.path()).unwrap_err().to_string();
        assert!(message.contains("chmod go-w"), "{message}");
    }
    chmod(temp.path(), 0o755);
    prepare(temp.path()).unwrap();
}

#[test]
fn a_directory_that_others_can_replace_is_refused() {
    let (_temp, outer, inner) = nested();
    for mode in [0o702, 0o777, 0o757] {
        chmod(&outer, mode);
        let message = prepare(&inner).unwrap_err().to_string();
        let remedy = format!("Run `chmod go-w {}`", outer.display());
        assert!(message.contains(&remedy), "{message}");
    }
    // Like a home directory, and /tmp.
    for mode in [0o755, 0o700, 0o1777] {
        chmod(&outer, mode);
        prepare(&inner).unwrap();
    }
}

#[test]
fn a_symbolic_link_leads_only_through_what_nobody_else_can_change() {
    let (temp, outer, inner) = nested();
    let link = temp.path().join("link");
    symlink("outer/../outer/inner", &link).unwrap();
    prepare(&link).unwrap();
    chmod(&outer, 0o777);
    let message = prepare(&link).unwrap_err().to_string();
    assert!(
        message.contains(&format!("{}: its mode 777", outer.display())),
        "{message}"
    );
    chmod(&outer, 0o755);
    chmod(&inner, 0o777);
    assert!(prepare(&link).is_err());
    let round = temp.path().join("round");
    symlink("round", &round).unwrap();
    assert!(prepare(&round).is_err());
}

/// Only root can give a directory away; other users check one of root's.
#[test]
fn a_directory_of_another_user_is_refused() {
    let (_temp, outer, inner) = nested();
    let path = match chown(&inner, Some(12345), None) {
        Ok(()) => &*inner,
        Err(_) => Path::new("/usr"),
    };
    let message = prepare(path).unwrap_err().to_string();
    assert!(message.contains("belongs to the user"), "{message}");
    if chown(&outer, Some(12345), None).is_ok() {
        chown(&inner, Some(0), None).unwrap();
        let message = prepare(&inner).unwrap_err().to_string();
        let problem = format!(
            "{}: it belongs to the user with the id 12345",
            outer.display()
        );
        assert!(message.contains(&problem), "{message}");
    }
}

/// Root's own group has no other member; other groups may.
#[test]
fn a_directory_that_another_group_can_replace_is_refused() {
    let (_temp, outer, inner) = nested();
    chmod(&outer, 0o770);
    if chown(&outer, None, Some(12345)).is_ok() {
        let message = prepare(&inner).unwrap_err().to_string();
        assert!(message.contains("chmod g-w"), "{message}");
    }
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let message = prepare(file.path()).unwrap_err().to_string();
    assert!(message.contains("not a directory"), "{message}");
}

#[test]
fn a_directory_with_an_older_mode_is_claimed_only_if_nobody_else_can_have_changed_it() {
    let (_temp, outer, inner) = nested();
    let file = inner.join("file");
    fs::write(&file, "").unwrap();
    chmod(&file, 0o644);
    // Readable, or within one that nobody else can search.
    for (within, own, of_file) in [(0o755, 0o755, 0o644), (0o700, 0o777, 0o666)] {
        chmod(&outer, within);
        chmod(&inner, own);
        chmod(&file, of_file);
        claim(&inner, &outer).unwrap();
        assert_eq!(mode(&inner), 0o700);
    }
    for (own, of_file) in [(0o777, 0o644), (0o755, 0o666)] {
        chmod(&outer, 0o755);
        chmod(&inner, own);
        chmod(&file, of_file);
        let message = claim(&inner, &outer).unwrap_err().to_string();
        assert!(
            message.contains(&format!("rm -r {}", inner.display())),
            "{message}"
        );
        assert_eq!(mode(&inner), own);
    }
    let link = outer.join("link");
    symlink("inner", &link).unwrap();
    let message = claim(&link, &outer).unwrap_err().to_string();
    assert!(message.contains("it is a symbolic link"), "{message}");
}

#[test]
fn a_file_is_opened_only_if_nobody_else_can_have_changed_it() {
    let (_temp, outer, inner) = nested();
    let file = inner.join("file");
    fs::write(&file, "text").unwrap();
    for of_file in [0o600, 0o644] {
        chmod(&file, of_file);
        assert_eq!(io::read_to_string(open(&file).unwrap()).unwrap(), "text");
    }
    for of_file in [0o620, 0o602, 0o666] {
        chmod(&file, of_file);
        let message = open(&file).unwrap_err().to_string();
        assert!(message.contains("lets others write to it"), "{message}");
    }
    chmod(&file, 0o600);
    symlink(&file, outer.join("link")).unwrap();
    let message = open(&outer.join("link")).unwrap_err().to_string();
    assert!(message.contains("it is a symbolic link"), "{message}");
    let message = open(&inner).unwrap_err().to_string();
    assert!(message.contains("it is not a file"), "{message}");
    if chown(&file, Some(12345), None).is_ok() {
        let message = open(&file).unwrap_err().to_string();
        assert!(
            message.contains("belongs to the user with the id 12345"),
            "{message}"
        );
    }
}
