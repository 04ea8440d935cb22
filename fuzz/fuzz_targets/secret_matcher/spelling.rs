//! Makes a value, a text that spells it, and places to cut the text, from an input.

/// One case.
pub struct Case {
    pub value: Vec<u8>,
    /// A value of the same length.
    pub other: Vec<u8>,
    pub text: Vec<u8>,
    pub cuts: Vec<usize>,
}

impl Case {
    /// Reads the length of the value, from 4 to 12, its characters, the number of cuts, the cuts, and the text.
    pub fn read(data: &[u8], longest: usize) -> Option<Self> {
        let (length, data) = data.split_first()?;
        let (value, data) = data.split_at_checked(usize::from(length % 9) + 4)?;
        let printable = |byte: &u8| b' ' + byte % 95;
        let value: Vec<u8> = value.iter().map(printable).collect();
        let (count, data) = data.split_first()?;
        let (cuts, data) = data.split_at_checked(usize::from(count % 6))?;
        let mut text = Vec::new();
        let mut bytes = data.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                0..128 => text.push(byte),
                _ => {
                    let how = bytes.next().unwrap_or_default();
                    spell(&value, usize::from(byte & 127), how, &mut text);
                }
            }
        }
        text.truncate(longest);
        let mut cuts: Vec<usize> = cuts
            .iter()
            .map(|cut| usize::from(*cut) % (text.len() + 1))
            .collect();
        cuts.sort_unstable();
        let other = value.iter().map(|byte| b' ' + (byte ^ 21) % 95).collect();
        Some(Self {
            value,
            other,
            text,
            cuts,
        })
    }
}

/// Writes a part of the value, or one character of it.
fn spell(value: &[u8], which: usize, how: u8, text: &mut Vec<u8>) {
    if which >= 112 {
        let from = usize::from(how) % value.len();
        let whole = match which % 4 {
            0 => value.to_vec(),
            1 => base64(&value[from..]),
            2 => base64(&[&b"xyz"[..from % 4], value].concat()),
            _ => value
                .iter()
                .flat_map(|byte| format!("{byte:02x}").into_bytes())
                .collect(),
        };
        text.extend(whole);
        return;
    }
    let byte = value[which % value.len()];
    let once = escape(byte, how & 15);
    match how >> 4 {
        0..12 => text.extend(once.bytes()),
        again => once
            .bytes()
            .for_each(|byte| text.extend(escape(byte, again * 3 % 16).bytes())),
    }
}

fn escape(byte: u8, how: u8) -> String {
    match how {
        0 => format!("%{byte:02X}"),
        1 => format!("\\u{byte:04x}"),
        2 => format!("\\x{byte:02x}"),
        3 => format!("&#{byte};"),
        4 => format!("&#x{byte:X};"),
        5 => format!("&#000{byte}"),
        6 => format!("\\{byte:o}"),
        7 => format!("\\u{{{byte:x}}}"),
        8 => format!("={byte:02X}"),
        9 => format!("\\{byte:x} "),
        10 => format!("\\{}", char::from(byte)),
        11 => format!("={}{}", "\r\n", char::from(byte)),
        12 => format!("%u{byte:04x}"),
        13 => format!("0x{byte:x}, "),
        _ => char::from(byte).to_string(),
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let number =
        |six: &[bool]| (0..6).fold(0, |n, at| n * 2 + usize::from(six.get(at) == Some(&true)));
    bits.chunks(6).map(|six| DIGITS[number(six)]).collect()
}
