//! Detects that a program failed because it had no network.
//!
//! The component of a program without a network has nothing that could request it, so the host sees no
//! attempt. CPython's own modules fail there, and name a wrong cause: their messages are known.

/// Parts of the messages if sockets or TLS are missing, in lower case.
const SIGNS: [&str; 9] = [
    "socket",
    "ssl",
    "https",
    "connect",
    "getaddrinfo",
    "urlopen",
    "name resolution",
    "network",
    "[errno 58]",
];

/// Whether the end of a program's stderr shows an exception that a missing network explains.
pub(crate) fn is_missed(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr);
    text.lines().any(|line| {
        let exception = line.split_once(": ").filter(|(name, _)| is_exception(name));
        exception.is_some_and(|(name, message)| {
            let said = format!("{name}: {message}").to_ascii_lowercase();
            !name.ends_with("Warning") && SIGNS.iter().any(|sign| said.contains(sign))
        })
    })
}

/// Whether this is a class's name, possibly with its module's before it.
fn is_exception(name: &str) -> bool {
    let mut parts = name.split('.').peekable();
    let is_name = |part: &str| {
        let is_word = |it: char| it.is_alphanumeric() || it == '_';
        !part.is_empty() && part.chars().all(is_word)
    };
    parts.all(is_name)
        && name
            .rsplit('.')
            .next()
            .is_some_and(|class| class.starts_with(char::is_uppercase) || class == "gaierror")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sockets_and_tls_say_is_told_from_a_mistake_of_the_programs() {
        for (text, expected) in [
            (
                "AttributeError: module '_socket' has no attribute 'getaddrinfo'",
                true,
            ),
            (
                "ModuleNotFoundError: Standard library module '_ssl' was not found",
                true,
            ),
            ("OSError: [Errno 58] Not supported", true),
            (
                "socket.gaierror: [Errno -3] Temporary failure in name resolution",
                true,
            ),
            ("requests.exceptions.ConnectionError: no", true),
            (
                "urllib.error.URLError: <urlopen error unknown url type: https>",
                true,
            ),
            (
                "OSError: [Errno 58] Not supported\nRuntimeWarning: Enable tracemalloc",
                true,
            ),
            ("ZeroDivisionError: division by zero", false),
            (
                "FileNotFoundError: [Errno 44] No such file or directory: '/x'",
                false,
            ),
            ("ModuleNotFoundError: No module named 'requests'", false),
            (
                "RuntimeWarning: coroutine 'connect' was never awaited",
                false,
            ),
            ("    raise socket.error: no", false),
            ("SystemExit", false),
            ("", false),
        ] {
            assert_eq!(is_missed(text.as_bytes()), expected, "{text}");
        }
    }
}
