//! Checks AWS Signature Version 4 as a server does: over the request's head as it arrived.

use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::content::{hex, sha256};

/// The algorithm's name, with which the `Authorization` field begins.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A request as it arrived.
pub(crate) struct SignedRequest<'a> {
    pub(crate) method: &'a str,
    /// The path, encoded as it was sent.
    pub(crate) path: &'a str,
    /// The query, encoded as it was sent.
    pub(crate) query: &'a str,
    /// The fields with names in lower case, including `host`.
    pub(crate) fields: &'a [(String, Vec<u8>)],
}

/// Whether `request` carries a signature by `key_id` with `secret`.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn verify(
    request: &SignedRequest<'_>,
    key_id: &str,
    secret: &str,
) -> Result<(), &'static str> {
    let authorization = request.field("authorization").ok_or("no authorization")?;
    let parameters = authorization
        .strip_prefix(ALGORITHM)
        .ok_or("another algorithm")?;
    let parameter = |name: &str| {
        let mut parts = parameters.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let credential = parameter("Credential").ok_or("no credential")?;
    let (id, scope) = credential.split_once('/').ok_or("no scope")?;
    if id != key_id {
        return Err("another key");
    }
    let signed = parameter("SignedHeaders").ok_or("no list of signed headers")?;
    if !signed.split(';').any(|name| name == "host") {
        return Err("the host is not signed");
    }
    let date = request.field("x-amz-date").ok_or("no date")?;
    let canonical = request.canonical(signed)?;
    let text = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac(&key, part)
        });
    let expected = hex(&hmac(&key, &text));
    match parameter("Signature") {
        Some(signature) if signature == expected => Ok(()),
        _ => Err("another signature"),
    }
}

impl SignedRequest<'_> {
    /// The values of the field `name`, joined with commas.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values = self.fields.iter().filter(|(known, _)| known == name);
        let values: Vec<_> = values
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The canonical request, with the fields that `signed` lists.
    fn canonical(&self, signed: &str) -> Result<String, &'static str> {
        let mut query: Vec<String> = self
            .query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| match part.contains('=') {
                true => part.to_owned(),
                false => format!("{part}="),
            })
            .collect();
        query.sort();
        let mut fields = String::new();
        for name in signed.split(';') {
            let value = self.field(name).ok_or("a signed field is missing")?;
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            fields += &format!("{name}:{value}\n");
        }
        let content = self.field("x-amz-content-sha256");
        let content = content.ok_or("no digest of the content")?;
        Ok(format!(
            "{}\n{}\n{}\n{fields}\n{signed}\n{content}",
            self.method,
            self.path,
            query.join("&")
        ))
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let key = Key::new(HMAC_SHA256, key);
    sign(&key, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example `GET Object` from the documentation of the signature.
    const KEY: (&str, &str) = (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
        Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

    fn verified(range: &str, secret: &str) -> Result<(), &'static str> {
        let fields = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", range),
            ("x-amz-content-sha256", &sha256(b"")),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", AUTHORIZATION),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let request = SignedRequest {
            method: "GET",
            path: "/test.txt",
            query: "",
            fields: &fields,
        };
        verify(&request, KEY.0, secret)
    }

    #[test]
    fn a_signature_stands_for_every_byte_of_the_signed_fields() {
        assert_eq!(verified("bytes=0-9", KEY.1), Ok(()));
        assert_eq!(verified("bytes=0-8", KEY.1), Err("another signature"));
        assert_eq!(verified("bytes=0-9", "wrong"), Err("another signature"));
    }
}
