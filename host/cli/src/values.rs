//! Parses the values of options.

use std::path::PathBuf;
use std::time::Duration;

use sandbox_net::DirAccess;

/// Parses what is mounted, and where.
pub(crate) fn directory(text: &str) -> Result<(PathBuf, String, DirAccess), String> {
    let (host, guest) = text
        .split_once("::")
        .filter(|(host, guest)| !host.is_empty() && !guest.is_empty())
        .ok_or("write it as HOST::GUEST or HOST::GUEST:rw, such as ./data::/data")?;
    let (guest, access) = match guest.strip_suffix(":rw") {
        Some(guest) => (guest, DirAccess::ReadWrite),
        None => (guest, DirAccess::ReadOnly),
    };
    if guest.contains(':') {
        return Err("the guest's path cannot contain ':'; only ':rw' can follow it".into());
    }
    Ok((host.into(), guest.to_owned(), access))
}

/// Parses a duration. A bare number would be ambiguous.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let is_number = text.parse::<f64>().is_ok();
    humantime::parse_duration(text).map_err(|error| match is_number {
        true => format!("write it with its unit, such as {text}s or {text}m"),
        false => error.to_string(),
    })
}

pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_only_unless_it_says_otherwise() {
        let cases = [
            ("a::/b", Some(("a", "/b", DirAccess::ReadOnly))),
            ("a::/b:rw", Some(("a", "/b", DirAccess::ReadWrite))),
            ("a:b::/c", Some(("a:b", "/c", DirAccess::ReadOnly))),
            ("a::/b:ro", None),
            ("a::/b:RW", None),
            ("a::/b::rw", None),
            ("a", None),
            ("::/b", None),
            ("a::", None),
        ];
        for (text, expected) in cases {
            let parsed = directory(text).ok();
            let expected = expected.map(|(h, g, a)| (PathBuf::from(h), g.to_owned(), a));
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
