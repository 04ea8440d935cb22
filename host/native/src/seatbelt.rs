//! A Seatbelt profile for macOS: the same boundary as far as `sandbox-exec` has words for it.
//!
//! It is generated and tested as text only. It has not been run: sandbox-net is developed on Linux. On macOS
//! run a broker, and then `sandbox-exec -f PROFILE COMMAND`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What a profile grants.
#[derive(Debug, Clone)]
pub struct Profile {
    workspaces: Vec<PathBuf>,
    read: Vec<PathBuf>,
    port: u16,
    socket: Option<PathBuf>,
}

/// A path that a profile cannot name.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct ProfileError {
    path: PathBuf,
    reason: &'static str,
}

/// What programs of the system need to start. `file-map-executable` is part of reading.
const SYSTEM: [&str; 9] = [
    "/System",
    "/usr/bin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/share",
    "/bin",
    "/sbin",
    "/Library/Apple",
    "/private/var/db/timezone",
];
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

impl Profile {
    /// A profile whose program may change what is below `workspace`, and reach a broker on port 6969.
    ///
    /// ```
    /// use sandbox_net_native::seatbelt::Profile;
    ///
    /// let text = Profile::new("/Users/me/work").port(7000).text()?;
    /// assert!(text.contains("(deny default)"));
    /// assert!(text.contains("(allow network-outbound (remote ip \"localhost:7000\"))"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(workspace: impl Into<PathBuf>) -> Self {
        Self {
            workspaces: vec![workspace.into()],
            read: Vec::new(),
            port: 6969,
            socket: None,
        }
    }

    /// Lets the program read below another directory, such as that of a Python.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Lets the program change what is below another directory.
    #[must_use]
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.workspaces.push(path.into());
        self
    }

    /// The broker's port on this machine.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The broker's Unix socket, in place of the port.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// The profile's text.
    ///
    /// # Errors
    ///
    /// A path is relative, or has characters that a profile cannot write.
    pub fn text(&self) -> Result<String, ProfileError> {
        let mut text = String::from(
            "; Made by sandbox-net native profile seatbelt. Run with: sandbox-exec -f FILE COMMAND\n\
             (version 1)\n\
             (deny default)\n\
             (allow process-fork)\n\
             (allow process-exec*)\n\
             (allow signal (target same-sandbox))\n\
             (allow process-info* (target same-sandbox))\n\
             (allow sysctl-read)\n\
             (allow file-read-metadata)\n\
             (allow file-read-data (literal \"/\"))\n",
        );
        for path in SYSTEM {
            let _ = writeln!(text, "(allow file-read* (subpath \"{path}\"))");
        }
        for path in DEVICES {
            let _ = writeln!(
                text,
                "(allow file-read* file-write-data (literal \"{path}\"))"
            );
        }
        for path in &self.read {
            let _ = writeln!(text, "(allow file-read* (subpath {}))", quoted(path)?);
        }
        for path in &self.workspaces {
            let _ = writeln!(
                text,
                "(allow file-read* file-write* (subpath {}))",
                quoted(path)?
            );
        }
        // After the grants: the last rule that fits decides.
        text.push_str("(deny file-read* file-write* (regex #\"/\\.ssh(/|$)\"))\n");
        text.push_str("(deny network*)\n");
        match &self.socket {
            Some(path) => {
                let path = quoted(path)?;
                let _ = writeln!(
                    text,
                    "(allow network-outbound (remote unix-socket (path-literal {path})))"
                );
            }
            None => {
                let port = self.port;
                let _ = writeln!(
                    text,
                    "(allow network-outbound (remote ip \"localhost:{port}\"))"
                );
            }
        }
        Ok(text)
    }
}

/// A path as a string of the profile's language.
fn quoted(path: &Path) -> Result<String, ProfileError> {
    let fail = |reason| ProfileError {
        path: path.to_owned(),
        reason,
    };
    let text = path
        .to_str()
        .ok_or_else(|| fail("a profile is a text in UTF-8"))?;
    if !text.starts_with('/') {
        return Err(fail("a profile needs absolute paths"));
    }
    if text == "/" {
        return Err(fail(
            "grant the directories that the program needs, not the whole of /",
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(fail("a profile cannot name control characters"));
    }
    Ok(format!(
        "\"{}\"",
        text.replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_denied_but_what_is_granted() {
        let profile = Profile::new("/Users/me/work")
            .read("/opt/python")
            .write("/Users/me/out");
        let text = profile.text().unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1..3], ["(version 1)", "(deny default)"]);
        for expected in [
            "(allow file-read* (subpath \"/opt/python\"))",
            "(allow file-read* file-write* (subpath \"/Users/me/work\"))",
            "(allow file-read* file-write* (subpath \"/Users/me/out\"))",
        ] {
            assert!(lines.contains(&expected), "{expected} in {text}");
        }
        let network: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("network"))
            .skip(1)
            .collect();
        assert_eq!(
            lines[lines.len() - 2..],
            [
                "(deny network*)",
                "(allow network-outbound (remote ip \"localhost:6969\"))"
            ]
        );
        assert_eq!(network.len(), 1, "one way out: {network:?}");
        let opened = text.matches('(').count();
        assert_eq!(opened, text.matches(')').count(), "parentheses match");
    }

    #[test]
    fn a_broker_on_a_socket_takes_the_place_of_the_port() {
        let text = Profile::new("/w").socket("/w/broker.sock").text().unwrap();
        assert!(text.ends_with(
            "(allow network-outbound (remote unix-socket (path-literal \"/w/broker.sock\")))\n"
        ));
        assert!(!text.contains("localhost"));
    }

    #[test]
    fn a_path_cannot_add_rules() {
        let text = Profile::new("/w\"))(allow network*)(allow file-read* (subpath \"/")
            .text()
            .unwrap();
        assert!(
            text.contains(r#"(subpath "/w\"))(allow network*)(allow file-read* (subpath \"/"))"#)
        );
        for path in ["relative", "/", "/new\nline"] {
            assert!(Profile::new(path).text().is_err(), "{path}");
        }
    }
}
