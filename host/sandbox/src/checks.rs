//! Refuses settings of a sandbox that would have no effect, or another one than intended. Each
//! error says what to do.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::byte_count;
use crate::error::Error;
use sandbox_net_gateway::audit::AuditPlaces;
use sandbox_net_gateway::secrets::Vault;
use sandbox_net_policy::Policy;

/// The memory that the interpreter has before it runs anything. With less it traps.
pub(crate) const INTERPRETER: usize = 40 << 20;

/// The most bytes of a sandbox's name: it is in every line of the log.
const NAME: usize = 256;

/// The most arguments of a program, and the most variables, and the bytes of either: the upstream
/// adapter of preview1 lifts them into one page.
const MOST_WORDS: usize = 4000;
const BYTES_OF_WORDS: usize = 48 << 10;

/// Refuses a time of zero, which is never what was intended.
pub(crate) fn time(name: &'static str, time: Option<Duration>, instead: &str) -> Result<(), Error> {
    match time {
        Some(time) if time.is_zero() => Err(refused(name, format!("it is zero; {instead}"))),
        _ => Ok(()),
    }
}

pub(crate) fn memory(bytes: Option<usize>) -> Result<(), Error> {
    match bytes {
        Some(bytes) if bytes <= INTERPRETER => Err(too_little(bytes, INTERPRETER)),
        _ => Ok(()),
    }
}

/// The error for an interpreter that could not start. If it needs more memory than it may have, the
/// error says so. `limit` is in bytes.
pub(crate) fn start_error(text: String, limit: usize) -> Error {
    let pages = text
        .split_once("memory minimum size of ")
        .and_then(|(_, rest)| {
            let pages: usize = rest.split(' ').next()?.parse().ok()?;
            pages.checked_mul(64 << 10)
        });
    match pages {
        Some(needed) if needed > limit => too_little(limit, needed),
        _ => Error::Start(text),
    }
}

/// Refuses a memory limit below what the interpreter begins with.
pub(crate) fn memory_holds(limit: usize, needed: usize) -> Result<(), Error> {
    match needed <= limit {
        true => Ok(()),
        false => Err(too_little(limit, needed)),
    }
}

fn too_little(bytes: usize, needed: usize) -> Error {
    let (limit, needed) = (
        byte_count::bytes(bytes as u64),
        byte_count::bytes(needed as u64),
    );
    let why = format!(
        "it is {limit}, and the interpreter alone needs {needed}; give it more, such as 256 MiB"
    );
    refused("memory limit", why)
}

/// Refuses zero: the first request would fail.
pub(crate) fn host_memory(bytes: Option<u64>) -> Result<(), Error> {
    match bytes {
        Some(0) => {
            let why = "it is 0 bytes, so no request is possible; omit it for 64 MiB";
            Err(refused("host memory limit", why))
        }
        _ => Ok(()),
    }
}

/// Checks the name, which is printed and is in every line of a log.
pub(crate) fn name(name: &str) -> Result<(), Error> {
    if name.contains(char::is_control) {
        let why = "it has a control character in it; write a plain text";
        return Err(refused("sandbox's name", why));
    }
    if name.len() > NAME {
        let why = format!("it is longer than {NAME} bytes; write a shorter one");
        return Err(refused("sandbox's name", why));
    }
    Ok(())
}

/// Refuses an empty list, which does not mean the system's resolver.
pub(crate) fn name_servers(servers: Option<&[SocketAddr]>) -> Result<(), Error> {
    let setting = "list of DNS servers";
    let Some(servers) = servers else {
        return Ok(());
    };
    if servers.is_empty() {
        let why = "it is empty; name a server, or omit it for the system's resolver";
        return Err(refused(setting, why));
    }
    let mut seen = HashSet::new();
    for server in servers {
        if server.port() == 0 || server.ip().is_unspecified() {
            let why = format!(
                "{server} is not a server's address; write an address and a port, such as 192.0.2.1:53"
            );
            return Err(refused(setting, why));
        }
        if !seen.insert(server) {
            return Err(refused(
                setting,
                format!("{server} is in it twice; name it once"),
            ));
        }
    }
    Ok(())
}

pub(crate) fn arguments(args: &[String]) -> Result<(), Error> {
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(Error::Argument);
    }
    let instead = "pass them in a file or through stdin";
    words("program's arguments", args.iter().map(String::len), instead)
}

/// Checks the guest's variables, all of which it sees at once.
pub(crate) fn environment(env: &BTreeMap<String, String>) -> Result<(), Error> {
    let lengths = env.iter().map(|(name, value)| name.len() + value.len() + 1);
    words("environment", lengths, "pass long values in a file")
}

