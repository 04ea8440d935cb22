//! Parses DNS names to their canonical form.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::host_error::HostError;

/// The most bytes of text to read: a name of 253 characters cannot need more.
const MAX_TEXT: usize = 1024;
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A checked host name: lower case, A-labels (RFC 5890) for anything that is not ASCII, and no
/// trailing dot. It never reads as an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// Parses a name; one trailing dot is dropped.
    ///
    /// # Errors
    ///
    /// A [`HostError`] that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.len() > MAX_TEXT {
            return Err(HostError::TooLong);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let name = to_a_labels(&name)?;
        check_ascii(&name)?;
        Ok(Self(name.into_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a subdomain of `domain`, at any depth; a domain is not its own subdomain.
    pub(super) fn is_below(&self, domain: &Self) -> bool {
        self.0
            .strip_suffix(domain.as_str())
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

impl Deref for DnsName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for DnsName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Converts U-labels to A-labels, but only if IDNA leaves the text unchanged: a full-width digit or
/// an ignorable character must not silently turn into a different name.
fn to_a_labels(name: &str) -> Result<Cow<'_, str>, HostError> {
    if name.is_ascii() && !name.split('.').any(|label| label.starts_with("xn--")) {
        return Ok(Cow::Borrowed(name));
    }
    let uts46 = Uts46::new();
    let ascii = uts46
        .to_ascii(
            name.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::Allow,
            DnsLength::Ignore,
        )
        .map_err(|_| HostError::Idna)?;
    let (unicode, valid) = uts46.to_unicode(ascii.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    let stable = ascii == name || unicode == name;
    if valid.is_err() || !stable {
        return Err(HostError::Idna);
    }
    Ok(ascii)
}

/// Checks the grammar of a lower-case ASCII name: RFC 1123 section 2.1, and underscores, which
/// occur in practice.
fn check_ascii(name: &str) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if let Some(c) = name.chars().find(|c| !is_allowed(*c)) {
        return Err(HostError::Character(c));
    }
    if name.len() > MAX_NAME {
        return Err(HostError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(HostError::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(HostError::LabelTooLong);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(HostError::Hyphen);
        }
    }
    if name.rsplit('.').next().is_some_and(is_number) {
        return Err(HostError::Ipv4);
    }
    Ok(())
}

/// Whether a last label makes URL parsers and `inet_aton` read the whole name as an IPv4 address.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_below_a_domain_at_any_depth_and_the_domain_is_not() {
        let domain = DnsName::parse("example.com").unwrap();
        for (name, below) in [
            ("a.example.com", true),
            ("a.b.c.example.com", true),
            ("A.Example.COM.", true),
            ("example.com", false),
            ("evilexample.com", false),
            ("example.com.evil.test", false),
            ("com", false),
        ] {
            assert_eq!(
                DnsName::parse(name).unwrap().is_below(&domain),
                below,
                "{name}"
            );
        }
    }
}
