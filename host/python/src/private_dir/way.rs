//! Finds out who can change a directory, or what leads to it.
//!
//! The crate `fs-mistrust` does the same and more. It is not used because it brings a dozen crates,
//! three of them procedural macros, and an environment variable that turns it off.

use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// The most symbolic links on one way, as in Linux.
const MAX_LINKS: usize = 40;
/// Others may write.
const WRITABLE: u32 = 0o022;
/// In a directory with this bit, only its owner and root can replace what belongs to others.
const STICKY: u32 = 0o1000;

pub(super) fn refusal(cache: &Path, what: &Path, problem: String, remedy: String) -> Error {
    let problem = match cache == what {
        true => problem,
        false => format!("{}: {problem}", what.display()),
    };
    Error::CacheNotPrivate {
        path: cache.to_path_buf(),
        problem,
        remedy,
    }
}

/// Refuses a directory if anybody except this user and root can change what its path leads to.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let mut ahead: VecDeque<PathBuf> = path.components().map(own).collect();
    let (mut current, mut links) = (PathBuf::from("/"), 0);
    while let Some(component) = ahead.pop_front() {
        let next = match component.components().next() {
            Some(Component::RootDir) => PathBuf::from("/"),
            Some(Component::Normal(name)) => current.join(name),
            Some(Component::ParentDir) => {
                current.pop();
                continue;
            }
            _ => continue,
        };
        let metadata = fs::symlink_metadata(&next).map_err(Error::io("read", &next))?;
        if metadata.is_symlink() {
            check_owner_above(path, &next, &metadata)?;
            links += 1;
            if links > MAX_LINKS {
                let problem = "it leads through too many symbolic links";
                return Err(refusal(path, path, problem.into(), "Remove some".into()));
            }
            let target = fs::read_link(&next).map_err(Error::io("read", &next))?;
            for component in target.components().rev() {
                ahead.push_front(own(component));
            }
            continue;
        }
        // The last directory's own owner and mode are checked more closely.
        if !ahead.is_empty() {
            check_above(path, &next, &metadata)?;
        }
        current = next;
    }
    Ok(())
}

fn own(component: Component<'_>) -> PathBuf {
    PathBuf::from(component.as_os_str())
}

/// Checks a directory on the way.
fn check_above(cache: &Path, path: &Path, metadata: &Metadata) -> Result<(), Error> {
    check_owner_above(cache, path, metadata)?;
    if may_be_changed(metadata) && metadata.mode() & STICKY == 0 {
        let who = match metadata.mode() & 0o002 {
            0 => "g-w",
            _ => "go-w",
        };
        return Err(refusal(
            cache,
            path,
            format!(
                "its mode {} lets others replace what is in it",
                mode(metadata)
            ),
            format!("Run `chmod {who} {}`", path.display()),
        ));
    }
    Ok(())
}

/// Checks the owner of a directory or a link on the way. The owner of the root directory owns
/// everything.
fn check_owner_above(cache: &Path, path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let user = user();
    if metadata.uid() == 0 || metadata.uid() == user || path == Path::new("/") {
        return Ok(());
    }
    Err(refusal(
        cache,
        path,
        format!(
            "it belongs to the user with the id {}, you are {user}",
            metadata.uid()
        ),
        "Run as that user".into(),
    ))
}

/// Checks that a directory is this user's, and that nobody else can write to it.
pub(super) fn check_own(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    check_owner(path, metadata)?;
    if metadata.mode() & WRITABLE != 0 {
        return Err(refusal(
            path,
            path,
            format!("its mode {} lets others write to it", mode(metadata)),
            format!("Run `chmod go-w {}`", path.display()),
        ));
    }
    Ok(())
}

