//! Values in every spelling, and texts without any.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What comes out of a search in a text that is cut at some places, piece by piece.
fn pieces(values: &[&str], text: &[u8], cuts: &[Index]) -> Vec<Vec<u8>> {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    let mut matching = Matcher::new(&values).expect("values").begin();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut given, mut start) = (Vec::new(), 0);
    for end in cuts.into_iter().chain([text.len()]) {
        given.push(matching.push(&text[start..end]));
        start = end;
    }
    given.push(matching.finish());
    assert_eq!(matching.has_masked(), given.concat() != text);
    given
}

fn masked(value: &str, text: &str) -> String {
    String::from_utf8(pieces(&[value], text.as_bytes(), &[]).concat()).expect("ASCII")
}

/// A character in one of many spellings.
fn spelled(character: u8, how: usize) -> String {
    let (c, code) = (char::from(character), character);
    let short = match c {
        '"' => "&quot;",
        '&' => "&amp",
        '<' => "&lt;",
        '+' => "&plus;",
        '=' => "&equals;",
        '/' => "\\/",
        '\\' => "\\\\",
        ' ' => "+",
        _ => return numbered(code, how),
    };
    match how % 3 {
        0 => short.to_owned(),
        1 => c.to_string(),
        _ => numbered(code, how),
    }
}

fn numbered(code: u8, how: usize) -> String {
    let zeros = "0".repeat(how % 7 * 2);
    match how % 18 {
        0 => format!("%{code:02X}"),
        1 => format!("%{code:02x}"),
        2 => format!("\\u{code:04x}"),
        3 => format!("\\u{code:04X}"),
        4 => format!("\\U{code:08X}"),
        5 => format!("\\x{code:02x}"),
        6 => format!("\\{code:03o}"),
        7 => format!("\\u{{{zeros}{code:x}}}"),
        8 => format!("&#{code};"),
        9 => format!("&#{zeros}{code}"),
        10 => format!("&#x{zeros}{code:X};"),
        11 => format!("&#X{code:x}"),
        12 => format!("={code:02X}"),
        13 => format!("%u{code:04X}"),
        14 => format!("\\{code:06x}"),
        _ => char::from(code).to_string(),
    }
}

/// Each character of a text in some spelling, some of them spelled twice.
fn spell(text: &str, how: &[usize]) -> String {
    let mut spelling = String::new();
    for (index, character) in text.bytes().enumerate() {
        let how = how[index % how.len()];
        let once = spelled(character, how);
        match (how / 18) % 4 {
            0 => once
                .bytes()
                .for_each(|one| spelling += &spelled(one, how / 72 * 7)),
            _ => spelling += &once,
        }
    }
    spelling
}

#[test]
fn a_base64_secret_is_masked_as_common_encoders_escape_it() {
    let value = "hVs+9/aB0+Zq/Tk==";
    let utf16 = value
        .chars()
        .map(String::from)
        .collect::<Vec<_>>()
        .join("\0");
    for text in [
        "hVs+9/aB0+Zq/Tk==",
        // Gson, System.Text.Json, json_encode of PHP.
        r"hVs+9/aB0+Zq/Tk\u003d\u003d",
        r"hVs\u002B9/aB0\u002BZq/Tk==",
        r"hVs+9\/aB0+Zq\/Tk==",
        // html/template of Go, Razor, an encoder of all but letters and digits.
        "hVs&#43;9/aB0&#43;Zq/Tk==",
        "hVs&#x2B;9/aB0&#x2B;Zq/Tk==",
        "hVs&plus;9&sol;aB0&plus;Zq&sol;Tk&equals;&equals;",
        "hVs%2B9%2FaB0%2bZq%2fTk%3D%3D",
        "hVs%252B9%252FaB0%252BZq%252FTk%253D%253D",
        "hVs+9/aB0+Zq/Tk=3D=3D",
        "hVs+9/aB=\r\n0+Zq/Tk=3D=3D",
        r"hVs\x2b9\57aB0\053Zq\/Tk\075\u{3d}",
        // JSON within JSON, a reference within JSON, JSON within HTML.
        r"hVs\\u002B9\\\/aB0\\u002bZq\\/Tk\\u003d\\u003d",
        r"hVs\u0026#43;9/aB0\u0026#43;Zq/Tk==",
        "hVs&#92;u002b9/aB0&amp;#x2B;Zq/Tk==",
        &utf16,
    ] {
        let framed = format!("({text})");
        let stars = format!("({})", "*".repeat(text.len()));
        assert_eq!(masked(value, &framed), stars, "{text}");
    }
}

