//! A secret is masked in every spelling that a server returns it in, and masking reveals nothing.

use sandbox_net::policy::Document;
use sandbox_net::{Sandbox, SandboxBuilder};
use sandbox_net_tests::{Report, Script, ScriptedServer, run};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// Like keys of Azure and others: in base64, with characters that encoders escape.
const VALUE: &str = "aB3+dE5/gH7+jK9&mN1<pQ2>sT4\"vW6'yZ==";

/// An encoder's output for a text.
type Encoder = fn(&str) -> String;

/// Replaces characters of a text.
fn replaced(text: &str, escapes: &[(char, &str)]) -> String {
    let escape = |character: char| {
        let known = escapes.iter().find(|(escaped, _)| *escaped == character);
        known.map_or(character.to_string(), |(_, escape)| (*escape).to_owned())
    };
    text.chars().map(escape).collect()
}

/// Replaces all characters but letters and digits.
fn each_other(text: &str, escape: impl Fn(u32) -> String) -> String {
    let escaped = |character: char| match character.is_ascii_alphanumeric() {
        true => character.to_string(),
        false => escape(u32::from(character)),
    };
    text.chars().map(escaped).collect()
}

/// Gson, with its escaping for HTML.
fn gson(text: &str) -> String {
    let escapes = [
        ('"', "\\\""),
        ('\\', "\\\\"),
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('=', "\\u003d"),
        ('\'', "\\u0027"),
    ];
    replaced(text, &escapes)
}

/// `System.Text.Json` of .NET.
fn system_text_json(text: &str) -> String {
    let escapes = [
        ('"', "\\u0022"),
        ('\\', "\\\\"),
        ('<', "\\u003C"),
        ('>', "\\u003E"),
        ('&', "\\u0026"),
        ('\'', "\\u0027"),
        ('+', "\\u002B"),
        ('`', "\\u0060"),
    ];
    replaced(text, &escapes)
}

/// `html/template` of Go.
fn html_template(text: &str) -> String {
    let escapes = [
        ('"', "&#34;"),
        ('&', "&amp;"),
        ('\'', "&#39;"),
        ('+', "&#43;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
    ];
    replaced(text, &escapes)
}

/// Razor of .NET.
fn razor(text: &str) -> String {
    let escapes = [
        ('"', "&quot;"),
        ('&', "&amp;"),
        ('\'', "&#x27;"),
        ('+', "&#x2B;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
    ];
    replaced(text, &escapes)
}

/// `html.escape` of Python.
fn html_escape(text: &str) -> String {
    let escapes = [
        ('"', "&quot;"),
        ('&', "&amp;"),
        ('\'', "&#x27;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
    ];
    replaced(text, &escapes)
}

/// `htmlspecialchars` of PHP.
fn htmlspecialchars(text: &str) -> String {
    html_escape(text).replace("&#x27;", "&#039;")
}

/// `json_encode` of PHP.
fn json_encode(text: &str) -> String {
    let escapes = [('"', "\\\""), ('\\', "\\\\"), ('/', "\\/")];
    replaced(text, &escapes)
}

/// `quopri` of Python, in lines.
fn quoted_printable(text: &str) -> String {
    let escaped = text.replace('=', "=3D");
    let (first, second) = escaped.split_at(11);
    format!("{first}=\r\n{second}")
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| three.get(at).map_or(0, |byte| u32::from(*byte));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place)) as usize & 63];
            encoded.push(if place > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    encoded
}

/// `base64.encodebytes` of Python, with the value in the middle.
fn encodebytes(text: &str) -> String {
    let long = base64(&format!("{}{text}{}", "user:".repeat(9), ":rest".repeat(9)));
    let lines = long.as_bytes().chunks(76).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn hex(text: &str, separator: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(separator)
}

/// Encoders that write each character separately: all of their output is masked.
const BY_CHARACTER: &[(&str, Encoder)] = &[
    ("/plain", |text| text.to_owned()),
    ("/gson", gson),
    ("/system-text-json", system_text_json),
    ("/html-template", html_template),
    ("/razor", razor),
    ("/html.escape", html_escape),
    ("/htmlspecialchars", htmlspecialchars),
    ("/json_encode", json_encode),
    ("/quote", |text| {
        each_other(text, |code| format!("%{code:02X}"))
    }),
    ("/quote-lower", |text| {
        each_other(text, |code| format!("%{code:02x}"))
    }),
    ("/quote-twice", |text| {
        each_other(text, |code| format!("%25{code:02X}"))
    }),
    ("/css", |text| {
        each_other(text, |code| format!("\\{code:06x}"))
    }),
    ("/octal", |text| {
        each_other(text, |code| format!("\\{code:03o}"))
    }),
    ("/hexadecimal", |text| {
        each_other(text, |code| format!("\\x{code:02x}"))
    }),
    ("/zeros", |text| {
        each_other(text, |code| format!("&#x{code:0200x};"))
    }),
    ("/gson-in-json", |text| json_encode(&gson(text))),
    ("/json-in-html", |text| {
        html_template(&system_text_json(text))
    }),
    ("/quopri", quoted_printable),
    ("/colons", |text| hex(text, ":")),
    ("/spaces", |text| hex(text, " ").to_uppercase()),
];

/// Encoders that merge the value's characters with those around it.
const WITHIN: &[(&str, Encoder)] = &[
    ("/base64", base64),
    ("/basic", |text| base64(&format!("user:{text}"))),
    ("/encodebytes", encodebytes),
    ("/base64-in-gson", |text| {
        gson(&base64(&format!("u:{text}")))
    }),
    ("/base64-in-razor", |text| {
        razor(&base64(&format!("u:{text}")))
    }),
];

fn field(head: &str, name: &str) -> String {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut named = fields.filter(|(one, _)| one.eq_ignore_ascii_case(name));
    named
        .next()
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}

/// Returns the key as an encoder writes it, in chunks of seven bytes, or the guess unchanged.
async fn reflecting() -> ScriptedServer {
    ScriptedServer::plain(|head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut encoders = BY_CHARACTER.iter().chain(WITHIN);
        let text = match encoders.find(|(one, _)| *one == path) {
            Some((_, encoder)) => encoder(&field(head, "x-api-key")),
            None => field(head, "x-guess"),
        };
        let mut pieces = vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()];
        for piece in format!("[{text}]").as_bytes().chunks(7) {
            let length = format!("{:x}\r\n", piece.len()).into_bytes();
            pieces.push([&length[..], piece, b"\r\n"].concat());
        }
        pieces.push(b"0\r\n\r\n".to_vec());
        Script {
            pieces,
            close: false,
        }
    })
    .await
}