/// Checks that something is a directory of this user.
pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let problem = match metadata.is_symlink() {
        true => "it is a symbolic link",
        false => "it is not a directory",
    };
    if !metadata.is_dir() {
        return Err(refusal(path, path, problem.into(), "Move it away".into()));
    }
    let user = user();
    if metadata.uid() != user {
        let problem = format!(
            "it belongs to the user with the id {}, you are {user}",
            metadata.uid()
        );
        return Err(refusal(path, path, problem, "Run as that user".into()));
    }
    Ok(())
}

/// Checks that a file is this user's, and that nobody else can write to it.
pub(super) fn check_file(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let user = user();
    let problem = if !metadata.is_file() {
        "it is not a file".to_owned()
    } else if metadata.uid() != user {
        format!(
            "it belongs to the user with the id {}, you are {user}",
            metadata.uid()
        )
    } else if metadata.mode() & WRITABLE != 0 {
        format!("its mode {} lets others write to it", mode(metadata))
    } else {
        return Ok(());
    };
    let entry = path.parent().unwrap_or(path);
    Err(refusal(entry, path, problem, remove(entry)))
}

/// Checks that nobody else can have changed a directory or anything in it. It only enters
/// directories that were made there, and follows no link.
pub(super) fn check_tree(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    check_owner(path, metadata)?;
    let mut ahead = vec![(path.to_path_buf(), metadata.clone())];
    while let Some((one, metadata)) = ahead.pop() {
        if !metadata.is_symlink() && may_be_changed(&metadata) {
            let problem = format!("its mode {} lets others write to it", mode(&metadata));
            return Err(refusal(path, &one, problem, remove(path)));
        }
        if !metadata.is_dir() {
            continue;
        }
        for item in fs::read_dir(&one).map_err(Error::io("read", &one))? {
            let item = item.map_err(Error::io("read", &one))?;
            let metadata = item.metadata().map_err(Error::io("read", &item.path()))?;
            ahead.push((item.path(), metadata));
        }
    }
    Ok(())
}

fn remove(path: &Path) -> String {
    format!("Remove it with `rm -r {}`: it is made anew", path.display())
}

/// Whether somebody else may write. A group that has only this user, as on many systems, does not
/// count.
fn may_be_changed(metadata: &Metadata) -> bool {
    match metadata.mode() & WRITABLE {
        0 => false,
        0o020 => !is_own_group(metadata.gid()),
        _ => true,
    }
}

/// Whether this user is the only one in a group, according to the system's files.
fn is_own_group(group: u32) -> bool {
    if rustix::process::getegid().as_raw() != group {
        return false;
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    is_sole_member(user(), group, &read("/etc/passwd"), &read("/etc/group"))
}

fn is_sole_member(user: u32, group: u32, users: &str, groups: &str) -> bool {
    let number = |field: Option<&&str>| field.and_then(|field| field.parse::<u32>().ok());
    let mut own_name = None;
    for line in users.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if number(fields.get(2)) == Some(user) {
            own_name = fields.first().copied();
        } else if number(fields.get(3)) == Some(group) {
            return false;
        }
    }
    let mut is_known = false;
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if number(fields.get(2)) != Some(group) {
            continue;
        }
        is_known = true;
        let members = fields.get(3).copied().unwrap_or_default();
        let mut members = members.split(',').filter(|member| !member.is_empty());
        if members.any(|member| Some(member) != own_name) {
            return false;
        }
    }
    is_known && own_name.is_some()
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn mode(metadata: &Metadata) -> String {
    format!("{:03o}", metadata.mode() & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_users_own_if_nobody_else_is_in_it() {
        let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nben:x:1001:100::/:\n";
        let groups =
            "root:x:0:\nann:x:1000:\nshared:x:50:ann,ben\nusers:x:100:\nfriends:x:60:ann\n";
        for (group, expected) in [
            (1000, true),
            (50, false),
            (100, false),
            (60, true),
            (7, false),
        ] {
            assert_eq!(
                is_sole_member(1000, group, users, groups),
                expected,
                "{group}"
            );
        }
        assert!(!is_sole_member(7, 1000, users, groups));
        assert!(!is_sole_member(1000, 1000, "", ""));
    }
}