#[test]
fn a_value_is_masked_whose_first_space_a_form_writes_as_plus() {
    for text in ["+pass+word", "+=\n=\npass+word", "%2Bpass%20word"] {
        let framed = format!("q={text}&x");
        let stars = format!("q={}&x", "*".repeat(text.len()));
        assert_eq!(masked(" pass word", &framed), stars, "{text}");
    }
}

#[test]
fn base64_is_masked_with_the_characters_that_neighbours_share() {
    // As RFC 4648 has it: 3 bytes in 4 characters.
    for (text, expected) in [
        ("cGFzc3dvcmQ=", "***********="),
        ("dXBhc3N3b3Jk", "d***********"),
        ("dXNwYXNzd29yZA==", "dX************=="),
        ("dXM6cGFzc3dvcmQ6", "dXM6***********6"),
        ("OnBhc3N3b3JkIQ==", "O***********IQ=="),
    ] {
        assert_eq!(masked("password", text), expected);
    }
    // Too narrow a column to be taken for base64 in lines.
    let narrow = "cGFz\r\nc3dv\r\ncmQ=";
    assert_eq!(masked("password", narrow), narrow);
}

#[test]
fn a_newline_ends_a_line_of_text_and_not_one_of_base64() {
    let value = "correct horse battery staple";
    let wrapped = "Y29ycmVjdCBob3JzZSBi\r\n    YXR0ZXJ5IHN0YXBsZQ==";
    let stars = "*".repeat(wrapped.len() - 2);
    assert_eq!(masked(value, wrapped), format!("{stars}=="));
    let cut = "correct horse \nbattery staple";
    assert_eq!(masked(value, cut), cut);
}

#[test]
fn hexadecimal_is_masked_with_any_separator() {
    for text in [
        "70617373776f7264",
        "70617373776F7264",
        "70:61:73:73:77:6f:72:64",
        "70 61 73 73 77 6F 72 64",
        "0x70, 0x61, 0x73, 0x73, 0x77, 0x6f, 0x72, 0x64",
        "70-61-73-73-77-6f-72-64",
    ] {
        let given = masked("password", text);
        let rest = text.strip_prefix("0x").unwrap_or(text);
        assert!(given.ends_with(&"*".repeat(rest.len())), "{text}: {given}");
    }
}

#[test]
fn a_text_without_the_value_is_unchanged() {
    for text in [
        "passwor passwore p%61ssworq \\u0070assw0rd",
        "cGFzc3dvcXR cGFzc3dvcn== 7061737377 6f72 65",
        "&#112;assw&#112;ord pass\nword pass word",
    ] {
        assert_eq!(masked("password", text), text);
    }
}

#[test]
fn leading_zeros_are_read() {
    let text = format!("-abcd&#{}101;fgh-", "0".repeat(3000));
    let stars = "*".repeat(text.len() - 2);
    assert_eq!(masked("abcdefgh", &text), format!("-{stars}-"));
}

/// A server could otherwise have a host keep as much as it likes.
#[test]
fn zeros_without_end_are_not_kept_and_show_nothing() {
    let value = "abcdefgh";
    let text = format!("-abcd&#{}101;fgh-", "0".repeat(100_000));
    let mut matching = Matcher::new(&[value.as_bytes()]).expect("a value").begin();
    let mut given = Vec::new();
    for piece in text.as_bytes().chunks(1000) {
        given.extend(matching.push(piece));
        assert!(matching.holds().len() < 10_000);
    }
    given.extend(matching.finish());
    let given = String::from_utf8(given).expect("ASCII");
    assert_eq!(given.len(), text.len());
    assert!(
        !given.contains("bcd") && given.ends_with("*******-"),
        "{}",
        &given[99_900..]
    );
}

