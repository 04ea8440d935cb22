//! Documents in the formats that Python's libraries fetch and parse themselves.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::http_bodies::{ResponseBody, empty, full};
use crate::http_routes::{ok, percent_decode};

/// The entity tag of [`FEED`].
const FEED_TAG: &str = "\"first-edition\"";

const FEED: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0">
  <channel>
    <title>Tidings</title>
    <link>https://example.com/</link>
    <description>What happened</description>
    <item><title>Smørrebrød</title><link>https://example.com/1</link><guid>one</guid></item>
    <item><title>Dessert</title><link>https://example.com/2</link><guid>two</guid></item>
  </channel>
</rss>
"#;

const ROBOTS: &str = "\
User-agent: friendly
Disallow: /private/
Crawl-delay: 3

User-agent: *
Disallow: /

Sitemap: https://example.com/sitemap.xml
";

const TABLE: &str = r#"[{"name":"one","value":1},{"name":"two","value":2}]"#;

/// The answer to a request for one of the documents.
pub(crate) fn document(
    path: &str,
    query: &str,
    headers: &HeaderMap,
) -> Option<Response<ResponseBody>> {
    match path {
        "/feed" => Some(feed(headers)),
        "/robots.txt" => Some(ok("text/plain", full(ROBOTS))),
        "/table.json" => Some(ok("application/json", full(TABLE))),
        "/set-cookie" => Some(set_cookie(query)),
        _ => None,
    }
}

/// A feed, or 304 for a reader who has it (RFC 9110 section 13.1.2).
fn feed(headers: &HeaderMap) -> Response<ResponseBody> {
    let known = headers.get(header::IF_NONE_MATCH);
    let mut response = ok("application/rss+xml", full(FEED));
    if known.is_some_and(|tag| tag == FEED_TAG) {
        response = Response::new(empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let tag = HeaderValue::from_static(FEED_TAG);
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Sets the cookies of the query: fields, percent-encoded, separated by `&`.
fn set_cookie(query: &str) -> Response<ResponseBody> {
    let mut response = ok("text/plain", full("cookies\n"));
    for field in query.split('&') {
        if let Ok(value) = HeaderValue::from_bytes(&percent_decode(field)) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// The answer to an XML-RPC call: the call itself in base64, or the fault 7 for a method `fail`.
pub(crate) fn rpc(call: &[u8]) -> Response<ResponseBody> {
    let text = String::from_utf8_lossy(call);
    let answer = if text.contains("<methodName>fail</methodName>") {
        "<fault><value><struct>\
         <member><name>faultCode</name><value><int>7</int></value></member>\
         <member><name>faultString</name><value><string>on purpose</string></value></member>\
         </struct></value></fault>"
            .to_owned()
    } else {
        format!(
            "<params><param><value><base64>{}</base64></value></param></params>",
            base64(call)
        )
    };
    let text = format!("<?xml version=\"1.0\"?><methodResponse>{answer}</methodResponse>");
    ok("text/xml", full(text))
}

/// Encodes base64 (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let known = digit <= group.len();
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if known { DIGITS[value] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let known = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, expected) in known.iter().enumerate() {
            assert_eq!(&base64(&b"foobar"[..length]), expected);
        }
    }
}