/// Checks what the adapter of preview1 has room for; beyond it the interpreter would trap at its
/// start.
fn words(
    name: &'static str,
    lengths: impl Iterator<Item = usize>,
    instead: &str,
) -> Result<(), Error> {
    let (count, bytes) = lengths.fold((0, 0), |(count, bytes), length| {
        (count + 1, bytes + length + 1)
    });
    if count <= MOST_WORDS && bytes <= BYTES_OF_WORDS {
        return Ok(());
    }
    Err(refused(
        name,
        format!(
            "{count} of them have {} in all, and there is room for {MOST_WORDS} with {}; {instead}",
            byte_count::bytes(bytes as u64),
            byte_count::bytes(BYTES_OF_WORDS as u64),
        ),
    ))
}

/// Refuses a hook that is never asked: it would be taken for a guard.
pub(crate) fn hook(
    has_hook: bool,
    deadline: Option<Duration>,
    policy: &Policy,
) -> Result<(), Error> {
    if has_hook && policy.denies_everything() {
        let why = "it is never asked where nothing is allowed; add a rule, or the mode 'ask'";
        return Err(refused("hook", why));
    }
    if !has_hook && deadline.is_some() {
        let why = "there is no hook; add one, or omit the deadline";
        return Err(refused("hook's deadline", why));
    }
    time("hook's deadline", deadline, "omit it for 30 seconds")
}

/// Checks policies that were built in code as strictly as files.
pub(crate) fn policy(policy: &Policy) -> Result<(), Error> {
    policy
        .check()
        .map_err(|fault| Error::Policy(fault.to_string()))
}

/// Refuses another value for a variable that holds a secret's placeholder.
pub(crate) fn is_no_secrets(name: &str, vault: &Vault) -> Result<(), Error> {
    match vault.variables().any(|(variable, _)| variable == name) {
        true => Err(secrets(name)),
        false => Ok(()),
    }
}

pub(crate) fn secrets(name: &str) -> Error {
    Error::Variable {
        name: name.to_owned(),
        why: "a secret of the policy has it for its placeholder; use another name, or give the \
              secret another 'env'"
            .to_owned(),
    }
}

/// Refuses two logs that are one file, and a log that the guest would write to.
pub(crate) fn audit(places: &AuditPlaces, has_stdout: bool, has_stderr: bool) -> Result<(), Error> {
    let checked = places.check(has_stdout, has_stderr);
    checked.map_err(|fault| refused("audit log", fault.to_string()))
}

fn refused(name: &'static str, why: impl Into<String>) -> Error {
    Error::Setting {
        name,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Result<(), Error>) -> String {
        result
            .err()
            .map_or(String::new(), |error| error.to_string())
    }

    #[test]
    fn a_name_is_one_short_line() {
        for (text, is_right) in [
            ("", true),
            ("agent-7/ä", true),
            ("a\nb", false),
            ("a\u{1b}[31m", false),
            (&"x".repeat(NAME), true),
            (&"x".repeat(NAME + 1), false),
        ] {
            let said = said(name(text));
            assert_eq!(said.is_empty(), is_right, "{text:?}");
            assert!(
                is_right || said.starts_with("the sandbox's name can't be used: "),
                "{said}"
            );
        }
    }

    #[test]
    fn a_list_of_name_servers_has_some_and_each_once() {
        let list = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        for (servers, expected) in [
            (None, ""),
            (Some(list(&["192.0.2.1:53", "[2001:db8::1]:53"])), ""),
            (Some(list(&["192.0.2.1:53", "192.0.2.1:5353"])), ""),
            (Some(Vec::new()), "it is empty"),
            (
                Some(list(&["192.0.2.1:53", "192.0.2.1:53"])),
                "192.0.2.1:53 is in it twice",
            ),
            (
                Some(list(&["192.0.2.1:0"])),
                "192.0.2.1:0 is not a server's address",
            ),
            (
                Some(list(&["0.0.0.0:53"])),
                "0.0.0.0:53 is not a server's address",
            ),
        ] {
            let said = said(name_servers(servers.as_deref()));
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{said}"
            );
        }
    }

    #[test]
    fn an_interpreter_that_needs_more_memory_says_how_much() {
        let error = start_error(
            "memory minimum size of 651 pages exceeds memory limits".to_owned(),
            41_943_040,
        );
        assert!(
            error
                .to_string()
                .contains("it is 40.0 MiB, and the interpreter alone needs 40.7 MiB"),
            "{error}"
        );
        for other in [
            "something else",
            "memory minimum size of x pages",
            "memory minimum size of 1 pages",
        ] {
            assert!(
                matches!(start_error(other.to_owned(), 1 << 30), Error::Start(_)),
                "{other}"
            );
        }
    }
}
