//! Parses the head of a request (RFC 9112 sections 3 and 5).

use sandbox_net_egress::{BodyKind, Fields};

use super::framing::{asks_to_continue, body_kind, keeps_alive};
use super::version::Version;

/// The head of a request, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) version: Version,
    /// In their spelling and order, without the blanks around values.
    pub(crate) fields: Fields,
    /// How the body ends.
    pub(crate) kind: BodyKind,
    /// Whether the client may send another request on the connection.
    pub(crate) keeps_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// Why a request is refused before it is read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadFault {
    /// More bytes than the limit.
    #[error("the request's head is larger than {0} bytes")]
    TooLarge(usize),
    /// More fields than the limit.
    #[error("the request has more than {0} fields")]
    TooManyFields(usize),
    /// It is not HTTP/1.
    #[error("the request is not HTTP/1.1: {0}")]
    Malformed(&'static str),
    /// It did not arrive in time.
    #[error("the request's head did not arrive in time")]
    Slow,
    /// The client went away in the middle of it.
    #[error("the request's head was cut off")]
    Cut,
}

impl Head {
    /// The values of a field, whose name is in lower case.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.fields.iter();
        let of_name = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        of_name.map(|(_, value)| value.as_slice())
    }

    /// The value of a field that occurs once; `None` if it is absent.
    ///
    /// # Errors
    ///
    /// If it occurs more than once.
    pub(crate) fn single<'a>(&'a self, name: &'a str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Repeated),
            None => Ok(first),
        }
    }
}

/// A field that may occur once occurs more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// Finds the end of a head in the bytes so far, which lack the blank lines before it. `scanned` is
/// how many of them are known to have no end; it is updated.
///
/// # Errors
///
/// A line end without CR: two readers could see two heads.
pub(super) fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadFault> {
    while let Some(at) = bytes[*scanned..].iter().position(|byte| *byte == b'\n') {
        let end = *scanned + at;
        if end == 0 || bytes[end - 1] != b'\r' {
            return Err(HeadFault::Malformed("a line ends without CR"));
        }
        *scanned = end + 1;
        if bytes[..end - 1].ends_with(b"\r\n") {
            return Ok(Some(end + 1));
        }
    }
    *scanned = bytes.len();
    Ok(None)
}

/// Parses a whole head with its final blank line.
///
/// # Errors
///
/// What is not HTTP/1, and what frames the body in more than one way.
pub(super) fn parse(bytes: &[u8], most: usize) -> Result<Head, HeadFault> {
    let mut lines = vec![httparse::EMPTY_HEADER; most];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(HeadFault::Malformed("a line in it has no end")),
        Err(error) => return Err(fault(error, most)),
    }
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    let version = match request.version {
        Some(0) => Version::Http10,
        _ => Version::Http11,
    };
    let field = |line: &httparse::Header<'_>| (line.name.into(), line.value.to_vec());
    let fields: Fields = request.headers.iter().map(field).collect();
    let kind = body_kind(version, &fields).map_err(HeadFault::Malformed)?;
    Ok(Head {
        method: method.into(),
        target: target.into(),
        version,
        kind,
        keeps_alive: keeps_alive(version, &fields),
        expects_continue: asks_to_continue(version, &fields, kind),
        fields,
    })
}

fn fault(error: httparse::Error, most: usize) -> HeadFault {
    HeadFault::Malformed(match error {
        httparse::Error::TooManyHeaders => return HeadFault::TooManyFields(most),
        httparse::Error::HeaderName => "the name of a field is invalid, or a field is folded",
        httparse::Error::HeaderValue => "the value of a field has a control character",
        httparse::Error::Version => "the version is neither 1.0 nor 1.1",
        httparse::Error::Token => "the method or the target is invalid",
        _ => "a line in it is invalid",
    })
}

#[cfg(test)]
mod tests;
