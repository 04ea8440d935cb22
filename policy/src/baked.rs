//! Bakes policies into a component that decides by them, and reads them there.
//!
//! Such a component has a place in its data, which begins with a mark. [`bake`] finds the mark in
//! the component's bytes and writes policy files behind it; nothing else of the component changes.
//! [`policy`] reads the place when the component runs. A place without a policy, or with a damaged
//! one, is a policy that denies everything.
//!
//! ```
//! use sandbox_net_policy::{Endpoint, baked};
//!
//! let mut component = baked::empty().to_vec(); // in the place of a real one
//! let file = "version = 1\nallow = ['https://api.example.com']\n[end]";
//! baked::bake(&mut component, &[file]).unwrap();
//! let policy = baked::policy(&component);
//! let endpoint = Endpoint::new("api.example.com", 443).unwrap();
//! assert!(policy.check_connect(endpoint).is_ok());
//! ```

use crate::document::{Document, DocumentError};
use crate::policy::Policy;

/// The most bytes of policy files in a place, with four for each file: 64 KiB.
pub const CAPACITY: usize = 64 << 10;

/// The bytes of a place.
pub const LENGTH: usize = TEXT + CAPACITY;

/// What a place begins with. It must be once in a component, so nothing but a place has it.
const MARK: [u8; 32] = *b"\xffsandbox-net:policy place form 1";

/// The offsets in a place of the number of bytes that are used, of their CRC-32, and of the bytes.
const USED: usize = MARK.len();
const CHECKSUM: usize = USED + 4;
const TEXT: usize = CHECKSUM + 4;

/// Returns a place without a policy. A component has it in its data once.
#[must_use]
pub const fn empty() -> [u8; LENGTH] {
    // Not zeros: tools that pack data leave them out.
    let mut place = [b'#'; LENGTH];
    let mut at = 0;
    while at < TEXT {
        place[at] = if at < USED { MARK[at] } else { 0 };
        at += 1;
    }
    place
}

/// Why policies are not baked. Every message is one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BakeError {
    /// There is no policy file.
    #[error("there is no policy to put into the component")]
    NoDocument,
    /// A policy file is invalid; they count from 1.
    #[error("policy file {number}: {error}")]
    Document {
        /// Which file it is.
        number: usize,
        /// What is wrong there.
        error: DocumentError,
    },
    /// The policy files are too long together.
    #[error("the policy files have {0} bytes, and a component has room for {CAPACITY}")]
    TooLong(usize),
    /// The component has no place for a policy.
    #[error("the component has no place for a policy")]
    NoPlace,
    /// The component has several places, so that it is unclear which one is read.
    #[error("the component has several places for a policy")]
    Places,
}

/// Writes policy files into a component. If there are several, each of them has to let a request
/// pass, and secrets are those of the first. Files that are there already are replaced.
///
/// [`Policy::unenforced_inside`] says what of them the component will not enforce.
///
/// # Errors
///
/// If a file is invalid or there is none, if they are too long together, and if the component does
/// not have exactly one place. The component is then as it was.
pub fn bake(component: &mut [u8], files: &[&str]) -> Result<(), BakeError> {
    let text = packed(files)?;
    let place = find(component)?;
    let used = u32::try_from(text.len()).map_err(|_| BakeError::TooLong(text.len()))?;
    place[USED..CHECKSUM].copy_from_slice(&used.to_le_bytes());
    place[CHECKSUM..TEXT].copy_from_slice(&crc32fast::hash(&text).to_le_bytes());
    let (start, rest) = place[TEXT..].split_at_mut(text.len());
    start.copy_from_slice(&text);
    rest.fill(b'#');
    Ok(())
}

/// The policy of a place, whose bytes these are. If it has none, or anything is wrong with it, the
/// policy denies everything.
#[must_use]
pub fn policy(place: &[u8]) -> Policy {
    read(place).unwrap_or_default()
}

/// The files, each after its length.
fn packed(files: &[&str]) -> Result<Vec<u8>, BakeError> {
    let mut text = Vec::new();
    for (index, file) in files.iter().enumerate() {
        Document::parse(file).map_err(|error| BakeError::Document {
            number: index + 1,
            error,
        })?;
        let length = u32::try_from(file.len()).map_err(|_| BakeError::TooLong(file.len()))?;
        text.extend(length.to_le_bytes());
        text.extend(file.as_bytes());
    }
    match text.len() {
        0 => Err(BakeError::NoDocument),
        length if length > CAPACITY => Err(BakeError::TooLong(length)),
        _ => Ok(text),
    }
}

fn find(component: &mut [u8]) -> Result<&mut [u8], BakeError> {
    let mut places = component
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MARK);
    let (at, _) = places.next().ok_or(BakeError::NoPlace)?;
    if places.next().is_some() {
        return Err(BakeError::Places);
    }
    component.get_mut(at..at + LENGTH).ok_or(BakeError::NoPlace)
}

