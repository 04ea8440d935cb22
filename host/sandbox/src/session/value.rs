//! What the last expression of a turn is.

use super::wire::{Reply, Tag};

/// The most levels of a value as JSON.
const LEVELS: usize = 128;

/// The value of a turn's last expression, as the program shows it. `None` has no value.
///
/// All of it was made by the program: it is text to be shown or parsed like any other input that is not
/// trusted. HTML in particular may contain scripts.
///
/// ```no_run
/// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// let mut session = sandbox.session().await?;
/// let outcome = session.exec("{'answer': 42}").await?;
/// let value = outcome.value.expect("the last line is an expression");
/// assert_eq!(value.text, "{'answer': 42}");
/// assert_eq!(value.json.as_deref(), Some(r#"{"answer": 42}"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Value {
    /// Its `repr`; the beginning of it where it does not fit the
    /// [reply limit](crate::TurnOptions::reply_limit).
    pub text: String,
    /// The value as JSON, where `json.dumps` has one without `NaN`: valid, of 128 levels at most.
    pub json: Option<String>,
    /// The other forms that a notebook shows, such as `text/html` and `image/png`: what
    /// `_repr_mimebundle_` and `_repr_html_`, `_repr_png_` and so on return. Binary data is in base64.
    pub mime: Vec<(String, String)>,
}

impl Value {
    /// The form of this type, such as `text/html`.
    pub fn form(&self, mime: &str) -> Option<&str> {
        let mut forms = self.mime.iter();
        forms
            .find(|(name, _)| name == mime)
            .map(|(_, data)| &**data)
    }

    pub(super) fn of(reply: &Reply<'_>) -> Option<Self> {
        let text = reply.text(Tag::Text)?.into_owned();
        let json = reply.text(Tag::Json).filter(|json| is_json(json));
        let mut mime = Vec::new();
        let mut name = None;
        for (tag, bytes) in reply.fields() {
            match tag {
                Tag::Mime => name = Some(String::from_utf8_lossy(bytes).into_owned()),
                Tag::Data => {
                    let data = String::from_utf8_lossy(bytes).into_owned();
                    mime.extend(name.take().map(|name| (name, data)));
                }
                _ => {}
            }
        }
        Some(Self {
            text,
            json: json.map(|json| json.into_owned()),
            mime,
        })
    }
}

fn is_json(text: &str) -> bool {
    // What is ignored may have any number of levels: serde_json does not count them.
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() && levels(text) <= LEVELS
}

/// How many levels of brackets JSON has that is valid.
fn levels(json: &str) -> usize {
    let (mut level, mut most) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                level += 1;
                most = most.max(level);
            }
            b']' | b'}' => level = level.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    most
}

/// Goes to the end of a string.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[tag], length.as_slice(), bytes].concat()
    }

    #[test]
    fn what_claims_to_be_json_and_is_none_is_left_out() {
        let deep = "[".repeat(100_000);
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        let (most, more, far) = (nested(128), nested(129), nested(100_000));
        let text = format!(r#"["\\\"{most}", {{}}]"#);
        for (json, expected) in [
            ("[1, 2]", Some("[1, 2]")),
            ("[1,", None),
            (&*deep, None),
            (&*most, Some(&*most)),
            (&*text, Some(&*text)),
            (&*more, None),
            (&*far, None),
        ] {
            let body = [&[0], &*field(b'T', b"x"), &field(b'J', json.as_bytes())].concat();
            let value = Value::of(&Reply::parse(&body).unwrap()).unwrap();
            assert_eq!(value.json.as_deref(), expected);
        }
    }

    #[test]
    fn a_form_has_a_name_and_data() {
        let body = [
            &[0],
            &*field(b'T', b"x"),
            &field(b'D', b"nobody's"),
            &field(b'M', b"text/html"),
            &field(b'D', b"<b>"),
            &field(b'M', b"image/png"),
        ];
        let body = body.concat();
        let value = Value::of(&Reply::parse(&body).unwrap()).unwrap();
        assert_eq!(value.mime, [("text/html".to_owned(), "<b>".to_owned())]);
        assert_eq!(value.form("text/html"), Some("<b>"));
        assert_eq!(value.form("image/png"), None);
    }
}
