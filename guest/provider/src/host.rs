//! The one spelling of a host, which is both decided about and sent.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::bindings::types::ErrorCode;

/// The host in its one spelling, without brackets.
///
/// # Errors
///
/// `invalid` for what has more than one reading, and for names that are not ASCII (RFC 5891 says how
/// others are written).
pub(crate) fn canonical(host: &str) -> Result<String, ErrorCode> {
    let invalid = |why: &str| {
        Err(ErrorCode::Invalid(format!(
            "the host '{}' {why}",
            shown(host)
        )))
    };
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Ok(match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => address.to_string(),
        });
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() || name.len() > 253 {
        return invalid("is empty or too long");
    }
    for label in name.split('.') {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || label.len() > 63 || !label.bytes().all(is_right) {
            return invalid("is neither a name in ASCII nor an address without brackets");
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.starts_with("0x")
        || last.starts_with("0X");
    match (is_number, host.parse::<Ipv4Addr>()) {
        (true, Err(_)) => invalid("looks like an address and is none: write four decimal numbers"),
        (true, Ok(address)) => Ok(address.to_string()),
        (false, _) => Ok(name.to_ascii_lowercase()),
    }
}

/// As much of a host as a message shows.
fn shown(host: &str) -> String {
    host.chars()
        .take(100)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// The host as an authority has it (RFC 3986 section 3.2).
pub(crate) fn authority(host: &str, port: u16, default_port: u16) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port == default_port {
        true => host,
        false => format!("{host}:{port}"),
    }
}