fn read(place: &[u8]) -> Option<Policy> {
    let number = |at: usize| {
        let bytes = place.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let used = usize::try_from(number(USED)?).ok()?;
    let mut text = place.get(TEXT..)?.get(..used)?;
    if crc32fast::hash(text) != number(CHECKSUM)? {
        return None;
    }
    let mut whole: Option<Policy> = None;
    while !text.is_empty() {
        let (length, rest) = text.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (file, rest) = rest.split_at_checked(length)?;
        let document = Document::parse(std::str::from_utf8(file).ok()?).ok()?;
        let policy = Policy::from(document);
        whole = Some(match whole {
            Some(whole) => whole.intersect(&policy),
            None => policy,
        });
        text = rest;
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Endpoint;

    const A: &str = "version = 1\nallow = ['a.test', 'b.test']\n[end]\n";
    const B: &str = "version = 1\nallow = ['b.test', 'c.test']\n[end]\n";

    fn component() -> Vec<u8> {
        [&b"\0asm before"[..], &empty(), b"after"].concat()
    }

    /// What the component would read.
    fn place(component: &[u8]) -> &[u8] {
        &component[11..11 + LENGTH]
    }

    fn allows(policy: &Policy, host: &str) -> bool {
        let endpoint = Endpoint::new(host, 443).unwrap();
        policy.check_connect(endpoint).is_ok()
    }

    #[test]
    fn what_is_baked_in_is_read_there_and_the_rest_of_the_component_stays() {
        let mut component = component();
        bake(&mut component, &[A]).unwrap();
        let policy = policy(place(&component));
        assert!(allows(&policy, "a.test") && allows(&policy, "b.test"));
        assert!(!allows(&policy, "c.test"));
        assert!(component.starts_with(b"\0asm before") && component.ends_with(b"after"));
    }

    #[test]
    fn each_of_several_files_has_to_let_a_request_pass() {
        let mut component = component();
        bake(&mut component, &[A, B]).unwrap();
        let policy = policy(place(&component));
        assert!(allows(&policy, "b.test"));
        assert!(!allows(&policy, "a.test") && !allows(&policy, "c.test"));
    }

    #[test]
    fn a_policy_replaces_the_one_that_was_there() {
        let (mut once, mut twice) = (component(), component());
        bake(&mut twice, &[A, B]).unwrap();
        bake(&mut twice, &[B]).unwrap();
        bake(&mut once, &[B]).unwrap();
        assert_eq!(once, twice);
    }

    #[test]
    fn a_place_without_a_policy_denies_everything() {
        assert!(policy(&empty()).denies_everything());
        for length in [0, 1, USED, CHECKSUM, TEXT] {
            assert!(policy(&empty()[..length]).denies_everything());
        }
    }

    #[test]
    fn a_policy_with_any_damaged_byte_denies_everything() {
        let mut component = component();
        bake(&mut component, &[A, B]).unwrap();
        let whole = place(&component).to_vec();
        let used = TEXT + A.len() + B.len() + 8;
        for at in USED..used {
            for flip in [1, 0x20, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                assert!(policy(&damaged).denies_everything(), "{at}");
            }
            assert!(policy(&whole[..at]).denies_everything(), "{at}");
        }
        assert!(allows(&policy(&whole[..used]), "b.test"));
    }

    #[test]
    fn a_right_checksum_makes_no_policy_of_what_is_none() {
        for text in [
            &b""[..],
            b"\x01\0\0",
            b"\x05\0\0\0abcd",
            b"\x04\0\0\0abcd",
            b"\x01\0\0\0\xff",
            b"\xff\xff\xff\xff",
        ] {
            let mut place = empty();
            let used = u32::try_from(text.len()).unwrap();
            place[USED..CHECKSUM].copy_from_slice(&used.to_le_bytes());
            place[CHECKSUM..TEXT].copy_from_slice(&crc32fast::hash(text).to_le_bytes());
            place[TEXT..][..text.len()].copy_from_slice(text);
            assert!(policy(&place).denies_everything(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_baked_leaves_the_component_as_it_was() {
        let long = format!("# {}\n{A}", "x".repeat(CAPACITY));
        let file_error = Document::parse("version = 2").unwrap_err();
        let length = long.len() + 4;
        let invalid = BakeError::Document {
            number: 2,
            error: file_error,
        };
        let none = b"\0asm".to_vec();
        let cut = component()[..LENGTH].to_vec();
        let two = [component(), component()].concat();
        for (component, files, error) in [
            (component(), &[][..], BakeError::NoDocument),
            (component(), &[A, "version = 2"], invalid),
            (component(), &[&*long], BakeError::TooLong(length)),
            (none, &[A], BakeError::NoPlace),
            (cut, &[A], BakeError::NoPlace),
            (two, &[A], BakeError::Places),
        ] {
            let mut baked = component.clone();
            assert_eq!(bake(&mut baked, files), Err(error));
            assert_eq!(baked, component);
        }
    }
}
