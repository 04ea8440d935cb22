//! Detects that a program used the network and had none.
//!
//! The component of a program without a network has nothing that could request it, so the host sees no
//! attempt. CPython's own modules fail there, and name a wrong cause: these are their messages.

/// What to do about it.
pub(crate) const HINT: &str =
    "nothing is allowed, so the program had no network; --allow HOST gives it one";

/// The modules that lack functions there, as an `AttributeError` names them.
const MODULES: [&str; 2] = ["_socket", "socket"];

/// The functions that they lack.
const FUNCTIONS: [&str; 6] = [
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "socketpair",
];

/// What making a socket raises there: `ENOTSUP` of WASI. Other functions raise it, too.
const NOT_SUPPORTED: &str = "OSError: [Errno 58] Not supported";

/// What the shim says where a snapshot has it and the sandbox has no network.
const NO_NETWORK: &str = "this sandbox has no network";

/// The frame of CPython that makes a socket.
const MAKES_A_SOCKET: [&str; 2] = ["/socket.py\", line ", ", in __init__"];

/// Whether the end of a program's stderr shows that it used the network.
pub(crate) fn is_missed(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr);
    text.contains(NO_NETWORK) || lacks_function(&text) || lacks_sockets(&text)
}

fn lacks_function(text: &str) -> bool {
    let mut all = MODULES.iter().flat_map(|module| {
        FUNCTIONS
            .iter()
            .map(move |function| format!("module '{module}' has no attribute '{function}'"))
    });
    all.any(|message| text.contains(&message))
}

fn lacks_sockets(text: &str) -> bool {
    let mut makes_a_socket = false;
    for line in text.lines() {
        if line.trim_start().starts_with("File \"") {
            makes_a_socket = MAKES_A_SOCKET.iter().all(|part| line.contains(part));
        } else if makes_a_socket && line.starts_with(NOT_SUPPORTED) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKES: &str =
        "  File \"/usr/local/lib/python315.zip/socket.py\", line 237, in __init__\n";

    #[test]
    fn a_use_of_the_network_is_told_from_a_mistake_of_the_programs() {
        for (text, expected) in [
            (
                "AttributeError: module '_socket' has no attribute 'getaddrinfo'",
                true,
            ),
            (
                "AttributeError: module 'socket' has no attribute 'gethostbyname'. Did you mean \
                 '.gethostname' instead of '.gethostbyname'?",
                true,
            ),
            // As a program may write it that catches everything.
            (
                "failed: module '_socket' has no attribute 'getaddrinfo'",
                true,
            ),
            (
                &format!(
                    "{MAKES}OSError: [Errno 58] Not supported\nRuntimeWarning: Enable tracemalloc"
                ),
                true,
            ),
            ("OSError: [Errno 58] Not supported", false),
            (
                &format!(
                    "{MAKES}  File \"x.py\", line 1, in <module>\nOSError: [Errno 58] Not supported"
                ),
                false,
            ),
            ("ValueError: cannot connect the dots", false),
            (
                "PermissionError: [Errno 2] this sandbox has no network",
                true,
            ),
            ("KeyError: 'network'", false),
            ("KeyError: 'https'", false),
            ("ValueError: a web socket needs a URL", false),
            ("requests.exceptions.ConnectionError: no", false),
            (
                "AttributeError: module 'socket' has no attribute 'sokcet'",
                false,
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
            ("", false),
        ] {
            assert_eq!(is_missed(text.as_bytes()), expected, "{text}");
        }
    }
}