const VALUE: &str = "[!-~][ -~]{6,30}[!-~]";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_mix_of_spellings_is_masked_however_it_is_cut(
        value in VALUE, how in prop::collection::vec(0..10_000usize, 1..40),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let spelling = spell(&value, &how);
        let text = format!("\n|{spelling}|\n");
        let given = pieces(&[&value], text.as_bytes(), &cuts).concat();
        let given = String::from_utf8(given).unwrap();
        let inside = &given[2..2 + spelling.len()];
        prop_assert!(inside.bytes().all(|byte| byte == b'*'), "{}\n{}", text, given);
        prop_assert_eq!((&given[..2], &given[given.len() - 2..]), ("\n|", "|\n"));
    }

    #[test]
    fn base64_of_any_surroundings_is_masked_in_lines_and_escaped(
        before in "[ -~]{0,40}", value in "[!-~]{8,40}", after in "[ -~]{0,40}",
        columns in 16..80usize, how in prop::collection::vec(54..10_000usize, 1..9),
        (is_url_safe, is_escaped, indent) in (any::<bool>(), any::<bool>(), 0..9usize),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let whole = format!("{before}{value}{after}");
        let mut text = six_bit_text(whole.as_bytes(), is_url_safe);
        let (first, last) = (before.len() * 8 / 6, ((before.len() + value.len()) * 8).div_ceil(6));
        let lines: Vec<&str> = text.as_bytes().chunks(columns)
            .map(|line| std::str::from_utf8(line).unwrap()).collect();
        let newline = format!("\n{}", " ".repeat(indent));
        // Where the value stands in the lines.
        let place = |at: usize| at + at / columns * newline.len();
        let (first, last) = (place(first), place(last - 1) + 1);
        text = lines.join(&newline);
        if is_escaped {
            let lines: Vec<String> =
                text[first..last].lines().map(|line| spell(line.trim(), &how)).collect();
            let escaped = lines.join("\\r\\n");
            let given = pieces(&[&value], escaped.as_bytes(), &cuts).concat();
            prop_assert!(given.iter().all(|byte| *byte == b'*'), "{}", escaped);
        } else {
            let given = pieces(&[&value], text.as_bytes(), &cuts).concat();
            prop_assert!(given[first..last].iter().all(|byte| *byte == b'*'), "{}", text);
            prop_assert_eq!(&given[..first], &text.as_bytes()[..first]);
            prop_assert_eq!(&given[last..], &text.as_bytes()[last..]);
        }
    }

    #[test]
    fn what_is_given_out_depends_on_the_text_and_never_on_a_value(
        value in "[a-f+/%]{8,20}", other in "[ -~]{20}",
        how in prop::collection::vec(0..10_000usize, 1..40),
        parts in prop::collection::vec("[a-f+&#;0-9\\\\\n]{0,20}", 2..4),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let text = [&*parts[0], &spell(&value, &how), &*parts[1], &spell(&value[..5], &how)].concat();
        let other = &other[..value.len()];
        let lengths = |value: &str| -> Vec<usize> {
            let pieces = pieces(&[value], text.as_bytes(), &cuts);
            pieces.iter().map(Vec::len).collect()
        };
        prop_assert_eq!(lengths(&value), lengths(other), "{:?}", text);
    }

    #[test]
    fn a_text_is_masked_alike_however_it_is_cut(
        values in prop::collection::vec("[ab%\\\\&]{4,8}", 1..3),
        text in prop::collection::vec("[ab%\\\\&]{1,8}|%25|%5[cC]|&amp;|\\\\\\\\|&#3[78];?|=\n|6[12]|Y", 0..30),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let text = text.concat();
        let whole = pieces(&values, text.as_bytes(), &[]).concat();
        prop_assert_eq!(&pieces(&values, text.as_bytes(), &cuts).concat(), &whole);
        let singles: Vec<Index> = cuts.iter().cycle().take(if cuts.is_empty() { 0 } else { 200 }).copied().collect();
        prop_assert_eq!(pieces(&values, text.as_bytes(), &singles).concat(), whole);
    }
}

/// Base64 without padding.
fn six_bit_text(bytes: &[u8], is_url_safe: bool) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bits = |at: usize| bytes.get(at).map_or(0, |byte| u32::from(*byte));
    let count = (bytes.len() * 8).div_ceil(6);
    let digit = |at: usize| {
        let three = at / 4 * 3;
        let number = bits(three) << 16 | bits(three + 1) << 8 | bits(three + 2);
        match (number >> (18 - at % 4 * 6)) as usize & 63 {
            62 => {
                if is_url_safe {
                    '-'
                } else {
                    '+'
                }
            }
            63 => {
                if is_url_safe {
                    '_'
                } else {
                    '/'
                }
            }
            small => char::from(DIGITS[small]),
        }
    };
    (0..count).map(digit).collect()
}