fn paths() -> impl Iterator<Item = &'static str> {
    BY_CHARACTER.iter().chain(WITHIN).map(|(path, _)| *path)
}

/// A sandbox that has the secret for `server`, and may also use `others`.
fn with_secret(server: &ScriptedServer, others: &[String]) -> (SandboxBuilder, NamedTempFile) {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), VALUE).expect("a file");
    let origin = server.origin();
    let allowed: Vec<&String> = others.iter().chain([&origin]).collect();
    let text = format!(
        "version = 1\nallow = {}\n[[secret]]\nname = 'api-key'\nenv = 'API_KEY'\n\
         rule = '{origin}'\nheaders = ['x-api-key']\nplain_http = true\n\
         source = {{ file = '{}' }}\n[end]\n",
        json!(allowed),
        file.path().display(),
    );
    let document = Document::parse(&text).expect("a policy");
    (Sandbox::builder().policy(document), file)
}

async fn report(builder: SandboxBuilder, origin: String, guess: &str, paths: &[&str]) -> Report {
    let mut builder = builder.arg(origin).arg(guess);
    for path in paths {
        builder = builder.arg(*path);
    }
    let sandbox = builder.build().await.expect("a sandbox");
    run(&sandbox, "boundary/escapes.py").await.0
}

#[tokio::test]
async fn the_spellings_of_common_encoders_are_masked() {
    let server = reflecting().await;
    let (builder, _file) = with_secret(&server, &[]);
    let paths: Vec<&str> = paths().collect();
    let report = report(builder, server.origin(), "", &paths).await;
    assert!(
        server
            .heads()
            .iter()
            .all(|head| field(head, "x-api-key") == VALUE)
    );
    assert_eq!(server.heads().len(), paths.len());
    for (path, encoder) in BY_CHARACTER {
        let stars = "*".repeat(encoder(VALUE).len());
        assert_eq!(report.result(path), &json!(format!("[{stars}]")), "{path}");
    }
    for (path, encoder) in WITHIN {
        let text = report.result(path).as_str().expect("a text");
        let spelled = format!("[{}]", encoder(VALUE));
        assert_eq!(text.len(), spelled.len(), "{path}");
        // The value's bytes in base64, and at most one digit less.
        let masked = text.bytes().filter(|byte| *byte == b'*').count();
        assert!(masked >= VALUE.len() * 8 / 6, "{path}: {text}");
        let first = text.find('*').unwrap_or_default();
        let last = text.rfind('*').unwrap_or_default();
        assert!(
            text[first..last].bytes().all(|byte| byte == b'*'),
            "{path}: {text}"
        );
        for (shown, was) in text.chars().zip(spelled.chars()) {
            assert!(shown == '*' || shown == was, "{path}: {text}");
        }
    }
}

/// Without the secret, the bytes that the program sends come back unchanged.
#[tokio::test]
async fn what_is_no_secret_comes_back_as_it_is() {
    let server = reflecting().await;
    let paths: Vec<&str> = paths().collect();
    let builder = Sandbox::builder()
        .allow(server.origin())
        .env("API_KEY", VALUE);
    let report = report(builder, server.origin(), "", &paths).await;
    for (path, encoder) in BY_CHARACTER.iter().chain(WITHIN) {
        let expected = format!("[{}]", encoder(VALUE));
        assert_eq!(report.result(path), &json!(expected), "{path}");
    }
}

/// If a right guess came back as stars and a wrong one unchanged, a program that may guess without
/// limit would find the value.
#[tokio::test]
async fn a_server_of_the_guests_own_does_not_tell_whether_a_guess_is_right() {
    let (server, own) = (reflecting().await, reflecting().await);
    for guess in [VALUE, "aB3+dE5/gH7+jK9&mN1<pQ2>sT4\"vW6'yZ=!"] {
        let (builder, _file) = with_secret(&server, &[own.origin()]);
        let report = report(builder, own.origin(), guess, &["/guess"]).await;
        assert_eq!(report.result("/guess"), &Value::from(format!("[{guess}]")));
    }
    // The secret's own server reveals nothing of it.
    let (builder, _file) = with_secret(&server, &[own.origin()]);
    let report = report(builder, server.origin(), VALUE, &["/guess"]).await;
    let stars = "*".repeat(VALUE.len());
    assert_eq!(report.result("/guess"), &Value::from(format!("[{stars}]")));
}
