//! Parses the values of options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytesize::ByteSize;
use sandbox_net::DirAccess;
use sandbox_net::egress::read_certificates;

use crate::Failure;

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
    humantime::parse_duration(text).map_err(|_| match is_number {
        true => format!("write it with its unit, such as {text}s or {text}m"),
        false => "write a number and its unit, such as 30s, 500ms or 2m".into(),
    })
}

/// Parses a number of bytes.
pub(crate) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse()
        .map_err(|_| "write a number and its unit, such as 512MiB or 1GiB".into())
}

/// Reads certificates in PEM for `--ca`.
pub(crate) fn authorities(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = || format!("--ca {}", path.display());
    let pem = std::fs::read(path).with_context(name)?;
    read_certificates(&pem).with_context(name)?;
    Ok(pem)
}

pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_a_unit_and_a_fault_shows_one() {
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(size("1GiB"), Ok(ByteSize::gib(1)));
        for (fault, shows) in [
            (time("5").unwrap_err(), "5s or 5m"),
            (time("abc").unwrap_err(), "30s, 500ms or 2m"),
            (time("").unwrap_err(), "30s, 500ms or 2m"),
            (size("5x").unwrap_err(), "512MiB or 1GiB"),
            (size("").unwrap_err(), "512MiB or 1GiB"),
        ] {
            assert!(fault.ends_with(shows), "{fault}");
        }
    }

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
