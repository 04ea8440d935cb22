//! Files of `/etc` that the program does not see.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Secrets in `/etc`, hidden even where their mode lets the caller read them.
const SECRETS: [&str; 12] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/krb5.keytab",
    "/etc/security/opasswd",
    "/etc/wireguard",
    "/etc/NetworkManager/system-connections",
];
/// How deep the search for other secrets goes, and how many entries it looks at.
const DEPTH: usize = 3;
const MOST_ENTRIES: usize = 8192;

/// Files of `/etc` that others than their owner may not read. To the machine's root they are readable.
pub(super) fn secrets() -> Vec<OsString> {
    let mut found: Vec<OsString> = SECRETS.iter().map(OsString::from).collect();
    let mut left = MOST_ENTRIES;
    if rustix::process::geteuid().is_root() {
        search(Path::new("/etc"), DEPTH, &mut left, &mut found);
    }
    found.sort();
    found.dedup();
    found.retain(|path| Path::new(path).symlink_metadata().is_ok());
    // What is below a hidden directory cannot be found any more.
    let all = found.clone();
    found.retain(|path| {
        !all.iter()
            .any(|above| above != path && Path::new(path).starts_with(above))
    });
    found
}

fn search(directory: &Path, depth: usize, left: &mut usize, found: &mut Vec<OsString>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        let Ok(data) = entry.metadata() else { continue };
        if *left == 0 || data.is_symlink() {
            continue;
        }
        let needed = if data.is_dir() { 0o5 } else { 0o4 };
        if data.mode() & needed != needed || is_host_key(&entry.file_name()) {
            found.push(entry.path().into());
        } else if data.is_dir() && depth > 1 {
            search(&entry.path(), depth - 1, left, found);
        }
    }
}

fn is_host_key(name: &OsString) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"ssh_host_") && name.ends_with(b"_key")
}
